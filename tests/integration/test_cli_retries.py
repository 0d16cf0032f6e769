"""`darkroom upload` when the API is busy, slow, not there, or does not answer."""

from __future__ import annotations

import socket
import threading
from collections import Counter
from pathlib import Path

import pytest
from werkzeug.serving import make_server

from darkroom.client import Client
from tests.support.fake_api import JPEG, FakeApi, in_process, run, write


def test_a_busy_api_gets_the_whole_photo_again_after_the_time_it_asks_for(
    fake_api: FakeApi, photo_folder: Path
) -> None:
    write(photo_folder, "busy.jpg")
    result = run("upload", photo_folder / "busy.jpg", url=fake_api.url)
    assert result.exit_code == 0, result.output
    assert [upload["bytes"] for upload in fake_api.uploads] == [JPEG] * 3


def test_retries_at_a_busy_api_end_and_the_wait_is_reported_once(
    fake_api: FakeApi, photo_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(photo_folder, "full.jpg", "a/full.jpg")
    monkeypatch.setattr("darkroom.client.sessions.BUSY_FOR", 3)
    result = run("upload", photo_folder, url=fake_api.url)

    assert result.exit_code == 1
    assert len(fake_api.uploads) > 2
    said = f"{fake_api.url} answers 429 Too Many Requests: trying again when it says, for 0.05 minutes at most"
    assert result.stderr.count(said) == 1
    assert result.stderr.count("There is no room.") == 2


def test_an_invalid_retry_after_is_ignored(fake_api: FakeApi, photo_folder: Path) -> None:
    write(photo_folder, "odd.jpg")
    result = run("upload", photo_folder / "odd.jpg", url=fake_api.url)

    assert result.exit_code == 0, result.output
    assert len(fake_api.uploads) == 3
    assert f"{fake_api.url} answers 503 Service Unavailable" in result.stderr


def test_a_photo_that_the_api_may_have_accepted_is_sent_again_under_the_same_key(
    fake_api: FakeApi, photo_folder: Path
) -> None:
    write(photo_folder, "a.jpg", "bad-gateway.jpg", "in-flight.jpg", "torn-off.jpg")
    result = run("upload", photo_folder, url=fake_api.url)
    assert result.exit_code == 0, result.output
    sent = Counter(upload["filename"] for upload in fake_api.uploads)
    assert sent == {"a.jpg": 1, "bad-gateway.jpg": 2, "in-flight.jpg": 3, "torn-off.jpg": 2}
    keys = {(upload["filename"], upload["headers"]["Idempotency-Key"]) for upload in fake_api.uploads}
    assert len({key for _, key in keys}) == len(keys) == len(sent)
    assert all(upload["bytes"] == JPEG for upload in fake_api.uploads)


def test_an_upload_that_gets_no_answer_is_reported(
    fake_api: FakeApi, photo_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("darkroom.client.sessions.READ_TRIES", 1)
    write(photo_folder, "a.jpg", "lost.jpg")
    result = run("upload", photo_folder, url=fake_api.url)
    assert result.exit_code == 1
    assert Counter(upload["filename"] for upload in fake_api.uploads) == {"a.jpg": 1, "lost.jpg": 2}
    assert "lost.jpg\n  no answer came, at any try (Remote end closed connection without response)" in result.stderr
    assert f"{fake_api.url}/v1/photos lists all photos" in result.stderr
    assert "1 of 2 photos succeeded, 1 failed" in result.stderr


def test_the_callers_own_idempotency_key_is_sent(fake_api: FakeApi, photo_folder: Path) -> None:
    write(photo_folder, "a.jpg")
    with Client(fake_api.url) as client:
        client.upload(photo_folder / "a.jpg", idempotency_key="order-7")
    assert fake_api.uploads[0]["headers"]["Idempotency-Key"] == '"order-7"'


def test_an_api_that_starts_late_gets_its_photo(photo_folder: Path) -> None:
    write(photo_folder, "a.jpg")
    stand_in = FakeApi()
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]

    def start() -> None:
        with make_server("127.0.0.1", port, stand_in.app()) as server:
            server.handle_request()

    threading.Timer(1, start).start()
    with Client(f"http://127.0.0.1:{port}") as client:
        assert client.upload(photo_folder / "a.jpg")["status"] == "processing"
    assert len(stand_in.uploads) == 1


def test_an_api_that_does_not_run_is_reported_with_how_to_start_it(photo_folder: Path) -> None:
    write(photo_folder, "a.jpg")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        process = in_process("upload", photo_folder, "--url", url)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 1
    assert f"{url} (Connection refused)" in stderr
    assert "make run" in stderr
    assert "Traceback" not in stderr


def test_when_the_api_stops_the_remaining_photos_are_reported_and_not_tried(
    fake_api: FakeApi, photo_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Client.__init__, "__kwdefaults__", {"patience": 0, "on_busy": None})
    write(photo_folder, "a.jpg", "last.jpg", "never.jpg")
    result = run("upload", photo_folder, "--parallel", "1", url=fake_api.url)
    assert result.exit_code == 1
    assert f"last.jpg (photo photo-1-last.jpg)\n  Darkroom does not answer at {fake_api.url}" in result.stderr
    assert "never.jpg\n  not sent, because Darkroom or its storage does not answer any more\n" in result.stderr
    assert "1 of 3 photos succeeded, 2 failed" in result.stderr


def test_a_photo_that_does_not_end_within_the_timeout_fails(fake_api: FakeApi, photo_folder: Path) -> None:
    write(photo_folder, "slow.jpg")
    result = run("upload", photo_folder, "--timeout", "1", url=fake_api.url)
    assert result.exit_code == 1
    assert "not finished after 1 s; processing goes on: darkroom status photo-0-slow.jpg" in result.stderr
