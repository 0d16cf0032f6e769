"""What an upload stores and sends, by what it finds; and an order whose message may or may not have been sent."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from PIL import Image

from api.context import Context
from api.uploads.intake import accept, send
from api.uploads.parse import Incoming, Upload
from api.uploads.spool import Spool
from darkroom.aws.idempotency_store import ReservedIds
from darkroom.errors import PhotoGone, Unavailable
from darkroom.jobs.job_types import MetadataJob
from darkroom.owners import Owners
from darkroom.record.clock import now
from darkroom.record.ids import new_id
from darkroom.record.photo import PhotoRecord
from darkroom.record.stored import Original


class Aws:
    """A table with one photo, and a queue; either may raise an error."""

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


def test_an_order_is_sent(photo: PhotoRecord) -> None:
    send(Aws(photo, None).context, photo, order(photo))
    assert photo.unfinished


def test_an_order_that_was_certainly_not_sent_fails_and_so_does_the_request(photo: PhotoRecord) -> None:
    with pytest.raises(Unavailable):
        send(Aws(photo, Unavailable("down", certain=True)).context, photo, order(photo))

    assert [job.status for job in photo.jobs.values()] == ["failed"]


def test_a_further_order_that_was_certainly_not_sent_is_left_to_the_sweep(photo: PhotoRecord) -> None:
    # Failing it could end the photo just after the worker on the first order has found it unfinished.
    further = photo.add_order([MetadataJob()], resend_after=60)

    send(Aws(photo, Unavailable("down", certain=True)).context, photo, further.id)

    assert {job.status for job in photo.jobs.values()} == {"queued"}


def test_an_order_that_was_perhaps_sent_stays_queued_and_the_request_succeeds(photo: PhotoRecord) -> None:
    send(Aws(photo, Unavailable("no answer", certain=False)).context, photo, order(photo))

    assert [job.status for job in photo.jobs.values()] == ["queued"]


def test_an_order_that_a_worker_has_claimed_does_not_fail(photo: PhotoRecord) -> None:
    photo.claim(order(photo), 5, 60, 60)

    send(Aws(photo, Unavailable("down", certain=True)).context, photo, order(photo))

    assert photo.unfinished


def test_an_order_that_was_not_sent_and_cannot_be_marked_failed_is_accepted_and_left_to_the_sweep(
    photo: PhotoRecord,
) -> None:
    aws = Aws(photo, Unavailable("queue down", certain=True), writing=Unavailable("table down"))

    send(aws.context, photo, order(photo))

    assert photo.unfinished


class World:
    """AWS with at most one photo: counts what an upload stores and sends."""

    def __init__(self, found: PhotoRecord | None, has_original: bool) -> None:
        self.found, self.has_original = found, has_original
        self.actions: list[str] = []
        table = SimpleNamespace(get=lambda _: self.found, create=self.create, update=self.update)
        bucket = SimpleNamespace(exists=lambda _: self.has_original, put=lambda *_: self.actions.append("store"))
        outbox = SimpleNamespace(send_order=lambda *_: self.actions.append("send"))
        services = SimpleNamespace(table=table, dedupe=table, bucket=bucket, outbox=outbox)
        settings = SimpleNamespace(
            max_pixels=100, max_upload_bytes=1000, resend_after=60, storing_time=lambda _: 40, retention_days=None
        )
        self.context = cast(Context, SimpleNamespace(services=services, settings=settings, owners=Owners()))

    def create(self, own: PhotoRecord) -> PhotoRecord:
        return self.found or own

    def update(self, _: str, change: Callable[[PhotoRecord], Any], known: PhotoRecord) -> tuple[PhotoRecord, Any]:
        self.actions.append("update")
        record = known.model_copy(deep=True)
        return record, change(record)

    def accept(self, tmp_path: Path, ids: ReservedIds, dedupe: bool = False) -> PhotoRecord:
        with Spool.create(tmp_path, limit=1000) as spool:
            Image.new("L", (2, 2)).save(spool, "PNG")
            incoming = Incoming(spool, "a.png")
            upload = Upload([incoming], [MetadataJob()], None, {}, dedupe, None)
            return accept(self.context, "default", incoming, upload, ids, batch=None, trace="")


@pytest.fixture
def stored(photo: PhotoRecord) -> PhotoRecord:
    """The photo of an earlier upload, or of an earlier try."""
    photo.original = Original(
        key="k", filename="a.png", content_type="image/png", size=1, sha256="0" * 64, width=2, height=2
    )
    return photo


def test_a_new_photo_is_stored_and_sent(tmp_path: Path) -> None:
    world = World(None, has_original=False)
    ids = ReservedIds.fresh(1)

    assert world.accept(tmp_path, ids).id == ids.ids[0]
    assert world.actions == ["store", "send"]


@pytest.mark.parametrize("took", [21, 41])
def test_an_order_whose_original_was_stored_late_starts_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, took: int
) -> None:
    """The sweep, whose clock may be ahead, may have found no original, and a worker may have failed the order."""
    world = World(None, has_original=False)
    monkeypatch.setattr("api.uploads.intake.now", lambda: now() + timedelta(seconds=took))

    assert world.accept(tmp_path, ReservedIds.fresh(1)).unfinished
    assert world.actions == ["store", "update", "send"]


def test_an_incomplete_photo_of_an_earlier_try_is_stored_and_sent(stored: PhotoRecord, tmp_path: Path) -> None:
    world = World(stored, has_original=False)

    assert world.accept(tmp_path, ReservedIds((stored.id,), reused=True)).id == stored.id
    assert world.actions == ["update", "store", "send"]


def test_a_complete_photo_of_an_earlier_try_is_only_sent(stored: PhotoRecord, tmp_path: Path) -> None:
    world = World(stored, has_original=True)

    assert world.accept(tmp_path, ReservedIds((stored.id,), reused=True)).id == stored.id
    assert world.actions == ["update", "send"]


def test_an_ended_photo_of_an_earlier_try_is_neither_stored_nor_sent(stored: PhotoRecord, tmp_path: Path) -> None:
    stored.cancel()
    world = World(stored, has_original=True)

    world.accept(tmp_path, ReservedIds((stored.id,), reused=True))

    assert world.actions == ["update"]


def test_a_duplicate_is_returned_as_it_is(stored: PhotoRecord, tmp_path: Path) -> None:
    world = World(stored, has_original=True)

    assert world.accept(tmp_path, ReservedIds.fresh(1), dedupe=True).id == stored.id
    assert world.actions == ["update"]


def test_a_duplicate_that_was_never_sent_is_sent(stored: PhotoRecord, tmp_path: Path) -> None:
    stored.order(order(stored)).fail_unsent(Unavailable("the queue is down"))
    world = World(stored, has_original=True)

    assert world.accept(tmp_path, ReservedIds.fresh(1), dedupe=True).unfinished
    assert world.actions == ["update", "send"]


def test_a_duplicate_without_its_original_is_stored_and_sent(stored: PhotoRecord, tmp_path: Path) -> None:
    world = World(stored, has_original=False)

    assert world.accept(tmp_path, ReservedIds.fresh(1), dedupe=True).id == stored.id
    assert world.actions == ["update", "store", "send"]


def test_a_deleted_photo_refuses_the_repeated_upload(stored: PhotoRecord, tmp_path: Path) -> None:
    stored.delete()
    world = World(stored, has_original=False)

    with pytest.raises(PhotoGone):
        world.accept(tmp_path, ReservedIds((stored.id,), reused=True))

    assert world.actions == ["update"]
