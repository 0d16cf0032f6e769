"""Accept photos, one or several: check each one, write its record, store the original, put its order on the queue.

The record comes first, and names the time at which the sweep checks it. So a crash at any later point leaves a record
that the sweep repairs. The first check comes when the original must have been stored: what this process could not write
down during an outage then fails with the outage as its reason.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import Enum
from typing import BinaryIO, cast

import structlog

from api.context import Context
from api.uploads.parse import Incoming, Upload
from darkroom.aws.idempotency_store import ReservedIds
from darkroom.errors import DarkroomError, FutureRecord, PhotoError, PhotoGone, TooLarge, Unavailable
from darkroom.filenames import photo_filename
from darkroom.record.clock import now
from darkroom.record.delivery import Callback
from darkroom.record.keys import original_key
from darkroom.record.late_writes import ImportTime
from darkroom.record.photo import PhotoRecord
from darkroom.record.photo_batch import Batch
from darkroom.record.stored import Original
from darkroom.sniff import Sniffed, sniff

log = structlog.get_logger()

GONE_DETAIL = "the photo of this request was deleted or has expired; send the request with a new Idempotency-Key"

_sniff_slots = threading.BoundedSemaphore(2)
"""At most two uploads read a header at the same time: for WebP, AVIF and HEIC the decoder loads the whole file into
memory."""


class Found(Enum):
    """What an upload finds when it writes its record."""

    NEW = "no record: this upload wrote its own. Store the original, send the order"
    INCOMPLETE = "the record of an earlier try, without its original. Store the original, send the order"
    RESUMED = "the record of an earlier try, with its original. Send the order, unless its jobs have ended"
    DUPLICATE = "dedupe: the complete photo of an earlier upload. Return it; its own upload sends its order"
    GONE = "a photo that was deleted or has expired. Refuse the upload"


@dataclass(frozen=True)
class Accepted:
    """A photo of a batch that was accepted."""

    photo: PhotoRecord


@dataclass(frozen=True)
class Rejected:
    """A photo of a batch that was not accepted. `error` is None after an unexpected error, which is in the log."""

    filename: str
    error: DarkroomError | None


Outcome = Accepted | Rejected


def accept_all(
    ctx: Context, owner: str, upload: Upload, reserved: ReservedIds, trace: str
) -> tuple[str, list[Outcome]]:
    """Accept each photo of a batch. Returns the batch's id and the outcomes in the order of the photos."""
    *photo_ids, batch_id = reserved.ids
    outcomes: list[Outcome] = []
    unavailable: Unavailable | None = None
    try:
        batch = _open_batch(ctx, owner, upload, batch_id, photo_ids)
    except Unavailable as error:  # no photo is accepted, and the caller learns this for each of them
        log.warning("batch.unavailable", batch=batch_id, detail=error.detail)
        for incoming in upload.photos:
            incoming.spool.close()
        return batch_id, [Rejected(incoming.filename or "photo", error) for incoming in upload.photos]
    for incoming, photo_id in zip(upload.photos, photo_ids, strict=True):
        filename = incoming.filename or "photo"
        try:
            if unavailable:  # the other photos would only wait for the same timeouts
                raise unavailable
            photo = accept(ctx, owner, incoming, upload, replace(reserved, ids=(photo_id,)), batch_id, trace)
        except Unavailable as error:
            if unavailable is None:
                log.warning("batch.unavailable", batch=batch_id, detail=error.detail)
            unavailable = error
            outcomes.append(Rejected(filename, error))
        except (PhotoError, TooLarge, PhotoGone) as error:
            outcomes.append(Rejected(filename, error))
        except Exception:
            # The caller must still learn which of the other photos were accepted.
            log.exception("batch.photo_failed", batch=batch_id, filename=filename)
            outcomes.append(Rejected(filename, None))
        else:
            outcomes.append(Accepted(photo))
        finally:
            incoming.spool.close()  # otherwise 50 photos would be 50 open files
    accepted = [outcome.photo.id for outcome in outcomes if isinstance(outcome, Accepted)]
    if accepted != photo_ids:
        _close_batch(ctx, batch, accepted, found=not set(accepted) <= set(photo_ids))
    return batch_id, outcomes


