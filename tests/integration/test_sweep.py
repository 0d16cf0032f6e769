"""Crashes that leave no message are mended from the record."""

from __future__ import annotations

import os
from datetime import timedelta

from darkroom.record import PhotoRecord, now
from tests.integration.conftest import Stack, wait_until

RESIZE = {"type": "resize", "width": 160}
OFTEN = {"DARKROOM_SWEEP_INTERVAL": "0.5"}


def overdue(photo: PhotoRecord) -> PhotoRecord:
    for order in photo.orders.values():
        order.due_at = now() - timedelta(minutes=1)
    return photo


def test_an_api_that_died_before_the_message(stack: Stack, picture: bytes) -> None:
    photo = overdue(stack.record(picture, [RESIZE]))
    stack.services.table.create(photo)
    stack.store(photo, picture)
    worker = stack.worker(**OFTEN)
    ended = stack.wait_for(photo)
    assert ended.status == "succeeded"
    assert [order.sends for order in ended.orders.values()] == [2]
    assert worker.logged("sweep.resent")


def test_an_api_that_died_before_the_original(stack: Stack, picture: bytes) -> None:
    photo = overdue(stack.record(picture, [RESIZE]))
    stack.services.table.create(photo)
    stack.worker(**OFTEN)
    (job,) = stack.wait_for(photo).jobs.values()
    assert (job.status, job.errors[0].code) == ("failed", "unreadable_photo")
    assert "missing" in job.errors[0].detail
    (event,) = wait_until("the event is there", stack.events)
    assert event["data"]["status"] == "failed"


def test_an_api_that_died_while_it_deleted(stack: Stack, picture: bytes) -> None:
    photo = stack.record(picture, [RESIZE])
    photo.delete()
    photo.deleted_at = now() - timedelta(hours=1)
    stack.services.table.create(photo)
    stack.store(photo, picture)
    stack.worker(**OFTEN)
    wait_until("the deletion is finished", lambda: stack.look(photo).purged)
    assert photo.original is not None
    assert not stack.services.bucket.exists(photo.original.key)


def test_a_worker_that_vanished_with_its_message(stack: Stack, picture: bytes) -> None:
    photo = stack.record(picture, [RESIZE])
    (order,) = photo.orders
    photo.claim(order, max_attempts=5, time_limit=90, resend_after=300)
    stack.services.table.create(overdue(photo))
    stack.store(photo, picture)
    stack.worker(**OFTEN)
    (job,) = stack.wait_for(photo).jobs.values()
    assert (job.status, job.attempts) == ("succeeded", 2)


def test_one_that_cannot_be_mended_does_not_hide_the_others(stack: Stack, picture: bytes) -> None:
    photos = [overdue(stack.record(picture, [RESIZE])) for _ in range(20)]
    for photo in photos:
        stack.services.table.create(photo)
        stack.store(photo, picture)
    for photo in photos[:10]:
        stack.as_a_newer_release(photo)
    worker = stack.worker(**OFTEN)
    assert {stack.wait_for(photo).status for photo in photos[10:]} == {"succeeded"}
    assert worker.process.poll() is None


def test_what_is_not_overdue_is_left_alone(stack: Stack, picture: bytes) -> None:
    waiting = stack.record(picture, [RESIZE])
    stack.services.table.create(waiting)
    stack.store(waiting, picture)
    late = overdue(stack.record(picture, [RESIZE]))
    stack.services.table.create(late)
    stack.store(late, picture)
    stack.worker(**OFTEN)
    stack.wait_for(late)
    assert stack.look(waiting) == waiting


def test_a_worker_that_was_killed_and_left_files(stack: Stack) -> None:
    spool = stack.services.settings.spool_dir
    old, fresh = spool / "work-old", spool / "work-fresh"
    for folder in (old, fresh):
        folder.mkdir(parents=True)
        (folder / "original").write_text("pixels")
    os.utime(old, (0, 0))
    stack.worker(**OFTEN)
    wait_until("it is removed", lambda: not old.exists())
    assert fresh.exists()
