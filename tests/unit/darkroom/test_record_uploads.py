"""What the arrival of a file does to the record of a direct upload."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from darkroom.errors import (
    ChildDied,
    Conflict,
    DarkroomError,
    ObjectDenied,
    OutOfMemory,
    PhotoGone,
    UnsupportedPhoto,
)
from darkroom.jobs.job_types import jobs_adapter
from darkroom.record.clock import now
from darkroom.record.direct_upload import UPLOAD_MARGIN, DirectUpload
from darkroom.record.ids import new_id
from darkroom.record.keys import original_key
from darkroom.record.messages import OrderMessage
from darkroom.record.photo import PhotoRecord
from darkroom.record.stored import Original
from darkroom.record.views import photo_view

RESEND = 300.0


def waiting(until: datetime | None = None) -> PhotoRecord:
    upload = DirectUpload(filename="x.jpg", until=until or now() + timedelta(hours=1))
    photo = PhotoRecord(id=new_id(), owner="ann", created_at=now(), upload=upload)
    photo.add_order(jobs_adapter.validate_python([{"type": "metadata"}] * 2), RESEND)
    return photo


def original(photo: PhotoRecord, etag: str = "e") -> Original:
    return Original(
        key=original_key(photo.id, etag),
        filename="x.jpg",
        content_type="image/jpeg",
        size=1,
        sha256="0" * 64,
        width=1,
        height=1,
    )


def test_a_photo_is_due_some_time_after_its_form_expired() -> None:
    photo = waiting()
    assert photo.upload is not None
    assert photo.status == "awaiting_upload"
    assert photo.due_at == photo.upload.until + UPLOAD_MARGIN
    assert not photo.overdue_upload()
    view = photo_view(photo, "")
    assert view.upload is not None
    assert (view.upload.filename, view.original) == ("x.jpg", None)


def test_the_first_file_becomes_the_original_and_its_jobs_are_due() -> None:
    photo = waiting()
    assert photo.accept_upload(original(photo), RESEND)
    assert photo.status == "processing"
    assert photo.upload is None
    assert photo.due_at is not None
    assert photo.due_at <= now() + timedelta(seconds=RESEND)
    assert photo.accept_upload(original(photo), RESEND)  # another worker has read the same file
    before = photo.model_copy(deep=True)
    assert not photo.accept_upload(original(photo, "another"), RESEND)
    assert not photo.reject_upload(UnsupportedPhoto())
    assert photo == before


def test_a_rejected_file_fails_all_jobs() -> None:
    photo = waiting()
    assert photo.reject_upload(UnsupportedPhoto("a text file"))
    assert photo.status == "failed"
    assert {job.errors[0].code for job in photo.jobs.values()} == {"unsupported_photo"}
    assert photo.due_at is None
    assert not photo.accept_upload(original(photo), RESEND)
    assert photo.original is None


def test_a_photo_without_its_file_takes_no_more_jobs() -> None:
    photo = waiting()
    with pytest.raises(Conflict, match="has not arrived yet"):
        photo.add_order(jobs_adapter.validate_python([{"type": "metadata"}]), RESEND)
    photo.reject_upload(UnsupportedPhoto())
    assert photo.upload is not None
    assert not photo.upload.keep_file
    with pytest.raises(Conflict, match="upload the photo again"):
        photo.retry(next(iter(photo.jobs)), RESEND)
    (order,) = photo.orders
    photo.resume_order(order, RESEND)
    assert photo.status == "failed"


@pytest.mark.parametrize("error", [OutOfMemory(), ChildDied(), DarkroomError("a bug"), ObjectDenied()])
def test_a_file_that_may_be_good_is_kept_in_the_bucket(error: DarkroomError) -> None:
    photo = waiting()
    assert photo.reject_upload(error)
    assert photo.status == "failed"
    assert photo.upload is not None
    assert photo.upload.keep_file


def test_attempts_are_counted_while_a_file_is_awaited() -> None:
    photo = waiting()
    assert [photo.count_upload_attempt() for _ in range(3)] == [1, 2, 3]
    photo.accept_upload(original(photo), RESEND)
    assert photo.count_upload_attempt() == 0


def test_a_cancelled_photo_accepts_no_file() -> None:
    photo = waiting()
    photo.cancel()
    assert not photo.accept_upload(original(photo), RESEND)
    assert photo.status == "cancelled"


def test_a_photo_cancelled_before_its_file_came_is_due_until_its_event_was_sent() -> None:
    photo = waiting()
    photo.cancel()
    assert photo.due_at is not None
    assert now() < photo.due_at < now() + timedelta(hours=1)
    photo.mark_notified()
    assert photo.due_at is None


def test_a_file_rejected_after_a_check_of_the_sweep_is_not_due_again() -> None:
    photo = waiting(now() - UPLOAD_MARGIN)
    photo.recheck_upload_later()
    photo.reject_upload(UnsupportedPhoto())
    assert photo.due_at is None


@pytest.mark.parametrize("gone", ["deleted", "expired"])
def test_a_deleted_or_expired_photo_accepts_no_file(gone: str) -> None:
    photo = waiting(now() - timedelta(hours=1))
    if gone == "deleted":
        photo.delete()
    else:
        photo.expire_upload()
    assert photo.status == gone
    for change in (lambda: photo.accept_upload(original(photo), RESEND), lambda: photo.reject_upload(Conflict())):
        with pytest.raises(PhotoGone):
            change()


def test_only_an_overdue_upload_expires() -> None:
    early = waiting(now() - UPLOAD_MARGIN + timedelta(minutes=1))
    with pytest.raises(Conflict):
        early.expire_upload()
    late = waiting(now() - UPLOAD_MARGIN)
    late.expire_upload()
    assert (late.status, late.due_at) == ("expired", None)
    with pytest.raises(Conflict):
        late.expire_upload()


def test_the_sweep_checks_an_upload_later_each_time() -> None:
    photo = waiting(now() - UPLOAD_MARGIN)
    photo.recheck_upload_later()
    assert photo.due_at is not None
    waits = photo.due_at - now()
    assert 3.9 * UPLOAD_MARGIN < waits < 4.1 * UPLOAD_MARGIN
    with pytest.raises(Conflict):
        photo.recheck_upload_later()
    with pytest.raises(Conflict):
        photo.expire_upload()


def test_the_message_of_an_ended_order_names_all_its_jobs() -> None:
    photo = waiting()
    photo.reject_upload(UnsupportedPhoto())
    (order,) = photo.orders
    assert OrderMessage.of(photo, order).jobs == list(photo.jobs)
