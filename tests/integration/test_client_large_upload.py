"""`Client.upload_large`: what it does when it is called again after it ended early, and with its notes."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from darkroom.client import ApiError, Client
from darkroom.client.resume_notes import KEPT, ResumeNote, state_folder
from tests.support.api import Api, api_and_worker

JOBS = [{"name": "small", "type": "resize", "width": 40}]
MIB = 1024 * 1024


class Stopped(Exception):
    """The process ends here."""


@pytest.fixture(scope="module")
def api(deploy: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """An API with a worker."""
    with api_and_worker(deploy, tmp_path_factory.mktemp("logs")) as made:
        yield made


@pytest.fixture
def client(api: Api) -> Iterator[Client]:
    with Client(api.url) as made:
        yield made


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """12 MB: two parts."""
    Image.new("RGB", (2000, 2000), "teal").save(path := tmp_path / "panorama.tif")
    return path


def stop_after(parts: int) -> Any:
    """An `on_progress` that ends the call after so many parts."""
    seen: list[int] = []

    def on_progress(sent: int, _size: int) -> None:
        seen.append(sent)
        if len(seen) > parts:
            raise Stopped

    return on_progress


def begin(client: Client, photo: Path) -> str:
    """Send the first part; returns the id of the photo that waits for the others."""
    with pytest.raises(Stopped):
        client.upload_large(photo, jobs=JOBS, on_progress=stop_after(1))
    # Files of earlier tests may still wait for the worker: the newest photo is this one.
    return next(client.photos(status="awaiting_upload"))["id"]


def notes() -> list[Path]:
    return [*state_folder().iterdir()]


def test_the_same_call_continues_and_reports_what_has_arrived(client: Client, photo: Path) -> None:
    photo_id = begin(client, photo)
    assert len(notes()) == 1
    seen: list[tuple[int, int]] = []

    sent = client.upload_large(photo, jobs=JOBS, on_progress=lambda *now: seen.append(now))

    size = photo.stat().st_size
    assert sent["id"] == photo_id
    assert seen == [(8 * MIB, size), (size, size)]
    assert client.wait(photo_id)["status"] == "succeeded"
    assert notes() == []


def test_fields_reach_the_photo(client: Client, photo: Path) -> None:
    sent = client.upload_large(photo, jobs=JOBS, reference="r", metadata={"album": "Rome"}, filename="b.tif")
    ended = client.wait(sent["id"])
    assert (ended["reference"], ended["metadata"]) == ("r", {"album": "Rome"})
    assert ended["original"] is not None
    assert ended["original"]["filename"] == "b.tif"
    with pytest.raises(ValueError, match="'name'"):
        client.upload_large(photo, metadata={"name": "x"})


@pytest.mark.parametrize("ending", ["delete", "cancel"])
def test_an_upload_whose_photo_is_gone_begins_anew(client: Client, photo: Path, ending: str) -> None:
    photo_id = begin(client, photo)
    getattr(client, ending)(photo_id)

    sent = client.upload_large(photo, jobs=JOBS)

    assert sent["id"] != photo_id
    assert client.wait(sent["id"])["status"] == "succeeded"
    assert notes() == []


@pytest.mark.parametrize("accepted", [False, True])
def test_a_call_that_ended_while_it_completed_the_upload_sends_nothing_again(
    client: Client, photo: Path, monkeypatch: pytest.MonkeyPatch, accepted: bool
) -> None:
    def stop(_note: ResumeNote) -> None:
        raise Stopped

    with monkeypatch.context() as patched:
        patched.setattr(ResumeNote, "remove", stop)
        with pytest.raises(Stopped):
            client.upload_large(photo, jobs=JOBS)
    assert len(notes()) == 1
    first = next(client.photos())
    if accepted:
        client.wait(first["id"])
    seen: list[int] = []

    again = client.upload_large(photo, jobs=JOBS, on_progress=lambda sent, _: seen.append(sent))

    assert (again["id"], seen) == (first["id"], [])
    assert client.wait(again["id"])["status"] == "succeeded"
    assert notes() == []


def test_an_error_of_the_api_does_not_begin_the_upload_anew(
    client: Client, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The parts are still there: a new upload would send them all again, and leave a photo that never gets its file."""
    photo_id = begin(client, photo)
    sends = client._api.send

    def refuse_lists(method: str, path: str, **request: Any) -> Any:
        if (method, path) == ("GET", f"/v1/s3/multipart/{photo_id}"):
            raise ApiError(500, "an unexpected error inside Darkroom")
        return sends(method, path, **request)

    with monkeypatch.context() as patched:
        patched.setattr(client._api, "send", refuse_lists)
        with pytest.raises(ApiError, match="unexpected error"):
            client.upload_large(photo, jobs=JOBS)
    assert [one["id"] for one in client.photos(status="awaiting_upload")] == [photo_id]

    assert client.upload_large(photo, jobs=JOBS)["id"] == photo_id


def test_notes_that_are_too_old_are_removed(client: Client, photo: Path, tmp_path: Path) -> None:
    state_folder().mkdir(parents=True)
    old, recent, half = (state_folder() / name for name in ("old.json", "recent.json", "half.4711"))
    for note in (old, recent, half):
        note.write_text("{}")
    long_ago = time.time() - KEPT - 60
    for note in (old, half):
        os.utime(note, (long_ago, long_ago))

    client.upload_large(photo, jobs=JOBS)

    assert notes() == [recent]


def test_a_file_that_has_changed_is_another_upload(client: Client, photo: Path) -> None:
    photo_id = begin(client, photo)
    Image.new("RGB", (2000, 2000), "navy").save(photo)
    assert client.upload_large(photo, jobs=JOBS)["id"] != photo_id
    client.delete(photo_id)
