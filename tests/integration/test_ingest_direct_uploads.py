"""A file that a form uploads into the bucket becomes a photo: real forms, real notifications, real workers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from darkroom.record.clock import now
from darkroom.record.keys import original_key, results_prefix, upload_key
from darkroom.record.messages import read_order
from tests.support.ingesting import (
    RESIZE,
    await_upload,
    buried,
    check_original,
    only_photo,
    photos_of,
    picture_of,
    put,
    sides,
    stored,
    use_form,
    wait_until_quiet,
)
from tests.support.stack import Stack
from tests.support.waiting import wait_until


def test_a_direct_upload_becomes_a_photo_and_its_jobs_are_done(stack: Stack, picture: bytes) -> None:
    worker = stack.worker()
    photo = await_upload(stack.services, RESIZE, reference="r-1")
    assert photo.status == "awaiting_upload"
    use_form(stack.services, photo, picture)
    ended = stack.wait_for(photo)
    assert ended.status == "succeeded"
    check_original(stack, ended, picture, "beach.jpg")
    assert sides(stack, ended) == [(160, 120)]
    wait_until_quiet(stack)
    assert len(worker.logged("order.handled")) == 1  # by the message that S3 sent
    (event,) = stack.events()
    assert (event["data"]["id"], event["data"]["status"]) == (photo.id, "succeeded")
    assert stack.receive(stack.services.photos.dead_letters) == []
    assert buried(stack) == []


def test_a_fifo_queue_gets_the_order_as_a_message(make_stack: Callable[..., Stack], picture: bytes) -> None:
    stack = make_stack(DARKROOM_QUEUE_TYPE="fifo")
    photo = await_upload(stack.services)
    use_form(stack.services, photo, picture)
    put(stack.services, "incoming/alice/thumbnail/x.jpg", picture)
    stack.worker()
    ended = stack.wait_for(photo)
    assert ended.status == "succeeded"
    check_original(stack, ended, picture, "beach.jpg")
    assert only_photo(stack, "alice").status == "succeeded"
    wait_until_quiet(stack)


def test_of_two_files_of_one_form_the_newest_counts(stack: Stack) -> None:
    photo = await_upload(stack.services)
    for colour in ("red", "green", "blue"):
        use_form(stack.services, photo, picture_of(colour))
    stack.worker(DARKROOM_CHILDREN="3")
    check_original(stack, stack.wait_for(photo), picture_of("blue"), "beach.jpg")
    wait_until_quiet(stack)
    assert len(stack.events()) >= 1
    assert len(photos_of(stack, "default")) == 1


def test_a_form_that_is_used_again_changes_nothing(busy_stack: Stack) -> None:
    photo = await_upload(busy_stack.services)
    use_form(busy_stack.services, photo, picture_of("red"))
    ended = busy_stack.wait_for(photo)
    wait_until_quiet(busy_stack)
    use_form(busy_stack.services, photo, picture_of("blue"))
    wait_until("the second file is gone", lambda: not stored(busy_stack, upload_key(photo.id)))
    wait_until_quiet(busy_stack)
    assert busy_stack.look(photo).original == ended.original
    check_original(busy_stack, busy_stack.look(photo), picture_of("red"), "beach.jpg")


def test_a_form_whose_file_was_refused_cannot_be_used_again(busy_stack: Stack) -> None:
    photo = await_upload(busy_stack.services)
    use_form(busy_stack.services, photo, b"no photo")
    assert busy_stack.wait_for(photo).status == "failed"
    use_form(busy_stack.services, photo, picture_of("red"))
    wait_until("the second file is gone", lambda: not stored(busy_stack, upload_key(photo.id)))
    wait_until_quiet(busy_stack)
    assert busy_stack.look(photo).status == "failed"


@pytest.mark.parametrize(
    ("file", "code", "detail", "metadata"),
    [
        (b"Dear diary", "unsupported_photo", "text file", "failed"),
        (picture_of("red")[:100], "unreadable_photo", "header", "failed"),
        (picture_of("red", 1001), "too_many_pixels", "1,002,001 pixels", "failed"),
        (picture_of("red")[:-300], "unreadable_photo", "", "succeeded"),
    ],
    ids=["no photo", "damaged header", "too many pixels", "damaged pixels"],
)
def test_a_bad_file_fails_as_in_the_api(busy_stack: Stack, file: bytes, code: str, detail: str, metadata: str) -> None:
    busy_stack.events()
    photo = await_upload(busy_stack.services, RESIZE, {"type": "metadata"}, callback=None)
    use_form(busy_stack.services, photo, file)
    ended = busy_stack.wait_for(photo)
    assert ended.status == "failed"
    assert [job.status for job in ended.jobs.values()] == ["failed", metadata]
    errors = [job.errors[-1] for job in ended.jobs.values() if job.status == "failed"]
    assert {error.code for error in errors} == {code}
    assert all(detail in error.detail for error in errors)
    wait_until("the file is gone", lambda: not stored(busy_stack, upload_key(photo.id)))
    wait_until("its event is sent", lambda: [one for one in busy_stack.events() if one["data"]["id"] == photo.id])
    wait_until_quiet(busy_stack)
    assert ended.dead_letter_at is None
    assert buried(busy_stack) == []


def test_a_file_that_is_too_large_is_not_even_fetched(busy_stack: Stack) -> None:
    photo = await_upload(busy_stack.services)
    put(busy_stack.services, upload_key(photo.id), b"\xff" * 200_001)  # the form itself would refuse it
    (job,) = busy_stack.wait_for(photo).jobs.values()
    assert (job.status, job.errors[-1].code) == ("failed", "too_large")
    assert "200,000 bytes" in job.errors[-1].detail


def test_a_photo_deleted_while_it_waits_takes_its_file_along(busy_stack: Stack) -> None:
    photo = await_upload(busy_stack.services)
    photo, _ = busy_stack.services.table.update(photo.id, lambda record: record.delete())
    busy_stack.services.cleanup.clean_up(photo)
    use_form(busy_stack.services, photo, picture_of("red"))
    wait_until("the file is gone", lambda: not stored(busy_stack, upload_key(photo.id)))
    wait_until_quiet(busy_stack)
    assert busy_stack.look(photo).status == "deleted"
    assert stored(busy_stack, original_key(photo.id)) == []


def test_a_photo_that_has_expired_takes_its_file_along(busy_stack: Stack) -> None:
    photo = await_upload(busy_stack.services, expires_at=now() - timedelta(seconds=1))
    use_form(busy_stack.services, photo, picture_of("red"))
    wait_until("the file is gone", lambda: not stored(busy_stack, upload_key(photo.id)))
    wait_until_quiet(busy_stack)
    assert busy_stack.look(photo).original is None


def test_a_photo_cancelled_while_it_waits_takes_no_file(busy_stack: Stack) -> None:
    photo = await_upload(busy_stack.services)
    busy_stack.services.table.update(photo.id, lambda record: record.cancel())
    use_form(busy_stack.services, photo, picture_of("red"))
    wait_until("the file is gone", lambda: not stored(busy_stack, upload_key(photo.id)))
    wait_until_quiet(busy_stack)
    assert busy_stack.look(photo).status == "cancelled"
    assert stored(busy_stack, original_key(photo.id)) == []


def test_an_order_without_attempts_left_becomes_a_dead_letter_of_the_photos_queue(busy_stack: Stack) -> None:
    """An operator finds it there however the photo came."""
    photo = await_upload(busy_stack.services)
    (order,) = photo.orders
    for _ in range(5):  # five workers claimed it and died
        busy_stack.services.table.update(photo.id, lambda record: record.claim(order, 5, 90, 300))
    use_form(busy_stack.services, photo, picture_of("red"))
    ended = busy_stack.wait_for(photo)
    assert ended.orders[order].dead_letter is not None
    wait_until_quiet(busy_stack)
    # A sweep may be looking at it just now, and hides it for that long.
    letters = wait_until(
        "the dead letter is there", lambda: busy_stack.receive(busy_stack.services.photos.dead_letters)
    )
    assert {read_order(body).photo for body in letters} == {photo.id}
    assert buried(busy_stack) == []


def test_deleting_removes_original_and_upload(busy_stack: Stack) -> None:
    photo = await_upload(busy_stack.services)
    use_form(busy_stack.services, photo, picture_of("red"))
    busy_stack.wait_for(photo)
    wait_until_quiet(busy_stack)
    put(busy_stack.services, original_key(photo.id, "0" * 32), b"left by somebody who was too late")
    busy_stack.services.bucket.remove_photo(photo.id)
    assert stored(busy_stack, original_key(photo.id)) == stored(busy_stack, results_prefix(photo.id)) == []
