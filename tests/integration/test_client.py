"""`darkroom.client` against a real API and a real worker."""

from __future__ import annotations

import io
import json
import os
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from darkroom.client import (
    AccessRefused,
    ApiError,
    Client,
    NotDarkroom,
    NotFinished,
    RequestInvalid,
    ResourceMissing,
    StateConflict,
    UnusableFile,
)
from darkroom.errors import AttemptsExhausted
from darkroom.owners import hash_of, new_key
from darkroom.record.photo import PhotoRecord
from tests.support.api import Api, api_and_worker

SMALL = {"name": "small", "type": "resize", "width": 40}
NOWHERE = "01890000-0000-7000-8000-000000000000"
KEY = new_key()


@pytest.fixture(scope="module")
def api(deploy: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """An API with a worker; one owner has a key."""
    keys = {
        "DARKROOM_API_KEYS": f"alice:{hash_of(KEY)}",
        "DARKROOM_SIGNING_KEYS": "a-key-of-32-characters-for-tests",
    }
    with api_and_worker(deploy, tmp_path_factory.mktemp("logs"), **keys) as made:
        yield made


@pytest.fixture
def client(api: Api) -> Iterator[Client]:
    with Client(api.url, KEY) as made:
        yield made


@pytest.fixture
def photo(tmp_path: Path, picture: bytes) -> Path:
    path = tmp_path / "räder.jpg"
    path.write_bytes(picture)
    return path


def width_of(content: bytes) -> int:
    with Image.open(io.BytesIO(content)) as image:
        return image.width


# --- upload -------------------------------------------------------------------------------------------------------


def test_a_photo_is_uploaded_and_its_result_is_fetched(client: Client, photo: Path, tmp_path: Path) -> None:
    sent = client.upload(photo, jobs=[SMALL, {"type": "metadata"}], reference="r-7", metadata={"album": "Rome ä"})
    ended = client.wait(sent["id"])

    assert (ended["status"], ended["reference"], ended["metadata"]) == ("succeeded", "r-7", {"album": "Rome ä"})
    assert ended["original"] is not None
    assert ended["original"]["filename"] == "räder.jpg"
    small, facts = ended["jobs"]
    assert width_of(client.result(ended["id"], "small")) == 40
    assert client.result(ended["id"], job=small["id"], to=tmp_path / "small.jpg") == tmp_path / "small.jpg"
    assert (tmp_path / "small.jpg").read_bytes() == client.result(ended["id"], job=small["id"])
    assert json.loads(client.result(ended["id"], job=facts["id"]))["width"] == 640
    assert client.result_url(ended["id"], "small") == small["links"]["named_result"]
    assert client.result_url(ended["id"], job=small["id"]) == small["links"]["result"]
    assert client.receipt(ended["id"], small["id"])["output"]["width"] == 40
    assert {path.name for path in tmp_path.iterdir()} == {"räder.jpg", "small.jpg"}


def test_bytes_and_files_are_taken_from_the_position_at_which_they_are(client: Client, photo: Path) -> None:
    content = photo.read_bytes()
    with photo.open("rb") as file:
        file.seek(2)
        prefixed = io.BytesIO(b"prefix" + content)
        prefixed.seek(6)
        ids = [
            client.upload(content, jobs=[SMALL], filename="a.jpg")["id"],
            client.upload(prefixed, jobs=[SMALL])["id"],
            client.upload_direct(io.BytesIO(content), jobs=[SMALL])["id"],
        ]
        with pytest.raises(RequestInvalid) as refused:
            client.upload(file)
    assert refused.value.http_status == 415
    originals = [client.wait(photo_id)["original"] for photo_id in ids]
    assert [original and original["size"] for original in originals] == [len(content)] * 3
    assert [original and original["filename"] for original in originals] == ["a.jpg", "photo", "photo"]


def test_a_photo_in_a_pipe_is_uploaded(client: Client, picture: bytes) -> None:
    receive, send = os.pipe()
    with os.fdopen(send, "wb") as into, os.fdopen(receive, "rb") as out:
        threading.Thread(target=lambda: (into.write(picture), into.close()), daemon=True).start()
        sent = client.upload(out, jobs=[SMALL])
    original = client.photo(sent["id"])["original"]
    assert original is not None
    assert original["size"] == len(picture)


def test_files_that_cannot_be_sent_say_why(client: Client, tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").write_bytes(b"")
    with pytest.raises(UnusableFile, match="empty"):
        client.upload(tmp_path / "empty.jpg")
    with pytest.raises(UnusableFile, match="empty"):
        client.upload(b"")
    with (tmp_path / "empty.jpg").open() as text, pytest.raises(UnusableFile, match='open\\(path, "rb"\\)'):
        client.upload(text)  # type: ignore[arg-type]
    with pytest.raises(FileNotFoundError):
        client.upload(tmp_path / "missing.jpg")
    with pytest.raises(TypeError, match="'presets'"):
        client.upload(b"x", presets="web")  # type: ignore[call-arg]


def test_long_jobs_go_into_a_form(client: Client, photo: Path) -> None:
    blur = {"type": "filter", "filter": "blur", "sigma": 1}
    jobs = [{"type": "pipeline", "steps": [blur] * 10}] * 20
    assert len(client.upload(photo, jobs=jobs)["jobs"]) == 20


def test_dedupe_gives_the_photo_that_is_there(client: Client, photo: Path) -> None:
    jobs = [{"type": "resize", "width": 31}]
    first = client.upload(photo, jobs=jobs, dedupe=True)
    assert client.upload(photo, jobs=jobs, dedupe=True)["id"] == first["id"]
    assert client.upload(photo, jobs=jobs)["id"] != first["id"]


def test_a_key_of_the_caller_makes_one_photo_of_two_uploads(client: Client, photo: Path) -> None:
    uploads = [client.upload(photo, jobs=[SMALL], idempotency_key="order-7") for _ in range(2)]
    assert uploads[0]["id"] == uploads[1]["id"]


def test_direct_uploads_go_to_the_storage(client: Client, photo: Path) -> None:
    sent = client.upload_direct(photo, jobs=[SMALL], reference="direct", metadata={"a": 1})
    ended = client.wait(sent["id"])
    assert (ended["status"], ended["reference"], ended["metadata"]) == ("succeeded", "direct", {"a": 1})


def test_a_url_becomes_a_photo_that_waits_for_its_file(client: Client) -> None:
    sent = client.upload_url("https://example.invalid/a.jpg?signature=x", jobs=[SMALL], filename="b.jpg")
    assert sent["source"] == {"url": "https://example.invalid/a.jpg"}
    with pytest.raises(RequestInvalid) as refused:
        client.upload_url("http://127.0.0.1/a.jpg")
    assert [fault["field"] for fault in refused.value.errors] == ["url"]


def test_a_batch_has_each_photo_or_its_reason(client: Client, photo: Path, tmp_path: Path) -> None:
    sent = client.upload_batch([photo, b"no photo at all", photo.read_bytes()], jobs=[SMALL])
    accepted = [entry["id"] for entry in sent["photos"] if "id" in entry]
    assert [entry["status"] for entry in sent["photos"] if "id" not in entry] == [415]
    assert len(accepted) == 2
    for photo_id in accepted:
        client.wait(photo_id)

    assert sent["batch"] is not None
    batch = client.batch(sent["batch"])
    assert [one["id"] for one in batch["photos"]] == accepted
    assert batch["counts"]["succeeded"] == 2
    for archive in (
        client.archive(tmp_path / "batch.zip", batch=sent["batch"]),
        client.archive(str(tmp_path / "photos.zip"), photos=accepted),
    ):
        with zipfile.ZipFile(archive) as opened:
            assert len(opened.namelist()) == 2
    with zipfile.ZipFile(client.archive(tmp_path / "one.zip", photos=accepted[0])) as opened:
        assert opened.namelist() == ["räder-small.jpg"]

    alone = client.upload_batch([photo], jobs=[SMALL])
    assert (alone["batch"], len(alone["photos"])) == (None, 1)


# --- follow and change --------------------------------------------------------------------------------------------


def test_photos_come_from_all_pages(client: Client, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("darkroom.client.client.PAGE", 2)
    sent = [client.upload(photo, jobs=[SMALL], reference="album")["id"] for _ in range(5)]
    assert [one["id"] for one in client.photos(reference="album")] == sent[::-1]
    assert {one["id"] for one in client.photos()} >= {*sent}
    for photo_id in sent:
        client.wait(photo_id)
    assert list(client.photos(status="failed", reference="album")) == []


def test_jobs_are_added_retried_and_cancelled(api: Api, client: Client, photo: Path) -> None:
    photo_id = client.upload(photo, jobs=[SMALL])["id"]
    client.wait(photo_id)
    (added,) = client.add_jobs(photo_id, [{"name": "old", "type": "filter", "filter": "sepia"}])
    assert client.result(photo_id, "old", wait=20)
    assert len(client.add_jobs(photo_id, preset="thumbnail")) >= 1
    client.wait(photo_id)
    with pytest.raises(StateConflict) as refused:
        client.cancel(photo_id)
    assert (refused.value.http_status, refused.value.code) == (409, "conflict")
    with pytest.raises(StateConflict):
        client.retry(photo_id, added["id"])

    waiting = client.upload_url("https://example.invalid/a.jpg", jobs=[SMALL])
    cancelled = client.cancel(waiting["id"])
    assert cancelled["status"] == "cancelled"


def test_a_deleted_photo_is_gone(client: Client, photo: Path) -> None:
    photo_id = client.upload(photo, jobs=[SMALL])["id"]
    client.delete(photo_id)
    with pytest.raises(ResourceMissing) as missing:
        client.photo(photo_id)
    assert missing.value.http_status == 404
    client.delete(photo_id)


def test_waiting_ends_with_the_time_of_the_caller(client: Client) -> None:
    waiting = client.upload_url("https://example.invalid/a.jpg", jobs=[SMALL])
    with pytest.raises(NotFinished, match=r"not finished after 0\.1 s") as late:
        client.wait(waiting["id"], timeout=0.1)
    assert late.value.photo_id == waiting["id"]


def test_dead_letters_are_listed_redriven_and_purged(api: Api, client: Client, photo: Path) -> None:
    exhausted, letters = AttemptsExhausted.code, []
    for _ in range(4):
        photo_id = client.upload(photo, jobs=[SMALL])["id"]
        client.wait(photo_id)
        (order,) = api.record(photo_id).orders

        def bury(record: PhotoRecord, order: str = order) -> None:
            (job,) = record.jobs.values()
            job.status, job.result = "queued", None
            record.orders[order].due_at = record.created_at
            record.bury(record.claim(order, 5, 90, 300), AttemptsExhausted("tried 5 times"))

        api.change_record(photo_id, bury)
        letters.append(f"{photo_id}/{order}")

    assert [letter["id"] for letter in client.dead_letters(exhausted)] == letters[::-1]
    assert list(client.dead_letters(code="out_of_memory")) == []
    first, second, *others = letters
    assert client.redrive(first)["id"] == first.partition("/")[0]
    with pytest.raises(StateConflict):
        client.redrive(first)
    client.purge(second)
    assert [letter["id"] for letter in client.dead_letters(exhausted)] == others[::-1]
    assert {*client.redrive_all(exhausted)} == {*others}
    assert list(client.dead_letters(exhausted)) == []
    assert client.wait(first.partition("/")[0])["status"] == "succeeded"


# --- the service --------------------------------------------------------------------------------------------------


def test_the_service_tells_of_its_queue_and_operations(client: Client) -> None:
    assert client.queue()["waiting"] >= 0
    operations = client.operations()
    assert {"web", "thumbnail"} <= operations["presets"].keys()
    assert "sepia" in operations["filters"]
    client.check()


def test_an_upload_token_uploads(api: Api, client: Client, photo: Path) -> None:
    token = client.upload_token(presets=["thumbnail"], max_photos=2, expires_in=600)
    assert (token["presets"], token["max_photos"]) == (["thumbnail"], 2)
    with Client(api.url, token["token"]) as browser:
        sent = browser.upload(photo)
        with pytest.raises(AccessRefused) as refused:
            browser.delete(sent["id"])
    assert refused.value.http_status == 403
    assert client.photo(sent["id"])["owner"] == "alice"


def test_assets_are_added_listed_and_removed(client: Client) -> None:
    logo = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(logo, "PNG")
    added = client.add_asset(logo.getvalue(), name="logo.png")
    assert (added["kind"], added["name"], added["width"]) == ("picture", "logo.png", 8)
    assert [one["id"] for one in client.assets()["assets"]] == [added["id"]]
    client.remove_asset(added["id"])
    assert client.assets()["assets"] == []


# --- errors -------------------------------------------------------------------------------------------------------


def test_an_error_names_every_wrong_field(api: Api, client: Client, photo: Path) -> None:
    with pytest.raises(RequestInvalid) as refused:
        client.upload(photo, jobs=[{"type": "resize", "width": -1}, {"type": "filter", "filter": "blurr"}])
    error = refused.value
    assert (error.http_status, error.code, error.title) == (422, "invalid_request", "Unprocessable Content")
    assert [fault["field"] for fault in error.errors] == ["jobs[0].width", "jobs[1]"]
    assert all(fault["code"] and fault["detail"] for fault in error.errors)
    assert str(error).count("\n") == 1
    assert [line for line in api.logged("request.answered") if line["trace"] == error.request_id]


def test_an_error_says_whether_a_key_was_sent(api: Api) -> None:
    for key, said in ((None, "none was sent"), (new_key(), "does not know the one that was sent")):
        with Client(api.url, key) as stranger, pytest.raises(AccessRefused, match=said) as refused:
            stranger.photo(NOWHERE)
        assert refused.value.http_status == 401


def test_a_result_that_is_not_there_is_an_error(client: Client, photo: Path, tmp_path: Path) -> None:
    sent = client.upload(photo, jobs=[SMALL])
    client.wait(sent["id"])
    (kept := tmp_path / "kept.jpg").write_text("old")
    with pytest.raises(ResourceMissing, match="small"):
        client.result(sent["id"], "other", to=kept)
    assert kept.read_text() == "old"
    with pytest.raises(ResourceMissing):
        client.photo(NOWHERE)
    with pytest.raises(ValueError, match="either"):
        client.result(sent["id"])
    with pytest.raises(ValueError, match="either"):
        client.archive(tmp_path / "a.zip")


def test_an_address_of_another_program_is_named(api: Api) -> None:
    with Client(f"{api.url}/elsewhere", KEY) as lost, pytest.raises((NotDarkroom, ApiError)):
        lost.operations()
