"""Batches by their address, and archives of results."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from typing import Any

import pytest
import requests

from darkroom.owners import hash_of, new_key
from darkroom.record.keys import result_key
from darkroom.record.photo import PhotoRecord
from darkroom.record.stored import Result
from tests.support.ended_jobs import fail
from tests.support.stack import store_file
from tests.support.waiting import PATIENCE

ALICE, BOB = new_key(), new_key()

JOBS = [{"type": "resize", "width": 20, "name": "small"}, {"type": "metadata", "name": "facts"}]


@pytest.fixture(scope="module")
def keyed(start_api: Any) -> Any:
    return start_api(
        DARKROOM_API_KEYS=f"alice:{hash_of(ALICE)} bob:{hash_of(BOB)}",
        DARKROOM_SIGNING_KEYS="a-signing-key-of-32-characters-or-more",
    )


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def upload(api: Any, *files: tuple[str, bytes], key: str = ALICE) -> Any:
    parts = [("photo", file) for file in files]
    answer = api.ask("POST", "/v1/photos", files=parts, data={"jobs": json.dumps(JOBS)}, headers=bearer(key))
    assert answer.status_code == 202, answer.text
    return answer.json()


def finish(api: Any, photo_id: str, size: int = 1000) -> None:
    """Store the results of both jobs, and publish them, as a worker does."""
    photo = api.record(photo_id)
    ((order_id, order),) = photo.orders.items()
    results = {}
    for job in order.jobs.values():
        file = f"{job.name} of {photo_id}".encode().ljust(size if job.name == "small" else 100)
        made = {"size": len(file), "sha256": hashlib.sha256(file).hexdigest()}
        stem = photo.original.filename.rpartition(".")[0]
        if job.name == "facts":
            made |= {"filename": f"{stem}-facts.json", "content_type": "application/json", "content": file.decode()}
        else:
            key = result_key(photo_id, job.id, photo.fence_counter + 1, "jpg")
            made |= {"filename": f"{stem}-small.jpg", "content_type": "image/jpeg", "key": key}
            store_file(api.services.bucket, key, file)
        results[job.id] = Result.model_validate(made)

    def publish(record: PhotoRecord) -> None:
        record.publish(record.claim(order_id, 5, 90, 300), results)

    api.change_record(photo_id, publish)


def test_a_batch_counts_its_photos(keyed: Any, picture: bytes) -> None:
    sent = upload(keyed, ("a.jpg", picture), ("no photo.jpg", b"text"), ("b.jpg", picture))
    first, second = (photo["id"] for photo in sent["photos"] if "id" in photo)
    link = sent["links"]["batch"]
    assert link.endswith(f"/v1/batches/{sent['batch']}")

    before = keyed.get(link, headers=bearer(ALICE)).json()

    assert (before["status"], before["counts"]) == ("processing", {"processing": 2})
    assert [(photo["id"], photo["filename"]) for photo in before["photos"]] == [(first, "a.jpg"), (second, "b.jpg")]
    finish(keyed, first)
    keyed.change_record(second, fail)
    after = keyed.get(link, headers=bearer(ALICE)).json()
    assert (after["status"], after["counts"]) == ("completed", {"succeeded": 1, "failed": 1})


def test_an_archive_has_each_result_under_its_own_name(keyed: Any, picture: bytes) -> None:
    sent = upload(keyed, ("cat.jpg", picture), ("cat.jpg", picture))
    ids = [photo["id"] for photo in sent["photos"]]
    for photo_id in ids:
        finish(keyed, photo_id)

    answer = keyed.get(f"/v1/batches/{sent['batch']}/archive", headers=bearer(ALICE))

    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/zip"
    assert answer.headers["Content-Length"] == str(len(answer.content))
    assert f'filename="batch-{sent["batch"]}.zip"' in answer.headers["Content-Disposition"]
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["cat-small.jpg", "cat-facts.json", "cat-small (2).jpg", "cat-facts (2).json"]
        assert archive.read("cat-small (2).jpg").strip() == f"small of {ids[1]}".encode()
    of_one = keyed.get(f"/v1/photos/{ids[0]}/archive", headers=bearer(ALICE))
    assert 'filename="cat.zip"' in of_one.headers["Content-Disposition"]
    assert zipfile.ZipFile(io.BytesIO(of_one.content)).namelist() == ["cat-small.jpg", "cat-facts.json"]
    head = keyed.ask("HEAD", f"/v1/photos/{ids[0]}/archive", headers=bearer(ALICE))
    assert (head.status_code, head.headers["Content-Length"]) == (200, str(len(of_one.content)))


def test_an_archive_of_named_photos_has_them_in_this_order(keyed: Any, picture: bytes) -> None:
    ids = [upload(keyed, (name, picture))["id"] for name in ("a.jpg", "b.jpg", "c.jpg")]
    for photo_id in ids:
        finish(keyed, photo_id)

    answer = keyed.get("/v1/archive", params={"photo": [ids[2], ids[0], ids[2]]}, headers=bearer(ALICE))

    assert 'filename="photos.zip"' in answer.headers["Content-Disposition"]
    names = zipfile.ZipFile(io.BytesIO(answer.content)).namelist()
    assert names == ["c-small.jpg", "c-facts.json", "a-small.jpg", "a-facts.json"]


def test_an_archive_of_named_photos_needs_each_of_them(keyed: Any, picture: bytes) -> None:
    photo = upload(keyed, ("a.jpg", picture))["id"]
    finish(keyed, photo)
    foreign = upload(keyed, ("b.jpg", picture), key=BOB)["id"]

    def ask(*ids: str) -> Any:
        return keyed.get("/v1/archive", params={"photo": ids}, headers=bearer(ALICE))

    refused = ask(photo, foreign)
    assert (refused.status_code, refused.json()["detail"]) == (404, f"there is no photo {foreign}")
    assert keyed.ask("DELETE", f"/v1/photos/{foreign}", headers=bearer(BOB)).status_code == 204
    assert ask(foreign).status_code == 404
    for ids in ([], [photo] * 51, ["no-id"]):
        refused = ask(*ids)
        assert (refused.status_code, refused.json()["errors"][0]["field"].partition("[")[0]) == (422, "photo")
    token = keyed.post("/v1/upload-tokens", json={"max_photos": 1}, headers=bearer(ALICE)).json()["token"]
    assert keyed.get("/v1/archive", params={"photo": photo}, headers=bearer(token)).status_code == 404


def test_a_result_that_vanishes_meanwhile_breaks_the_download(keyed: Any, picture: bytes) -> None:
    photo = upload(keyed, ("a.jpg", picture))["id"]
    finish(keyed, photo)
    result = next(job.result for job in keyed.record(photo).jobs.values() if job.result and job.result.key)
    keyed.services.bucket.remove([str(result.key)])
    with (
        requests.get(
            f"{keyed.url}/v1/photos/{photo}/archive", headers=bearer(ALICE), stream=True, timeout=PATIENCE
        ) as answer,
        pytest.raises(requests.exceptions.RequestException),
    ):
        _ = answer.content


def test_only_so_many_archives_at_the_same_time(start_api: Any, picture: bytes) -> None:
    api = start_api(DARKROOM_API_PROCESSES="1", DARKROOM_API_THREADS="4")
    photo = api.upload_photo(picture, jobs=JOBS)["id"]
    finish(api, photo, size=30_000_000)
    url = f"{api.url}/v1/photos/{photo}/archive"
    with requests.get(url, stream=True, timeout=PATIENCE) as slow:
        assert slow.status_code == 200
        refused = api.get(f"/v1/photos/{photo}/archive")
        assert (refused.status_code, refused.headers["Retry-After"]) == (429, "10")
        assert api.get(f"/v1/photos/{photo}").status_code == 200
    api.wait_until("the place is free", lambda: api.get(f"/v1/photos/{photo}/archive", stream=True).status_code == 200)


def test_one_owner_does_not_take_all_places_for_archives(start_api: Any, picture: bytes) -> None:
    keys = {"DARKROOM_API_KEYS": f"alice:{hash_of(ALICE)} bob:{hash_of(BOB)}"}
    api = start_api(DARKROOM_API_PROCESSES="1", DARKROOM_API_THREADS="8", **keys)  # two places
    urls = {}
    for key in (ALICE, BOB):
        photo = upload(api, ("a.jpg", picture), key=key)["id"]
        finish(api, photo, size=30_000_000)
        urls[key] = f"{api.url}/v1/photos/{photo}/archive"
    with requests.get(urls[ALICE], headers=bearer(ALICE), stream=True, timeout=PATIENCE) as slow:
        assert slow.status_code == 200
        refused = api.get(urls[ALICE], headers=bearer(ALICE))
        assert (refused.status_code, refused.headers["Retry-After"]) == (429, "10")
        assert "1 archives to you" in refused.json()["detail"]
        with requests.get(urls[BOB], headers=bearer(BOB), stream=True, timeout=PATIENCE) as other:
            assert other.status_code == 200


def test_what_there_is_no_archive_of(keyed: Any, picture: bytes) -> None:
    sent = upload(keyed, ("a.jpg", picture), ("b.jpg", picture))
    assert keyed.get(f"/v1/batches/{sent['batch']}/archive", headers=bearer(ALICE)).status_code == 409
    for path in (f"/v1/batches/{sent['batch']}", f"/v1/batches/{sent['batch']}/archive"):
        assert keyed.get(path, headers=bearer(BOB)).status_code == 404
    token = keyed.post("/v1/upload-tokens", json={"max_photos": 2}, headers=bearer(ALICE)).json()["token"]
    assert keyed.get(f"/v1/batches/{sent['batch']}?token={token}").status_code == 404
    files = [("photo", ("a.jpg", picture)), ("photo", ("b.jpg", picture))]
    own = keyed.ask("POST", "/v1/photos", files=files, headers=bearer(token)).json()
    assert keyed.get(f"/v1/batches/{own['batch']}?token={token}").status_code == 200
