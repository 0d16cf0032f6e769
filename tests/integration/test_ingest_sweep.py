"""The sweep takes in files whose notification was lost, and lets unused forms expire."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from threading import Event

import pytest
import requests

from darkroom.aws.upload_parts import MultipartUploads, Part
from darkroom.record.clock import now
from darkroom.record.direct_upload import MULTIPART_TTL
from darkroom.record.keys import original_key, upload_key
from darkroom.record.photo import PhotoRecord
from tests.support.ingesting import (
    await_upload,
    check_original,
    put,
    send,
    stored,
    use_form,
    wait_until_quiet,
)
from tests.support.records import end_late_writes
from tests.support.stack import Stack
from tests.support.waiting import PATIENCE, wait_until
from worker.sweep.sweeper import Sweeper


def test_a_file_whose_notification_was_lost_becomes_a_photo(stack: Stack, picture: bytes) -> None:
    photo = await_upload(stack.services, until=now() - timedelta(hours=1))
    use_form(stack.services, photo, picture)
    stack.receive(stack.services.ingest)  # lost
    worker = stack.worker(DARKROOM_SWEEP_INTERVAL="0.5")
    check_original(stack, stack.wait_for(photo), picture, "beach.jpg")
    assert len(worker.logged("sweep.upload_found")) == 1
    wait_until_quiet(stack)


def test_a_form_that_was_never_used_expires(stack: Stack) -> None:
    late, early = await_upload(stack.services, until=now() - timedelta(hours=1)), await_upload(stack.services)
    stack.worker(DARKROOM_SWEEP_INTERVAL="0.5")
    wait_until("it has expired", lambda: stack.look(late).status == "expired")
    assert stack.look(late).due_at is None
    assert stack.look(early).status == "awaiting_upload"


def begin_in_parts(stack: Stack, file: bytes, until: datetime) -> tuple[PhotoRecord, list[Part]]:
    """A photo whose file was sent in parts that are not put together yet."""
    parts = stack.services.multipart
    photo = await_upload(stack.services, upload={"filename": "rome.jpg", "until": until, "multipart_id": ""})
    upload_id = parts.begin(photo.id)

    def note(record: PhotoRecord) -> None:
        assert record.upload is not None
        record.upload.multipart_id = upload_id

    photo, _ = stack.services.table.update(photo.id, note)
    url, _ = parts.sign_part(photo.id, upload_id, 1)
    assert requests.put(url, data=file, timeout=PATIENCE).status_code == 200
    return photo, parts.parts(photo.id, upload_id)


def put_together(stack: Stack, photo: PhotoRecord, parts: list[Part]) -> None:
    assert photo.upload is not None
    stack.services.multipart.complete(photo.id, str(photo.upload.multipart_id), parts)


def open_uploads(stack: Stack) -> list[str]:
    """The keys for which S3 keeps parts."""
    found = stack.services.clients.s3.list_multipart_uploads(Bucket=stack.services.settings.bucket)
    return [upload["Key"] for upload in found.get("Uploads", [])]


LONG_AGO = timedelta(days=2)


@pytest.mark.parametrize("noted", [True, False], ids=["noted", "the API died before it noted the end"])
def test_an_upload_in_parts_whose_notification_was_lost_becomes_a_photo(
    stack: Stack, picture: bytes, noted: bool
) -> None:
    until = now() + MULTIPART_TTL if noted else now() - LONG_AGO
    photo, parts = begin_in_parts(stack, picture, until)
    put_together(stack, photo, parts)
    if noted:  # the sweep looks soon, and not after a day
        stack.services.table.update(photo.id, lambda record: record.complete_upload(0))
    stack.receive(stack.services.ingest)  # lost
    worker = stack.worker(DARKROOM_SWEEP_INTERVAL="0.5")
    check_original(stack, stack.wait_for(photo), picture, "rome.jpg")
    assert len(worker.logged("sweep.upload_found")) == 1
    wait_until_quiet(stack)


def test_an_upload_in_parts_that_was_never_completed_expires_with_its_parts(stack: Stack, picture: bytes) -> None:
    late, _ = begin_in_parts(stack, picture, now() - LONG_AGO)
    early, _ = begin_in_parts(stack, picture, now() + MULTIPART_TTL)
    stack.worker(DARKROOM_SWEEP_INTERVAL="0.5")
    wait_until("it has expired", lambda: stack.look(late).status == "expired")
    assert stack.look(late).due_at is None
    assert open_uploads(stack) == [upload_key(early.id)]
    assert stack.look(early).status == "awaiting_upload"


def test_an_upload_that_is_completed_while_the_sweep_looks_does_not_expire(
    stack: Stack, picture: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The caller completes it after the sweep has found no file, and before it removes the parts."""
    photo, parts = begin_in_parts(stack, picture, now() - LONG_AGO)
    abort = MultipartUploads.abort

    def abort_late(self: MultipartUploads, photo: PhotoRecord) -> None:
        put_together(stack, photo, parts)
        abort(self, photo)

    monkeypatch.setattr(MultipartUploads, "abort", abort_late)
    Sweeper(stack.services, Event()).sweep_shards()
    assert stack.look(photo).status == "awaiting_upload"
    stack.worker()
    check_original(stack, stack.wait_for(photo), picture, "rome.jpg")


