"""How an Idempotency-Key is read, and what a repeated request does with the order that it made before."""

from __future__ import annotations

import pytest

from api.idempotency import read_key
from darkroom.aws.idempotency_store import LOCK, _pause
from darkroom.errors import MalformedKey, Unavailable, UnreadablePhoto, UploadNotCompleted
from darkroom.jobs.job_types import STEP_JOBS, MetadataJob
from darkroom.jobs.steps.resize import Resize
from darkroom.record.clock import now
from darkroom.record.ids import new_id
from darkroom.record.messages import OrderMessage
from darkroom.record.photo import PhotoRecord

REPEAT = 60


@pytest.mark.parametrize(
    ("given", "key"),
    [
        (None, None),
        ("order-7", "order-7"),
        ('"order-7"', "order-7"),
        ('"a, b; c"', "a, b; c"),
        (r'"say \"hi\" \\"', r'say "hi" \ '.strip()),
        ("x" * 255, "x" * 255),
        ("a;b=c/d+e==", "a;b=c/d+e=="),
    ],
)
def test_a_key_is_read_with_and_without_quotation_marks(given: str | None, key: str | None) -> None:
    assert read_key(given) == key


@pytest.mark.parametrize(
    "given", ["", '""', "a b", "a,b", '"a', 'a"', '"a" ; x', '"a", "b"', r'"\x"', "x" * 256, "\x7f", "\u00e9", "a\tb"]
)
def test_an_invalid_key_is_refused(given: str) -> None:
    with pytest.raises(MalformedKey, match="1 to 255 printable ASCII"):
        read_key(given)


@pytest.mark.parametrize(("begun", "pause"), [(0, 1), (1, 1), (4, 4), (LOCK - 3, 3), (LOCK - 1, 1)])
def test_the_pause_grows_and_ends_with_the_lock(begun: int, pause: int) -> None:
    assert _pause(locked_until=1000 - begun + LOCK, at=1000) == pause


@pytest.fixture
def photo() -> PhotoRecord:
    record = PhotoRecord(id=new_id(), owner="default", created_at=now())
    record.add_order([MetadataJob(), STEP_JOBS[Resize].model_validate({"width": 5})], REPEAT)
    return record


def order(photo: PhotoRecord) -> str:
    return min(photo.orders)


def test_an_order_that_was_never_sent_starts_again(photo: PhotoRecord) -> None:
    jobs, sent_as = list(photo.jobs), OrderMessage.of(photo, order(photo)).deduplication_id
    photo.order(order(photo)).fail_unsent(Unavailable("the queue is down"))

    photo.resume_order(order(photo), REPEAT)

    assert list(photo.jobs) == jobs
    assert {job.status for job in photo.jobs.values()} == {"queued"}
    assert photo.generation == 2
    assert photo.due_at
    assert OrderMessage.of(photo, order(photo)).deduplication_id != sent_as


def test_an_order_that_a_worker_failed_is_not_changed(photo: PhotoRecord) -> None:
    claim = photo.claim(order(photo), 5, 90, REPEAT)
    photo.publish(claim, {job: UnreadablePhoto("cut short") for job in claim.jobs})
    before = photo.model_copy(deep=True)

    photo.resume_order(order(photo), REPEAT)

    assert photo == before


def test_an_order_whose_original_was_lost_starts_again_with_new_attempts(photo: PhotoRecord) -> None:
    claim = photo.claim(order(photo), 5, 90, REPEAT)
    photo.publish(claim, {job: UploadNotCompleted() for job in claim.jobs})

    photo.resume_order(order(photo), REPEAT, storing=40)

    again = photo.claim(order(photo), 5, 90, REPEAT)
    assert len(again.jobs) == 2
    assert again.attempt == 1
    assert again.fence > claim.fence


def test_an_order_is_added_once(photo: PhotoRecord) -> None:
    order_id = new_id()
    first = photo.add_order([MetadataJob()], REPEAT, order_id=order_id)
    again = photo.add_order([MetadataJob()], REPEAT, order_id=order_id)

    assert again is first
    assert len(photo.jobs) == 3


def test_a_job_is_retried_once_under_one_order(photo: PhotoRecord) -> None:
    photo.cancel()
    job, order_id = next(iter(photo.jobs)), new_id()
    photo.retry(job, REPEAT, order_id=order_id)
    photo.retry(job, REPEAT, order_id=order_id)

    assert list(photo.order(order_id).jobs) == [job]
    assert photo.generation == 2


def test_no_order_of_a_deleted_photo_starts_again(photo: PhotoRecord) -> None:
    photo.order(order(photo)).fail_unsent(Unavailable("the queue is down"))
    photo.delete()

    photo.resume_order(order(photo), REPEAT)

    assert {job.status for job in photo.jobs.values()} == {"failed"}


def test_an_order_of_two_running_requests_is_failed_by_neither(photo: PhotoRecord) -> None:
    photo.resume_order(order(photo), REPEAT)

    assert not photo.order(order(photo)).fail_unsent(Unavailable("S3 is down"))
    assert photo.unfinished
    assert photo.due_at, "the sweep looks after it"


def test_the_request_that_restarts_a_failed_order_may_fail_it_again(photo: PhotoRecord) -> None:
    photo.order(order(photo)).fail_unsent(Unavailable("S3 is down"))
    photo.resume_order(order(photo), REPEAT, storing=40)

    assert photo.order(order(photo)).fail_unsent(Unavailable("S3 is down"))
    assert not photo.unfinished


def test_an_order_restarted_for_a_lost_original_is_not_failed_by_its_request(photo: PhotoRecord) -> None:
    claim = photo.claim(order(photo), 5, 90, REPEAT)
    photo.publish(claim, {job: UploadNotCompleted() for job in claim.jobs})
    photo.resume_order(order(photo), REPEAT, storing=40)

    assert not photo.order(order(photo)).fail_unsent(Unavailable("S3 is down"))


def test_an_order_that_has_ended_or_is_in_progress_is_not_changed(photo: PhotoRecord) -> None:
    photo.claim(order(photo), 5, 90, REPEAT)
    before = photo.model_copy(deep=True)
    photo.resume_order(order(photo), REPEAT)
    assert photo == before
    photo.cancel()
    before = photo.model_copy(deep=True)
    photo.resume_order(order(photo), REPEAT)
    assert photo == before
