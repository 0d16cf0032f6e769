"""Batches in a deployment without an API."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from darkroom.record.clock import now
from darkroom.record.delivery import Callback, Delivery
from darkroom.record.ids import new_id
from darkroom.record.photo import PhotoRecord
from darkroom.record.photo_batch import Batch
from tests.support.stack import Stack


def write_batch(
    stack: Stack, picture: bytes, jobs: list[dict[str, Any]], count: int = 2, callback: str | None = None
) -> tuple[Batch, list[PhotoRecord]]:
    """Write a batch, and the records and originals of its photos, as the API does. No message is sent."""
    batch = Batch(id=new_id(), owner="default", created_at=now(), photos=[])
    if callback:
        batch.callback = Callback(url=callback)
    photos = [stack.record(picture, jobs, batch=batch.id) for _ in range(count)]
    services = stack.services
    batch = services.batch_ends.open(batch, [photo.id for photo in photos], now() + timedelta(minutes=1), None)
    for photo in photos:
        services.table.create(photo)
        stack.store(photo, picture)
    return batch, photos


def send_orders(stack: Stack, *photos: PhotoRecord) -> None:
    for photo in photos:
        for order in photo.orders:
            stack.services.outbox.send_order(photo, order)


def look(stack: Stack, batch: Batch) -> Batch:
    found = stack.services.batches.get(batch.id)
    assert found is not None
    return found


def delivery_of(stack: Stack, batch: Batch) -> Delivery | None:
    """The delivery of the batch's first webhook."""
    callback = look(stack, batch).callback
    return callback.deliveries.get(1) if callback else None