def _open_batch(ctx: Context, owner: str, upload: Upload, batch_id: str, photo_ids: list[str]) -> Batch:
    """Write the batch before its photos, so that the sweep finds it if this process dies between two of them."""
    at = now()
    callback_url = upload.callback_url or ctx.owners.callback_url(owner)
    days = ctx.settings.retention_days
    until = at + timedelta(seconds=ctx.settings.storing_time(sum(photo.spool.size for photo in upload.photos)))
    batch = Batch(
        id=batch_id,
        owner=owner,
        created_at=at,
        photos=photo_ids,
        upload_token=upload.token_id,
        callback=Callback(url=callback_url) if callback_url else None,
    )
    return ctx.services.batch_ends.open(batch, photo_ids, until, until + timedelta(days=days) if days else None)


def _close_batch(ctx: Context, batch: Batch, accepted: list[str], found: bool) -> None:
    """Write which photos the batch has, because these are not the ones that it was opened with.

    If AWS is down, the sweep sees which photos were not accepted. But it cannot see which photos of earlier uploads
    `dedupe` has found: then this raises the error, and the next try of the request finds them again.
    """
    try:
        ctx.services.batch_ends.close(batch, accepted)
    except (Unavailable, FutureRecord) as error:
        if found:
            raise
        log.warning("batch.not_closed", batch=batch.id, detail=error.detail)


def rejected_share(upload: Upload, outcomes: list[Outcome]) -> tuple[int, int]:
    """How many photos of a batch were not accepted, and their bytes."""
    sizes = [photo.spool.size for photo, end in zip(upload.photos, outcomes, strict=True) if isinstance(end, Rejected)]
    return len(sizes), sum(sizes)


def accept(
    ctx: Context,
    owner: str,
    incoming: Incoming,
    upload: Upload,
    reserved: ReservedIds,
    batch: str | None,
    trace: str,
) -> PhotoRecord:
    """Make a photo under the first reserved id, or continue with what an earlier try of the same request has made.

    Raises PhotoError or TooLarge for a file that is not accepted, PhotoGone when the photo of an earlier try was
    deleted or has expired, Unavailable when AWS does not answer.
    """
    own = _checked(ctx, owner, incoming, upload, reserved.ids[0], batch, trace)
    time = ImportTime()
    found, photo = _write(ctx, own, upload, reserved)
    if found is Found.GONE:
        raise PhotoGone(GONE_DETAIL)
    if found is Found.DUPLICATE:
        log.info("photo.found", photo=photo.id, status=photo.status, batch=batch)
        return photo
    if found in (Found.NEW, Found.INCOMPLETE):
        photo = _store(ctx, photo, incoming, time)
    send(ctx, photo, _first_order(photo))
    log.info("photo.accepted", photo=photo.id, jobs=len(upload.jobs), size=incoming.spool.size, batch=batch)
    return photo


def new_record(ctx: Context, photo_id: str, owner: str, upload: Upload, batch: str | None = None) -> PhotoRecord:
    """A new record of a photo, still without its file and its jobs."""
    at = now()
    callback_url = upload.callback_url or ctx.owners.callback_url(owner)
    days = ctx.settings.retention_days
    return PhotoRecord(
        id=photo_id,
        owner=owner,
        created_at=at,
        reference=upload.reference,
        metadata=upload.metadata,
        batch=batch,
        public=upload.public,
        upload_token=upload.token_id,
        callback=Callback(url=callback_url) if callback_url else None,
        expires_at=at + timedelta(days=days) if days else None,
    )


def send(ctx: Context, photo: PhotoRecord, order_id: str) -> None:
    """Put an order on the queue, unless all its jobs have ended.

    If the message was certainly not sent, the photo's only order is marked failed and Unavailable is raised. If it
    cannot be marked, it stays queued and the sweep sends it: the original is stored, so the upload is accepted. A
    further order stays queued, too. So does one whose message may have been sent: a worker may already have it.
    """
    if not photo.order(order_id).unfinished_jobs:
        return
    try:
        ctx.services.outbox.send_order(photo, order_id)
    except Unavailable as error:
        if not error.certain:
            log.warning("order.send_uncertain", photo=photo.id, order=order_id, detail=error.detail)
        elif len(photo.orders) > 1:
            # If this order failed, that could end the photo, and no worker would send the event of its end.
            log.warning("order.left_to_the_sweep", photo=photo.id, order=order_id, detail=error.detail)
        elif _fail_order(ctx, photo, order_id, error):
            raise


