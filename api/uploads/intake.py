"""Take photos in, one or several: look at each, write its record, store the original, put its order on the queue.

The record comes first and names the time when the sweep shall look after it, so that a crash at any
later point leaves something that is put right.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta
from http import HTTPStatus
from typing import BinaryIO, cast

import structlog
from flask import Response
from pydantic import BaseModel, Field

from api.context import RETRY_SOON, Context, caller, json_answer
from api.http.problems import Problem, problem_of, problem_response, unexpected_problem
from api.uploads.parse import Incoming, Upload
from darkroom.aws.idempotency_store import ReservedIds
from darkroom.errors import InvalidRequest, PhotoError, PhotoGone, TooLarge, Unavailable
from darkroom.filenames import photo_filename
from darkroom.record.clock import now
from darkroom.record.delivery import Callback
from darkroom.record.keys import original_key
from darkroom.record.photo import PhotoRecord
from darkroom.record.stored import Original
from darkroom.record.views import PhotoView, photo_view
from darkroom.services import Services
from darkroom.sniff import Sniffed, sniff

log = structlog.get_logger()

GONE = "the photo that this request made was deleted or has expired; another Idempotency-Key makes another one"

_SNIFFING = threading.BoundedSemaphore(2)
"""The readers of WebP, AVIF and HEIC take a whole file into memory for its header: a few at a time are enough."""

Verdict = PhotoView | Problem


class BatchView(BaseModel):
    """What became of each photo of a request, in the order sent."""

    batch: str
    photos: list[Verdict]


class BatchProblem(Problem):
    """No photo of a batch was taken."""

    batch: str | None = None
    photos: list[Problem] = Field([], description="each photo's own problem, in the order sent")


def take_in(
    context: Context, incoming: Incoming, upload: Upload, reserved: ReservedIds, batch: str | None, trace: str
) -> PhotoRecord:
    """Make a photo under the first id reserved, or go on with what an earlier try has left there.

    Raises PhotoError or TooLarge for a photo that we do not take, PhotoGone when the one that an earlier try has made
    was deleted or has expired, Unavailable when AWS does not take it.
    """
    services = context.services
    limit = context.settings.max_upload_bytes
    if incoming.spool.too_large:
        raise TooLarge(f"the photo has more than {limit:,} bytes")
    with _SNIFFING:
        sniffed = sniff(cast(BinaryIO, incoming.spool), context.settings.max_pixels)
    fresh = new_record(context, reserved.ids[0], upload, batch)
    fresh.original = _original(fresh.id, incoming, sniffed)
    fresh.add_order(upload.jobs, context.settings.resend_after, trace)
    photo = _write(services, fresh, upload, reserved)
    missing = photo is fresh
    if photo is not fresh:
        missing = not photo.deleted_or_expired and not services.bucket.exists(original_key(photo.id))
        found, photo = photo, _go_on(context, photo, missing)
        if photo.deleted_or_expired:
            raise PhotoGone(GONE)
        if photo.id != fresh.id and not missing and _sends(photo) == _sends(found):  # its own upload sends it
            log.info("photo.found", photo=photo.id, status=photo.status, batch=batch)
            return photo
    order_id = _first_order(photo)
    if missing:
        try:
            services.bucket.put(original_key(photo.id), cast(BinaryIO, incoming.spool), sniffed.content_type)
        except Unavailable as error:
            give_up(context, photo, order_id, error)
            raise
    sent = send(context, photo, order_id)
    log.info("photo.accepted", photo=photo.id, jobs=len(upload.jobs), size=incoming.spool.size, batch=batch)
    return sent


def take_in_all(context: Context, upload: Upload, reserved: ReservedIds, trace: str) -> Response:
    """202 when at least one photo was taken; else 503 when trying again may help, 500 after a fault of ours, or 422."""
    *photo_ids, batch = reserved.ids
    verdicts: list[Verdict] = []
    down: Unavailable | None = None
    for incoming, photo_id in zip(upload.photos, photo_ids, strict=True):
        filename = incoming.filename or "photo"
        try:
            if down:  # the others would only wait for the same time-outs
                raise down
            photo = take_in(context, incoming, upload, replace(reserved, ids=(photo_id,)), batch, trace)
        except Unavailable as error:
            if down is None:
                log.warning("batch.unavailable", batch=batch, detail=error.detail)
            down = error
            verdicts.append(problem_of(error, filename))
        except (PhotoError, TooLarge, PhotoGone) as error:
            verdicts.append(problem_of(error, filename))
        except Exception:
            # The caller must still learn which of the others were taken.
            log.exception("batch.photo_failed", batch=batch, filename=filename)
            verdicts.append(unexpected_problem(filename))
        else:
            verdicts.append(photo_view(photo, context.settings.base_url))
        finally:
            incoming.spool.close()  # 50 photos are many open files
    problems = [verdict for verdict in verdicts if isinstance(verdict, Problem)]
    if len(problems) < len(verdicts):
        return json_answer(BatchView(batch=batch, photos=verdicts), HTTPStatus.ACCEPTED, RETRY_SOON)
    if down:
        whole = problem_of(down)
    elif any(told.status == HTTPStatus.INTERNAL_SERVER_ERROR for told in problems):
        whole = unexpected_problem()
    else:
        whole = problem_of(InvalidRequest(f"none of the {len(problems)} photos was taken"))
    return problem_response(BatchProblem(**whole.model_dump(), batch=batch, photos=problems))


def send(context: Context, photo: PhotoRecord, order_id: str) -> PhotoRecord:
    """Put an order on the queue. One that was for sure not sent is marked failed, and Unavailable is raised.

    When nobody knows, it stays queued: it may be worked on already, and if not, the sweep sends it again.
    Of an order that a repeated request finds done there is nothing to send.
    """
    if not photo.order(order_id).unfinished_jobs:
        return photo
    try:
        context.services.outbox.send_order(photo, order_id)
    except Unavailable as error:
        if not error.certain:
            log.warning("order.send_uncertain", photo=photo.id, order=order_id, detail=error.detail)
        elif len(photo.orders) > 1:
            # Failing it could end the photo, of which the worker on another order would then not tell.
            log.warning("order.left_to_the_sweep", photo=photo.id, order=order_id, detail=error.detail)
        elif give_up(context, photo, order_id, error):
            raise
    return photo


def give_up(context: Context, photo: PhotoRecord, order_id: str, error: Unavailable) -> bool:
    """Mark an order failed that will not reach a worker. False if one has it all the same, or another request."""
    try:
        _, failed = context.services.table.update(
            photo.id, lambda record: record.order(order_id).fail_unsent(error), known=photo
        )
    except Unavailable as second:
        # The sweep will find it and send it again; a worker fails it when there is no original.
        log.warning("order.not_marked_failed", photo=photo.id, order=order_id, detail=second.detail)
        return True
    return failed


def _write(services: Services, fresh: PhotoRecord, upload: Upload, reserved: ReservedIds) -> PhotoRecord:
    """Write the record of a photo, unless an earlier try of this upload, or an earlier upload, has made it.

    Returns the one that is there then.
    """
    earlier = services.table.get(fresh.id) if reserved.reused else None
    return earlier or (services.dedupe if upload.dedupe else services.table).create(fresh)


def _go_on(context: Context, photo: PhotoRecord, lost: bool) -> PhotoRecord:
    """Go on with an upload that broke off, or that another request is still at: what failed of it begins anew."""
    photo, _ = context.services.table.update(
        photo.id,
        lambda record: record.resume_order(_first_order(record), context.settings.resend_after, lost),
        known=photo,
    )
    return photo


def _first_order(photo: PhotoRecord) -> str:
    """The order that the upload made: ids sort by time."""
    return min(photo.orders)


def _sends(photo: PhotoRecord) -> int:
    return photo.orders[_first_order(photo)].send_count


def new_record(context: Context, photo_id: str, asked: Upload, batch: str | None = None) -> PhotoRecord:
    """A photo of the caller's, without its file and its jobs as yet."""
    at, owner = now(), caller()
    callback_url = asked.callback_url or context.owners.callback_url(owner)
    days = context.settings.retention_days
    return PhotoRecord(
        id=photo_id,
        owner=owner,
        created_at=at,
        reference=asked.reference,
        metadata=asked.metadata,
        batch=batch,
        callback=Callback(url=callback_url) if callback_url else None,
        expires_at=at + timedelta(days=days) if days else None,
    )


def _original(photo_id: str, incoming: Incoming, sniffed: Sniffed) -> Original:
    return Original(
        key=original_key(photo_id),
        filename=photo_filename(incoming.filename, sniffed.format),
        content_type=sniffed.content_type,
        size=incoming.spool.size,
        sha256=incoming.spool.sha256,
        width=sniffed.width,
        height=sniffed.height,
    )
