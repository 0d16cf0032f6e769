"""The sweep takes in files whose notification was lost, and lets unused forms expire."""

from __future__ import annotations

import json
from datetime import timedelta
from threading import Event

from darkroom.record.clock import now
from darkroom.record.keys import original_key
from tests.support.ingesting import (
    await_upload,
    check_original,
    put,
    send,
    stored,
    use_form,
    wait_until_quiet,
)
from tests.support.stack import Stack
from tests.support.waiting import wait_until
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
