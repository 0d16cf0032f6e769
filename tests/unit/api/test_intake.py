"""What becomes of an order whose message may or may not have been sent."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from api.context import Context
from api.uploads.intake import send
from darkroom.errors import Unavailable
from darkroom.jobs.job_types import MetadataJob
from darkroom.record.clock import now
from darkroom.record.ids import new_id
from darkroom.record.photo import PhotoRecord


class Aws:
    """A table with one photo, and a queue that answers as told."""

    def __init__(self, photo: PhotoRecord, sending: Exception | None, writing: Exception | None = None) -> None:
        self.photo, self.sending, self.writing = photo, sending, writing

    def send_order(self, photo: PhotoRecord, order: str) -> None:
        if self.sending:
            raise self.sending

    def update(self, photo_id: str, change: Callable[[PhotoRecord], Any], known: Any = None) -> tuple[PhotoRecord, Any]:
        if self.writing:
            raise self.writing
        return self.photo, change(self.photo)

    @property
    def context(self) -> Context:
        services = SimpleNamespace(
            outbox=SimpleNamespace(send_order=self.send_order), table=SimpleNamespace(update=self.update)
        )
        return cast(Context, SimpleNamespace(services=services))


@pytest.fixture
def photo() -> PhotoRecord:
    record = PhotoRecord(id=new_id(), owner="default", created_at=now())
    record.add_order([MetadataJob()], resend_after=60)
    return record


def order(photo: PhotoRecord) -> str:
    return next(iter(photo.orders))


def test_sent(photo: PhotoRecord) -> None:
    assert send(Aws(photo, None).context, photo, order(photo)) is photo
    assert photo.unfinished


def test_for_sure_not_sent_fails_the_order_and_the_request(photo: PhotoRecord) -> None:
    with pytest.raises(Unavailable):
        send(Aws(photo, Unavailable("down", certain=True)).context, photo, order(photo))

    assert [job.status for job in photo.jobs.values()] == ["failed"]


def test_a_further_order_that_was_for_sure_not_sent_is_left_to_the_sweep(photo: PhotoRecord) -> None:
    # To fail it could end the photo, just when the worker on the first order has found it unfinished.
    further = photo.add_order([MetadataJob()], resend_after=60)

    send(Aws(photo, Unavailable("down", certain=True)).context, photo, further.id)

    assert {job.status for job in photo.jobs.values()} == {"queued"}


def test_perhaps_sent_stays_queued_and_the_request_succeeds(photo: PhotoRecord) -> None:
    send(Aws(photo, Unavailable("no answer", certain=False)).context, photo, order(photo))

    assert [job.status for job in photo.jobs.values()] == ["queued"]


def test_sent_all_the_same_if_a_worker_has_claimed_it(photo: PhotoRecord) -> None:
    photo.claim(order(photo), 5, 60, 60)

    send(Aws(photo, Unavailable("down", certain=True)).context, photo, order(photo))

    assert photo.unfinished


def test_a_record_that_cannot_be_written_either_is_left_to_the_sweep(photo: PhotoRecord) -> None:
    aws = Aws(photo, Unavailable("queue down", certain=True), writing=Unavailable("table down"))

    with pytest.raises(Unavailable, match="queue down"):
        send(aws.context, photo, order(photo))

    assert photo.unfinished
