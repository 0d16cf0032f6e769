"""Multipart uploads: the API signs the parts of a large file, and completes it. No worker runs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import requests

from darkroom.owners import hash_of, new_key
from darkroom.record.clock import now
from darkroom.record.keys import original_key, upload_key
from darkroom.record.stored import Original
from tests.support.waiting import PATIENCE

ALICE, BOB = new_key(), new_key()
MIB = 1024 * 1024
MOST = 11 * MIB
ADDRESS = "/v1/s3/multipart"


@pytest.fixture(scope="module")
def api(start_api: Any) -> Any:
    return start_api(DARKROOM_MAX_UPLOAD_BYTES=str(MOST), DARKROOM_MAX_REQUEST_BYTES=str(MOST))


def begin(api: Any, headers: dict[str, str] | None = None, **metadata: Any) -> dict[str, Any]:
    body = {"filename": "rome.tif", "type": "image/tiff", "metadata": metadata or {"preset": "metadata"}}
    answer = api.post(ADDRESS, json=body, headers=headers or {})
    assert answer.status_code == 201, answer.text
    assert answer.headers["Location"] == answer.json()["location"]
    upload: dict[str, Any] = answer.json()
    return upload


def send(api: Any, upload: dict[str, Any], number: int, content: bytes) -> dict[str, Any]:
    """Sign a part and send it, as Uppy does; returns what Uppy says of it at the end."""
    answer = api.get(f"{ADDRESS}/{upload['uploadId']}/{number}", params={"key": upload["key"]})
    assert answer.status_code == 200, answer.text
    stored = requests.put(answer.json()["url"], data=content, timeout=PATIENCE)
    assert stored.status_code == 200, stored.text
    return {"PartNumber": number, "ETag": stored.headers["ETag"]}


def complete(api: Any, upload: dict[str, Any], *parts: dict[str, Any]) -> requests.Response:
    answer: requests.Response = api.post(
        f"{ADDRESS}/{upload['uploadId']}/complete", params={"key": upload["key"]}, json={"parts": list(parts)}
    )
    return answer


def delete(api: Any, path: str, **given: Any) -> requests.Response:
    return requests.delete(api.url + path, timeout=PATIENCE, **given)


def parts_left(api: Any, upload: dict[str, Any]) -> int:
    """How many uploads S3 still has open for this key."""
    found = api.services.clients.s3.list_multipart_uploads(Bucket=api.settings.bucket).get("Uploads", [])
    return sum(entry["Key"] == upload["key"] for entry in found)


def test_parts_in_any_order_become_the_file_of_the_photo(api: Any) -> None:
    upload = begin(api, preset="metadata", album="Rome", name="rome.tif", type="image/tiff", relativePath="null")
    photo = api.record(upload["uploadId"])
    assert (photo.status, photo.metadata, photo.upload.filename) == ("awaiting_upload", {"album": "Rome"}, "rome.tif")
    assert upload["key"] == upload_key(photo.id)
    assert photo.upload.until > now() + timedelta(hours=23)

    last = send(api, upload, 2, b"end")
    first = send(api, upload, 1, b"0" * (5 * MIB))
    listed = api.get(f"{ADDRESS}/{photo.id}", params={"key": upload["key"]}).json()
    assert [(part["PartNumber"], part["Size"]) for part in listed] == [(1, 5 * MIB), (2, 3)]
    assert [part["ETag"].strip('"') for part in listed] == [part["ETag"].strip('"') for part in (first, last)]

    answer = complete(api, upload, last, first | {"ETag": first["ETag"].strip('"')})
    assert (answer.status_code, answer.json()) == (200, {"location": upload["location"]})
    body = api.services.clients.s3.get_object(Bucket=api.settings.bucket, Key=upload["key"])["Body"].read()
    assert body == b"0" * (5 * MIB) + b"end"
    assert parts_left(api, upload) == 0

    soon = now() + timedelta(seconds=api.settings.resend_after)
    assert api.record(photo.id).due_at <= soon, "the sweep looks soon, in case S3's notification is lost"
    assert complete(api, upload, first, last).json() == answer.json(), "a repeated request has the same answer"
    assert api.get(f"{ADDRESS}/{photo.id}/3").status_code == 409
    assert delete(api, f"{ADDRESS}/{photo.id}").status_code == 409, "the file of a completed upload stays"


def test_completing_again_works_also_after_a_worker_has_the_file(api: Any) -> None:
    upload = begin(api)
    part = send(api, upload, 1, b"x")
    assert complete(api, upload, part).status_code == 200
    original = Original(
        key="originals/1", filename="a.jpg", content_type="image/jpeg", size=1, sha256="0" * 64, width=1, height=1
    )
    api.services.table.update(upload["uploadId"], lambda photo: photo.accept_upload(original, 60))
    api.services.bucket.remove([upload["key"]])
    assert complete(api, upload, part).status_code == 200


def test_the_parts_of_a_completed_upload_are_listed_for_callers_that_complete_it_again(api: Any) -> None:
    """Uppy does so when the connection was lost while it completed the upload."""
    upload = begin(api)
    parts = [send(api, upload, number, b"0" * (5 * MIB)) for number in (1, 2)] + [send(api, upload, 3, b"x")]
    assert complete(api, upload, *parts).status_code == 200

    for worker_has_the_file in (False, True):
        if worker_has_the_file:
            key = original_key(upload["uploadId"], api.services.bucket.etag(upload["key"]))
            original = Original(
                key=key, filename="a.jpg", content_type="image/jpeg", size=1, sha256="0" * 64, width=1, height=1
            )
            api.services.table.update(upload["uploadId"], lambda photo: photo.accept_upload(original, 60))  # noqa: B023
            api.services.bucket.remove([upload["key"]])
        listed = api.get(f"{ADDRESS}/{upload['uploadId']}").json()
        assert [(part["PartNumber"], part["Size"]) for part in listed] == [(1, None), (2, None), (3, None)]
        again = [{"PartNumber": part["PartNumber"], "ETag": part["ETag"]} for part in listed]
        assert complete(api, upload, *again).json() == {"location": upload["location"]}


def test_parts_with_too_many_bytes_are_removed_with_their_photo(api: Any) -> None:
    upload = begin(api)
    parts = [send(api, upload, number, b"0" * (4 * MIB)) for number in (1, 2, 3)]
    answer = complete(api, upload, *parts)
    assert answer.status_code == 413, answer.text
    assert f"{MOST:,} bytes" in answer.json()["detail"]
    assert parts_left(api, upload) == 0
    assert api.get(f"/v1/photos/{upload['uploadId']}").status_code == 404


def test_a_declared_size_bounds_the_parts(api: Any) -> None:
    upload = begin(api, preset="metadata", size="10")
    assert upload["max_bytes"] == 10
    assert api.get(f"{ADDRESS}/{upload['uploadId']}/2").status_code == 413
    assert complete(api, upload, send(api, upload, 1, b"0" * 11)).status_code == 413


def test_an_incomplete_upload_can_be_completed_later(api: Any) -> None:
    upload = begin(api)
    part = send(api, upload, 1, b"x")
    wrong = complete(api, upload, part | {"ETag": '"0"'}, {"PartNumber": 7, "ETag": "1"})
    assert (wrong.status_code, wrong.json()["detail"].count("1, 7")) == (409, 1)
    assert complete(api, upload, part).status_code == 200


def test_an_aborted_upload_leaves_nothing(api: Any) -> None:
    upload = begin(api)
    send(api, upload, 1, b"x")
    answer = delete(api, f"{ADDRESS}/{upload['uploadId']}", params={"key": upload["key"]})
    assert (answer.status_code, answer.json()) == (200, {})
    assert parts_left(api, upload) == 0
    assert api.get(f"/v1/photos/{upload['uploadId']}").status_code == 404
    assert delete(api, f"{ADDRESS}/{upload['uploadId']}").status_code == 404


def test_deleting_the_photo_removes_its_parts(api: Any) -> None:
    upload = begin(api)
    send(api, upload, 1, b"x")
    assert delete(api, f"/v1/photos/{upload['uploadId']}").status_code == 204
    assert parts_left(api, upload) == 0


def test_the_photo_of_a_form_has_no_parts(api: Any) -> None:
    photo = api.post("/v1/uploads", json={"preset": "metadata"})
    assert photo.status_code == 201, photo.text
    photo = photo.json()
    for answer in (api.get(f"{ADDRESS}/{photo['id']}"), delete(api, f"{ADDRESS}/{photo['id']}")):
        assert answer.status_code == 404, answer.text
    assert api.get(f"/v1/photos/{photo['id']}").status_code == 200


@pytest.mark.parametrize(
    ("metadata", "field"),
    [
        ({"jobs": "[{"}, "metadata.jobs"),
        ({"jobs": '[{"type": "nothing"}]'}, "metadata.jobs[0]"),
        ({"preset": "none"}, "preset"),
        ({"size": "many"}, "metadata.size"),
    ],
)
def test_wrong_metadata_names_its_field(api: Any, metadata: dict[str, str], field: str) -> None:
    answer = api.post(ADDRESS, json={"filename": "a.jpg", "type": "image/jpeg", "metadata": metadata})
    assert answer.status_code == 422, answer.text
    assert [fault["field"] for fault in answer.json()["errors"]] == [field]


def test_a_repeated_request_begins_one_upload(api: Any) -> None:
    headers = {"Idempotency-Key": '"multipart-1"'}
    assert begin(api, headers) == begin(api, headers)


def test_uploads_of_another_owner_do_not_exist(start_api: Any) -> None:
    api = start_api(DARKROOM_API_KEYS=f"alice:{hash_of(ALICE)} bob:{hash_of(BOB)}")
    alice, bob = ({"Authorization": f"Bearer {key}"} for key in (ALICE, BOB))
    upload = begin(api, alice)
    address = f"{ADDRESS}/{upload['uploadId']}"
    parts = {"parts": [{"PartNumber": 1, "ETag": "1"}]}
    answers = [
        api.get(address, headers=bob),
        api.get(f"{address}/1", headers=bob),
        api.post(f"{address}/complete", json=parts, headers=bob),
        delete(api, address, headers=bob),
    ]
    assert [answer.status_code for answer in answers] == [404] * 4
    assert api.get(address, headers=alice).json() == []


def test_each_upload_counts_for_its_owner(start_api: Any) -> None:
    api = start_api(
        DARKROOM_API_KEYS=f"alice:{hash_of(ALICE)}", DARKROOM_UPLOAD_BYTES_PER_HOUR="100", DARKROOM_API_PROCESSES="1"
    )
    alice = {"Authorization": f"Bearer {ALICE}"}
    begin(api, alice, preset="metadata", size=90)
    body = {"filename": "b.jpg", "metadata": {"preset": "metadata", "size": 20}}
    assert api.post(ADDRESS, json=body, headers=alice).status_code == 429
