"""Take photos in, one or several: look at each, write its record, store the original, put its order on the queue.

The record comes first and names the time when the sweep shall look after it, so that a crash at any
later point leaves something that is put right.
"""

from __future__ import annotations

import threading
from datetime import timedelta
from http import HTTPStatus
from typing import BinaryIO, cast

import structlog
from flask import Response
from pydantic import BaseModel, Field

from api.context import RETRY_SOON, Context, caller, json_answer
from api.problems import Problem, fault_of_ours, problem_of, respond
from api.uploads import Incoming, Upload
from darkroom.bucket import original_key
from darkroom.errors import InvalidRequest, PhotoError, TooLarge, Unavailable
from darkroom.record import Original, PhotoRecord, new_id, now
from darkroom.sniff import Sniffed, sniff
from darkroom.views import PhotoView, photo_view

log = structlog.get_logger()

_SNIFFING = threading.BoundedSemaphore(2)
"""The readers of WebP, AVIF and HEIC take a whole file into memory for its header: a few at a time are enough."""

EXTENSIONS = {"jpeg": "jpg", "tiff": "tif"}

Verdict = PhotoView | Problem


class BatchView(BaseModel):
    """What became of each photo of a request, in the order sent."""

    batch: str
    photos: list[Verdict]


class BatchProblem(Problem):
    """No photo of a batch was taken."""

    batch: str | None = None
    photos: list[Problem] = Field([], description="each photo's own problem, in the order sent")


def take_in(context: Context, incoming: Incoming, upload: Upload, batch: str | None, trace: str) -> PhotoRecord:
    """Raises PhotoError or TooLarge for a photo that we do not take, Unavailable when AWS does not take it."""
    limit = context.settings.max_upload_bytes
    if incoming.spool.too_large:
        raise TooLarge(f"the photo has more than {limit:,} bytes")
    with _SNIFFING:
        sniffed = sniff(cast(BinaryIO, incoming.spool), context.settings.max_pixels)
    photo = _record(context, incoming, upload, sniffed, batch)
    order = photo.add_order(upload.jobs, context.settings.resend_after, trace)
    context.services.table.create(photo)
    try:
        context.services.bucket.put(original_key(photo.id), cast(BinaryIO, incoming.spool), sniffed.content_type)
    except Unavailable as error:
        give_up(context, photo, order.id, error)
        raise
    sent = send(context, photo, order.id)
    log.info("photo.accepted", photo=photo.id, jobs=len(upload.jobs), size=incoming.spool.size, batch=batch)
    return sent


def take_in_all(context: Context, upload: Upload, trace: str) -> Response:
    """202 when at least one photo was taken; else 503 when trying again may help, 500 after a fault of ours, or 422."""
    batch = new_id()
    verdicts: list[Verdict] = []
    down: Unavailable | None = None
    for incoming in upload.photos:
        filename = incoming.filename or "photo"
        try:
            if down:  # the others would only wait for the same time-outs
                raise down
            photo = take_in(context, incoming, upload, batch, trace)
        except Unavailable as error:
            if down is None:
                log.warning("batch.unavailable", batch=batch, detail=error.detail)
            down = error
            verdicts.append(problem_of(error, filename))
        except (PhotoError, TooLarge) as error:
            verdicts.append(problem_of(error, filename))
        except Exception:
            # The caller must still learn which of the others were taken.
            log.exception("batch.photo_failed", batch=batch, filename=filename)
            verdicts.append(fault_of_ours(filename))
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
        whole = fault_of_ours()
    else:
        whole = problem_of(InvalidRequest(f"none of the {len(problems)} photos was taken"))
    return respond(BatchProblem(**whole.model_dump(), batch=batch, photos=problems))


def send(context: Context, photo: PhotoRecord, order_id: str) -> PhotoRecord:
    """Put an order on the queue. One that was for sure not sent is marked failed, and Unavailable is raised.

    When nobody knows, it stays queued: it may be worked on already, and if not, the sweep sends it again.
    """
    try:
        context.services.send_order(photo, order_id)
    except Unavailable as error:
        if not error.certain:
            log.warning("order.send_uncertain", photo=photo.id, order=order_id, detail=error.detail)
        elif give_up(context, photo, order_id, error):
            raise
    return photo


def give_up(context: Context, photo: PhotoRecord, order_id: str, error: Unavailable) -> bool:
    """Mark an order failed that will not reach a worker. False if one has it all the same."""
    try:
        _, failed = context.services.table.update(
            photo.id, lambda record: record.fail_order(order_id, error), known=photo
        )
    except Unavailable as second:
        # The sweep will find it and send it again; a worker fails it when there is no original.
        log.warning("order.not_marked_failed", photo=photo.id, order=order_id, detail=second.detail)
        return True
    return failed


def _record(context: Context, incoming: Incoming, upload: Upload, sniffed: Sniffed, batch: str | None) -> PhotoRecord:
    photo_id, at = new_id(), now()
    days = context.settings.retention_days
    return PhotoRecord(
        id=photo_id,
        owner=caller(),
        created_at=at,
        original=Original(
            key=original_key(photo_id),
            filename=incoming.filename or f"photo.{EXTENSIONS.get(sniffed.format, sniffed.format)}",
            content_type=sniffed.content_type,
            size=incoming.spool.size,
            sha256=incoming.spool.sha256,
            width=sniffed.width,
            height=sniffed.height,
        ),
        reference=upload.reference,
        metadata=upload.metadata,
        batch=batch,
        expires_at=at + timedelta(days=days) if days else None,
    )