def test_parts_that_outlive_their_deleted_photo_are_removed(stack: Stack, picture: bytes) -> None:
    """The API died after it had deleted the record."""
    photo, _ = begin_in_parts(stack, picture, now() + MULTIPART_TTL)

    def delete(record: PhotoRecord) -> None:
        record.delete()
        end_late_writes(record)

    stack.services.table.update(photo.id, delete)
    stack.worker(DARKROOM_SWEEP_INTERVAL="0.5")
    wait_until("the deletion is finished", lambda: stack.look(photo).late_writes is None)
    assert open_uploads(stack) == []


def test_a_file_that_waits_in_a_long_queue_does_not_expire(stack: Stack, picture: bytes) -> None:
    photo = await_upload(stack.services, until=now() - timedelta(hours=1))
    use_form(stack.services, photo, picture)
    sweeper = Sweeper(stack.services, Event())
    for _ in range(3):
        sweeper.sweep_shards()
    waiting = stack.look(photo)
    assert waiting.status == "awaiting_upload"
    assert waiting.due_at is not None
    assert waiting.due_at - now() > timedelta(hours=3)  # each look is later than the one before
    asked = [body for body in stack.receive(stack.services.ingest) if "upload" in json.loads(body).get("kind", "")]
    assert len(asked) == 1
    send(stack.services, asked[0])
    stack.worker()
    check_original(stack, stack.wait_for(photo), picture, "beach.jpg")


def test_a_dropped_file_whose_worker_died_becomes_a_photo(stack: Stack, picture: bytes) -> None:
    key = "incoming/alice/thumbnail/x.jpg"
    put(stack.services, key, picture)
    stack.receive(stack.services.ingest)
    upload = {"filename": "x.jpg", "until": now() - timedelta(hours=1), "key": key}
    photo = await_upload(stack.services, owner="alice", upload=upload)
    stack.worker(DARKROOM_SWEEP_INTERVAL="0.5")
    check_original(stack, stack.wait_for(photo), picture, "x.jpg")
    assert stored(stack, key) == [key]


def test_copies_of_workers_that_were_too_late_are_removed(stack: Stack, picture: bytes) -> None:
    photo = await_upload(stack.services)
    put(stack.services, original_key(photo.id, "0" * 32), b"of another file")
    use_form(stack.services, photo, picture)
    for received in stack.services.ingest.receive(10, wait=1, visibility=0):  # a worker that died at once
        assert received.receives == 1
    stack.worker()
    check_original(stack, stack.wait_for(photo), picture, "beach.jpg")
