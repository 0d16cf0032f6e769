"""Which stored results nobody will ever publish."""

from __future__ import annotations

from typing import Any

import pytest

from darkroom.jobs.job_types import jobs_adapter
from darkroom.record.clock import now
from darkroom.record.ids import new_id
from darkroom.record.keys import job_and_fence, result_key
from darkroom.record.order import Claim
from darkroom.record.photo import PhotoRecord
from darkroom.record.stored import Result


@pytest.fixture
def photo() -> PhotoRecord:
    photo = PhotoRecord(id=new_id(), owner="ann", created_at=now())
    photo.add_order(jobs_adapter.validate_python([{"type": "metadata"}]), resend_after=300)
    return photo


def only_job(photo: PhotoRecord) -> str:
    (job,) = photo.jobs
    return job


def claim(photo: PhotoRecord) -> Claim:
    return photo.claim(photo.order_of(only_job(photo)).id, max_attempts=5, time_limit=90, resend_after=300)


def key(photo: PhotoRecord, number: int) -> str:
    return result_key(photo.id, only_job(photo), number, "json")


def may_name(photo: PhotoRecord, number: int) -> bool:
    return photo.needs_result(key(photo, number), only_job(photo), number)


def publish(photo: PhotoRecord, holder: Claim) -> None:
    result: dict[str, Any] = {"filename": "a", "content_type": "b", "size": 1, "sha256": "c"}
    photo.publish(holder, {only_job(photo): Result(key=key(photo, holder.fence), **result)})


def test_a_key_says_whose_it_is() -> None:
    assert job_and_fence(result_key("photo", "job", 12, "jpg")) == ("job", 12)


def test_what_the_holder_of_the_newest_claim_stored_may_be_published(photo: PhotoRecord) -> None:
    first, second = claim(photo), claim(photo)
    assert not may_name(photo, first.fence)
    assert may_name(photo, second.fence)


def test_only_what_was_published_stays(photo: PhotoRecord) -> None:
    first, second = claim(photo), claim(photo)
    publish(photo, second)
    assert may_name(photo, second.fence)
    assert not may_name(photo, first.fence)


def test_nothing_of_a_cancelled_job_stays(photo: PhotoRecord) -> None:
    holder = claim(photo)
    photo.cancel()
    assert not may_name(photo, holder.fence)


def test_nothing_of_the_first_order_stays_when_a_job_is_retried(photo: PhotoRecord) -> None:
    first = claim(photo)
    photo.cancel()
    photo.retry(only_job(photo), resend_after=300)
    assert not may_name(photo, first.fence)
    assert may_name(photo, claim(photo).fence)


def test_nothing_of_an_unknown_job_stays(photo: PhotoRecord) -> None:
    assert not photo.needs_result("results/photo/other/1.jpg", "other", 1)
