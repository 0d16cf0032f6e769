"""Files dropped into the bucket, and files that a gateway names in a request, become photos."""

from __future__ import annotations

import json
from typing import Any

import pytest

from darkroom.record.keys import original_key
from tests.support.ingesting import (
    THUMBNAIL,
    buried,
    check_original,
    notification,
    only_photo,
    photos_of,
    picture_of,
    put,
    record_of,
    request,
    send,
    stored,
    wait_until_quiet,
)
from tests.support.stack import Stack
from tests.support.waiting import wait_until
from worker.ingest.notifications import Notification, read_body


@pytest.mark.parametrize("name", ["beach.jpg", "Rom & Söhne 100% (1)+2.jpg", "2026/June/%2e%2e.jpg"])
def test_a_dropped_file_becomes_a_photo_of_its_folders_owner(busy_stack: Stack, owner: str, name: str) -> None:
    key = f"incoming/{owner}/thumbnail/{name}"
    put(busy_stack.services, key, picture_of("red"))
    photo = only_photo(busy_stack, owner)
    assert photo.status == "succeeded"
    check_original(busy_stack, photo, picture_of("red"), name.rpartition("/")[2])
    assert [(job.spec.type, getattr(job.spec, "width", None)) for job in photo.jobs.values()] == THUMBNAIL
    assert stored(busy_stack, key) == [key]  # only the caller who dropped it removes it
    assert photo.orders[min(photo.orders)].trace


@pytest.mark.parametrize("way", ["copy", "multipart"])
def test_large_and_copied_files_are_dropped_files_too(busy_stack: Stack, owner: str, way: str) -> None:
    s3, bucket, key = (
        busy_stack.services.clients.s3,
        busy_stack.services.settings.bucket,
        f"incoming/{owner}/thumbnail/x.jpg",
    )
    if way == "copy":
        source = f"incoming/{owner}/x.jpg"  # where it only waits
        put(busy_stack.services, source, picture_of("red"))
        s3.copy_object(Bucket=bucket, Key=key, CopySource={"Bucket": bucket, "Key": source})
    else:
        upload = s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
        part = s3.upload_part(Bucket=bucket, Key=key, UploadId=upload, PartNumber=1, Body=picture_of("red"))
        parts: Any = {"Parts": [{"ETag": part["ETag"], "PartNumber": 1}]}
        s3.complete_multipart_upload(Bucket=bucket, Key=key, UploadId=upload, MultipartUpload=parts)
    check_original(busy_stack, only_photo(busy_stack, owner), picture_of("red"), "x.jpg")
    wait_until_quiet(busy_stack)


def test_a_repeated_notification_makes_no_second_photo(stack: Stack) -> None:
    key = "incoming/alice/thumbnail/x.jpg"
    etag = put(stack.services, key, picture_of("red"))
    real = [body for body in stack.receive(stack.services.ingest) if "Records" in body]
    told = notification(record_of(stack.services, key, etag))
    for body in (told, told, told):
        send(stack.services, body)
    stack.worker(DARKROOM_CHILDREN="3")
    photo = only_photo(stack, "alice")
    wait_until_quiet(stack)
    send(stack.services, told)
    wait_until_quiet(stack)
    assert only_photo(stack, "alice") == photo
    (notice,) = read_body(real[0])  # type: ignore[misc]
    assert isinstance(notice, Notification)
    assert (notice.key, notice.etag) == (key, etag)


def test_a_deleted_photo_does_not_come_back(stack: Stack) -> None:
    key = "incoming/alice/thumbnail/x.jpg"
    etag = put(stack.services, key, picture_of("red"))
    stack.receive(stack.services.ingest)
    send(stack.services, notification(record_of(stack.services, key, etag)))
    stack.worker()
    photo = only_photo(stack, "alice")
    wait_until_quiet(stack)
    photo, _ = stack.services.table.update(photo.id, lambda record: record.delete())
    stack.services.cleanup.clean_up(photo)
    send(stack.services, notification(record_of(stack.services, key, etag)))
    wait_until_quiet(stack)
    assert stack.look(photo).status == "deleted"
    assert stored(stack, original_key(photo.id)) == []
    assert photos_of(stack, "alice") == []


def test_several_files_in_one_notification_are_all_brought_in(busy_stack: Stack, owner: str) -> None:
    records = []
    for number in range(3):
        key = f"incoming/{owner}/{number}.jpg"
        etag = put(busy_stack.services, key, picture_of("red"))
        records.append(record_of(busy_stack.services, key, etag))
    wait_until_quiet(busy_stack)
    for number, record in enumerate(records):  # as if a caller had dropped them there
        copied = f"incoming/{owner}-{number}/thumbnail/x.jpg"
        busy_stack.services.clients.s3.copy_object(
            Bucket=busy_stack.services.settings.bucket,
            Key=copied,
            CopySource={"Bucket": busy_stack.services.settings.bucket, "Key": f"incoming/{owner}/{number}.jpg"},
        )
        record["s3"]["object"]["key"] = copied
    bad = record_of(busy_stack.services, f"incoming/{owner}/nonsense/x.jpg")
    send(busy_stack.services, notification(*records, bad))
    for number in range(3):
        wait_until(
            "both notifications of the file are processed",
            lambda number=number: (
                len([photo for photo in photos_of(busy_stack, f"{owner}-{number}") if photo.status == "succeeded"]) == 2
            ),
        )
    wait_until_quiet(busy_stack)
    ((_, code, reason),) = buried(busy_stack)
    assert code == "ingest_refused"
    assert "nonsense" in reason


def test_a_bad_dropped_file_is_shown_to_its_owner(busy_stack: Stack, owner: str) -> None:
    put(busy_stack.services, f"incoming/{owner}/thumbnail/notes.txt", b"Dear diary")
    photo = only_photo(busy_stack, owner)
    (job,) = photo.jobs.values()
    assert (photo.status, job.errors[-1].code) == ("failed", "unsupported_photo")
    assert photo.upload is not None
    assert photo.upload.filename == "notes.txt"


def test_a_request_brings_a_waiting_file_in(busy_stack: Stack, owner: str) -> None:
    key = f"incoming/{owner}/beach.jpg"
    put(busy_stack.services, key, picture_of("red"))
    wait_until_quiet(busy_stack)
    assert photos_of(busy_stack, owner) == []
    body = request(key, owner, reference="r-7", metadata={"album": "Rome", "page": 3})
    for _ in range(2):
        send(busy_stack.services, body)
    photo = only_photo(busy_stack, owner)
    wait_until_quiet(busy_stack)
    assert only_photo(busy_stack, owner).id == photo.id
    check_original(busy_stack, photo, picture_of("red"), "beach.jpg")
    assert (photo.reference, photo.metadata) == ("r-7", {"album": "Rome", "page": 3})
    assert photo.orders[min(photo.orders)].trace == json.loads(body)["trace"]


def test_a_request_for_a_file_that_is_not_there_is_shown_to_its_owner(busy_stack: Stack, owner: str) -> None:
    send(busy_stack.services, request(f"incoming/{owner}/baech.jpg", owner))
    photo = only_photo(busy_stack, owner)
    (job,) = photo.jobs.values()
    assert (photo.status, job.errors[-1].code) == ("failed", "not_found")
    assert f"incoming/{owner}/baech.jpg" in job.errors[-1].detail
