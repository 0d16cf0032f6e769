"""Take one photo in: look at it, write its record, store the original, put its first order on the queue.

The record comes first and names the time when the sweep shall look after it, so that a crash at any
later point leaves something that is put right.
"""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import BinaryIO, cast

import structlog

from api.context import OWNER, Context
from api.filenames import safe_filename
from api.uploads import Incoming, Upload
from darkroom.bucket import original_key
from darkroom.errors import TooLarge, Unavailable
from darkroom.record import Original, PhotoRecord, new_id, now
from darkroom.sniff import Sniffed, sniff

log = structlog.get_logger()

_SNIFFING = threading.BoundedSemaphore(2)
"""The readers of WebP, AVIF and HEIC take a whole file into memory for its header: a few at a time are enough."""

EXTENSIONS = {"jpeg": "jpg", "tiff": "tif"}


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
        # The sweep will find it: it sends what has its original, and fails what has not.
        log.warning("order.not_marked_failed", photo=photo.id, order=order_id, detail=second.detail)
        return True
    return failed


def _record(context: Context, incoming: Incoming, upload: Upload, sniffed: Sniffed, batch: str | None) -> PhotoRecord:
    photo_id, at = new_id(), now()
    days = context.settings.retention_days
    return PhotoRecord(
        id=photo_id,
        owner=OWNER,
        created_at=at,
        original=Original(
            key=original_key(photo_id),
            filename=safe_filename(incoming.filename, EXTENSIONS.get(sniffed.format, sniffed.format)),
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
