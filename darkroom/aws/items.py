"""A photo's record as an item of DynamoDB, and back."""

from __future__ import annotations

import json
import zlib
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from pydantic import ValidationError

from darkroom.aws.owner_lists import list_key
from darkroom.errors import FutureRecord
from darkroom.record.clock import now
from darkroom.record.photo import PhotoRecord

SHARDS = 64
"""Keys of the `due` index; each takes 1,000 writes a second. A photo that is done at once costs two."""

SMALLEST = Decimal("1E-100")

TTL_MARGIN = timedelta(days=1)
"""An item outlives its photo's expiry by this, so that a late reader finds an expired photo instead of none."""


def key_of(photo_id: str) -> dict[str, str]:
    return {"pk": f"photo#{photo_id}"}


def item_of(photo: PhotoRecord) -> dict[str, Any]:
    """The item of a photo, without the version: the record, and the attributes that the indexes and TTL use."""
    item: dict[str, Any] = key_of(photo.id) | {"record": _record_of(photo)}
    if not photo.deleted_at:  # a tombstone is in no list
        item["photo_list"] = list_key(photo.owner, photo.list_part)
    if photo.expires_at and not photo.late_writes:  # DynamoDB must not remove what the sweep still needs
        item["ttl"] = int((photo.expires_at + TTL_MARGIN).timestamp())
    if photo.due_at:
        item |= {"shard": zlib.crc32(photo.id.encode()) % SHARDS, "due_at": _indexed_due_at(photo, photo.due_at)}
    if photo.dead_letter_at and not photo.deleted_at:
        item |= {"dead_letter_list": item["photo_list"], "dead_letter": dead_letter_key(photo)}
    return item


def _indexed_due_at(photo: PhotoRecord, due_at: datetime) -> Decimal:
    """The time in the index `due`: when the sweep reads the record next.

    It may be earlier than the record's own time, but never later. To move a key of an index costs two writes, and most
    photos are done before their first time comes. So the index keeps a time that has not come yet; the sweep moves it
    when it finds that the photo is not overdue.
    """
    due, before = seconds_of(due_at), photo.indexed_due_at
    return before if before is not None and seconds_of(now()) < before < due else due


def dead_letter_key(photo: PhotoRecord) -> str:
    """The sort key of a photo with dead letters: when the first of them was buried, in milliseconds, and its id."""
    assert photo.dead_letter_at is not None
    return f"{int(photo.dead_letter_at.timestamp() * 1000):013d}#{photo.id}"


def note_written(photo: PhotoRecord, item: dict[str, Any]) -> None:
    """Set in a record what the table has of it now: the item was written."""
    photo.version, photo.indexed_due_at = item["version"], item.get("due_at")


def _record_of(photo: PhotoRecord) -> dict[str, Any]:
    """The record as a map.

    Values that equal their defaults are left out, so that an older release can read every record that does not use a
    newer release's fields. Specs are written whole, because their defaults may change.
    """
    # DynamoDB takes no floats; ids and times are strings.
    record: dict[str, Any] = json.loads(
        photo.model_dump_json(exclude_defaults=True, exclude={"version", "indexed_due_at"}), parse_float=_decimal
    )
    for order in photo.orders.values():
        for job in order.jobs.values():
            spec = json.loads(job.spec.model_dump_json(exclude_none=True), parse_float=_decimal)
            record["orders"][order.id]["jobs"][job.id]["spec"] = spec
    return record


def photo_of(item: dict[str, Any]) -> PhotoRecord:
    """The photo that an item holds. Raises FutureRecord when a newer release wrote it."""
    try:
        photo = PhotoRecord.model_validate(_without_decimals(item["record"]) | {"version": int(item["version"])})
        photo.indexed_due_at = item.get("due_at")
    except ValidationError as error:
        # Reading a part is no way out: writing it back would drop what the newer release has added.
        raise FutureRecord(f"the record {item['pk']} was written by a newer release") from error
    # DynamoDB's maps have no order; ids sort by the time when they were made.
    photo.orders = dict(sorted(photo.orders.items()))
    for order in photo.orders.values():
        order.jobs = dict(sorted(order.jobs.items()))
    return photo


def _decimal(text: str) -> Decimal:
    """A float for DynamoDB, which refuses numbers closer to zero than 1E-130."""
    value = Decimal(text)
    return value if abs(value) > SMALLEST else Decimal(0)


def seconds_of(time: datetime) -> Decimal:
    """Unix time in seconds."""
    return Decimal(f"{time.timestamp():.3f}")


def _without_decimals(value: Any) -> Any:
    """DynamoDB's Decimals as the ints and floats that were written."""
    if isinstance(value, dict):
        return {key: _without_decimals(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_decimals(item) for item in value]
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value
