"""Uploads are written to disk as they arrive, are not held in memory, and leave no files."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from darkroom.record.keys import original_key

MIB = 1024 * 1024
SIZE = 60 * MIB
CHUNK = b"\0" * MIB
MARGIN = 24
"""Mebibytes by which a process may grow for other reasons."""


def large(picture: bytes) -> Iterator[bytes]:
    """A JPEG followed by zeros, which readers of JPEG ignore."""
    yield picture
    for _ in range(SIZE // MIB):
        yield CHUNK


def as_form(body: Iterator[bytes]) -> Iterator[bytes]:
    yield b'--frontier\r\nContent-Disposition: form-data; name="preset"\r\n\r\nmetadata\r\n'
    yield b'--frontier\r\nContent-Disposition: form-data; name="photo"; filename="large.jpg"\r\n\r\n'
    yield from body
    yield b"\r\n--frontier--\r\n"


def peak_memory(api: Any) -> int:
    """The largest peak of memory, in mebibytes, of the API's processes."""
    peaks = []
    for process in api.processes():
        status = Path(f"/proc/{process}/status").read_text()
        peaks.append(next(int(line.split()[1]) // 1024 for line in status.splitlines() if line.startswith("VmHWM")))
    return max(peaks)


@pytest.mark.parametrize("sent_as", ["form", "chunks", "photo with Content-Length"])
def test_a_large_photo_is_not_held_in_memory(start_api: Any, picture: bytes, sent_as: str) -> None:
    api = start_api(DARKROOM_API_PROCESSES="1")
    path, content_type, wrap = (
        ("/v1/photos", "multipart/form-data; boundary=frontier", as_form)
        if sent_as == "form"
        else ("/v1/photos?preset=metadata", "image/jpeg", iter)
    )
    headers = {"Content-Type": content_type}
    assert (
        api.post(path, data=b"".join(wrap(iter([picture]))), headers=headers).status_code == 202
    )  # loads the libraries
    before = peak_memory(api)

    body = b"".join(large(picture)) if sent_as == "photo with Content-Length" else wrap(large(picture))
    answer = api.post(path, data=body, headers=headers)

    assert answer.status_code == 202, answer.text
    assert peak_memory(api) - before < MARGIN
    original = answer.json()["original"]
    digest = hashlib.sha256()
    for chunk in large(picture):
        digest.update(chunk)
    assert original["size"] == len(picture) + SIZE
    assert original["sha256"] == digest.hexdigest()
    stored = api.services.clients.s3.head_object(Bucket=api.settings.bucket, Key=original_key(answer.json()["id"]))
    assert stored["ContentLength"] == original["size"]
    assert not api.spooled()
    assert not list(api.settings.spool_dir.iterdir())


@pytest.mark.parametrize("chunked", [True, False])
@pytest.mark.parametrize(("fields", "size"), [(60, MIB - 10), (1, 40 * MIB), (60, 100_000)])
def test_the_text_fields_of_a_form_are_not_collected_in_memory(
    start_api: Any, picture: bytes, fields: int, size: int, chunked: bool
) -> None:
    """Many fields, each of which is small enough by itself."""
    api = start_api(DARKROOM_API_PROCESSES="1")
    content_type = {"Content-Type": "multipart/form-data; boundary=frontier"}
    photo = b"".join(as_form(iter([picture])))
    assert api.post("/v1/photos", data=photo, headers=content_type).status_code == 202  # loads the libraries
    before = peak_memory(api)
    text = b'--frontier\r\nContent-Disposition: form-data; name="f%d"\r\n\r\n%s\r\n'

    def body() -> Iterator[bytes]:
        for number in range(fields):
            yield text % (number, b"a" * size)
        yield photo

    answer = api.post("/v1/photos", data=body() if chunked else b"".join(body()), headers=content_type)

    assert answer.status_code == 413, answer.text
    assert "262,144 bytes" in answer.json()["detail"]
    assert peak_memory(api) - before < MARGIN
    assert not api.spooled()


@pytest.mark.parametrize("form", [True, False])
@pytest.mark.parametrize("length", ["Content-Length: 50000000", "Transfer-Encoding: chunked"])
def test_an_upload_that_breaks_off_leaves_no_file_and_no_photo(
    api: Any, picture: bytes, form: bool, length: str
) -> None:
    content_type = "multipart/form-data; boundary=frontier" if form else "image/jpeg"
    half = picture + b"\0" * MIB
    body = b"".join(as_form(iter([half])))[:-20] if form else half
    if "chunked" in length:
        body = f"{len(body):x}\r\n".encode() + body + b"\r\n"
    with socket.create_connection(("127.0.0.1", api.settings.port)) as caller:
        caller.sendall(
            f"POST /v1/photos HTTP/1.1\r\nHost: x\r\nContent-Type: {content_type}\r\n{length}\r\n\r\n".encode()
        )
        caller.sendall(body)
        api.wait_until("the upload is on disk", lambda: api.spooled())
        assert not list(api.settings.spool_dir.iterdir()), "a file with a name would remain after a crash"

    api.wait_until("the upload is gone", lambda: not api.spooled())

    assert api.get("/v1/photos").json()["photos"] == []
    assert api.messages() == []


def test_refused_uploads_leave_no_file(api: Any, picture: bytes) -> None:
    api.upload(("a.jpg", b"hello"))
    api.upload(("a.jpg", picture), jobs="[{")
    api.upload(("a.jpg", b"hello"), ("b.jpg", b"hello"))

    assert not api.spooled()
    assert not list(api.settings.spool_dir.iterdir())