def _checked(
    ctx: Context, owner: str, incoming: Incoming, upload: Upload, photo_id: str, batch: str | None, trace: str
) -> PhotoRecord:
    """Check the file and make the record that this upload wants to write.

    Raises PhotoError or TooLarge when the file is not accepted.
    """
    if incoming.spool.too_large:
        raise TooLarge(f"the photo has more than {ctx.settings.max_upload_bytes:,} bytes")
    with _sniff_slots:
        sniffed = sniff(cast(BinaryIO, incoming.spool), ctx.settings.max_pixels)
    photo = new_record(ctx, photo_id, owner, upload, batch)
    photo.original = _original(photo_id, incoming, sniffed)
    photo.add_order(upload.jobs, ctx.settings.resend_after, trace).await_original(_storing_time(ctx, photo))
    return photo


def _original(photo_id: str, incoming: Incoming, sniffed: Sniffed) -> Original:
    return Original(
        key=original_key(photo_id),
        filename=photo_filename(incoming.filename, sniffed.format),
        content_type=sniffed.content_type,
        size=incoming.spool.size,
        sha256=incoming.spool.sha256,
        width=sniffed.width,
        height=sniffed.height,
        frames=sniffed.frames,
    )


def _write(ctx: Context, own: PhotoRecord, upload: Upload, reserved: ReservedIds) -> tuple[Found, PhotoRecord]:
    """Write the upload's own record, unless an earlier try or an earlier upload has written one.

    Returns what was found, and the record to continue with.
    """
    services = ctx.services
    earlier = services.table.get(own.id) if reserved.reused else None
    photo = earlier or (services.dedupe if upload.dedupe else services.table).create(own)
    if photo is own:
        return Found.NEW, photo
    lost = not photo.deleted_or_expired and not services.bucket.exists(original_key(photo.id))
    sends_before = _send_count(photo)
    photo = _resume(ctx, photo, _storing_time(ctx, own) if lost else None)
    if photo.deleted_or_expired:
        return Found.GONE, photo
    if lost:
        return Found.INCOMPLETE, photo
    restarted = _send_count(photo) != sends_before
    return (Found.DUPLICATE if photo.id != own.id and not restarted else Found.RESUMED), photo


def _resume(ctx: Context, photo: PhotoRecord, storing: float | None) -> PhotoRecord:
    return ctx.services.table.update(
        photo.id,
        lambda record: record.resume_order(_first_order(record), ctx.settings.resend_after, storing),
        known=photo,
    )[0]


def _store(ctx: Context, photo: PhotoRecord, incoming: Incoming, time: ImportTime) -> PhotoRecord:
    """Store the original. When S3 does not take it in `time`, the order is marked failed and Unavailable is raised.

    Returns the record to continue with.
    """
    assert photo.original is not None
    body, original = cast(BinaryIO, incoming.spool), photo.original
    try:
        ctx.services.bucket.put(original_key(photo.id), body, original.content_type, original.sha256, time.check)
    except Unavailable as error:
        _fail_order(ctx, photo, _first_order(photo), error)
        raise
    storing_until = photo.order(_first_order(photo)).storing_until
    storing_time = _storing_time(ctx, photo)
    margin = timedelta(seconds=storing_time / 2)  # the clock of the sweep may be ahead
    if storing_until and storing_until - margin <= now():  # the sweep may have found no original
        return _resume(ctx, photo, storing_time)
    return photo


def _storing_time(ctx: Context, photo: PhotoRecord) -> float:
    return ctx.settings.storing_time(photo.original.size if photo.original else 0)


def _fail_order(ctx: Context, photo: PhotoRecord, order_id: str, error: Unavailable) -> bool:
    """Mark an order failed that was not sent.

    False when a worker or another request already has the order, or when the record cannot be written: then the sweep
    finds the order. It sends an order whose original is stored, and the others fail.
    """
    try:
        _, failed = ctx.services.table.update(
            photo.id, lambda record: record.order(order_id).fail_unsent(error), known=photo
        )
    except Unavailable as second:
        log.warning("order.not_marked_failed", photo=photo.id, order=order_id, detail=second.detail)
        return False
    return failed


def _first_order(photo: PhotoRecord) -> str:
    """The id of the order that the upload made: ids sort by time."""
    return min(photo.orders)


def _send_count(photo: PhotoRecord) -> int:
    return photo.orders[_first_order(photo)].send_count
