"""Which stored objects a record still needs, and which can be removed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from darkroom.errors import UnreadablePhoto
from darkroom.jobs.job_types import jobs_adapter
from darkroom.record.clock import now
from darkroom.record.direct_upload import DirectUpload
from darkroom.record.ids import new_id
from darkroom.record.keys import job_and_fence, original_key, photo_of_upload, result_key, results_prefix, upload_key
from darkroom.record.order import Claim
from darkroom.record.photo import PhotoRecord
from darkroom.record.stored import Original, Result


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


def key(photo: PhotoRecord, fence: int) -> str:
    return result_key(photo.id, only_job(photo), fence, "json")


def needs_result(photo: PhotoRecord, fence: int) -> bool:
    return photo.needs(key(photo, fence))


def publish(photo: PhotoRecord, held: Claim) -> None:
    result: dict[str, Any] = {"filename": "a", "content_type": "b", "size": 1, "sha256": "c"}
    photo.publish(held, {only_job(photo): Result(key=key(photo, held.fence), **result)})


def test_a_key_names_job_and_fence() -> None:
    assert job_and_fence(result_key("photo", "job", 12, "jpg")) == ("job", 12)


def test_the_key_of_an_upload_names_its_photo() -> None:
    photo_id = new_id()
    assert photo_of_upload(upload_key(photo_id)) == photo_id
    other = f"uploads/0123/{photo_id[:-4]}4567"
    for foreign in (other, f"uploads/{photo_id}", upload_key(photo_id) + "/x", "uploads/"):
        assert photo_of_upload(foreign) is None


@pytest.mark.parametrize("key_of", [original_key, upload_key, results_prefix])
def test_keys_of_one_minute_begin_differently(key_of: Callable[[str], str]) -> None:
    firsts = Counter(key_of(new_id()).partition("/")[2][0] for _ in range(1000))
    # Of 1,000 random digits each of the 16 is about 62; 125 would be 8 standard deviations more.
    assert len(firsts) == 16
    assert max(firsts.values()) <= 125


@pytest.mark.parametrize(
    "name", ["notes.txt", "", "job", "job/x.jpg", "job/1", "job/1/2.jpg", "job/-1.jpg", "job/.jpg"]
)
def test_an_object_that_darkroom_did_not_store_stays_until_the_photo_is_deleted(photo: PhotoRecord, name: str) -> None:
    foreign = results_prefix(photo.id) + name
    assert job_and_fence(foreign) is None
    assert photo.needs(foreign)
    photo.delete()
    assert not photo.needs(foreign)


def test_only_the_result_of_the_latest_claim_is_needed_while_the_job_runs(photo: PhotoRecord) -> None:
    first, second = claim(photo), claim(photo)
    assert not needs_result(photo, first.fence)
    assert needs_result(photo, second.fence)


def test_only_the_published_result_is_needed(photo: PhotoRecord) -> None:
    first, second = claim(photo), claim(photo)
    publish(photo, second)
    assert needs_result(photo, second.fence)
    assert not needs_result(photo, first.fence)


def test_no_result_of_a_cancelled_job_is_needed(photo: PhotoRecord) -> None:
    held = claim(photo)
    photo.cancel()
    assert not needs_result(photo, held.fence)


def test_no_result_of_the_earlier_order_is_needed_after_a_retry(photo: PhotoRecord) -> None:
    first = claim(photo)
    photo.cancel()
    photo.retry(only_job(photo), resend_after=300)
    assert not needs_result(photo, first.fence)
    assert needs_result(photo, claim(photo).fence)


def test_no_result_of_an_unknown_job_is_needed(photo: PhotoRecord) -> None:
    assert not photo.needs(result_key(photo.id, new_id(), claim(photo).fence, "json"))


def test_no_result_of_a_deleted_photo_is_needed(photo: PhotoRecord) -> None:
    held = claim(photo)
    publish(photo, held)
    photo.delete()
    assert not needs_result(photo, held.fence)


def test_only_the_copy_that_is_the_original_is_needed(photo: PhotoRecord) -> None:
    first, second = original_key(photo.id, "etag-1"), original_key(photo.id, "etag-2")
    photo.upload = DirectUpload(filename="a.jpg", until=now())
    assert photo.needs(first), "a worker may be about to accept it"
    photo.accept_upload(
        Original(key=first, filename="a", content_type="b", size=1, sha256="c", width=1, height=1), resend_after=300
    )
    assert photo.needs(first)
    assert not photo.needs(second)


def test_no_copy_of_a_rejected_upload_is_needed(photo: PhotoRecord) -> None:
    photo.upload = DirectUpload(filename="a.jpg", until=now())
    photo.reject_upload(UnreadablePhoto("it is damaged"))
    assert not photo.needs(original_key(photo.id, "etag-1"))
