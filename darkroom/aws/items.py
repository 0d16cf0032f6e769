"""A photo's record as an item of DynamoDB, and back."""

from __future__ import annotations

import zlib
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from pydantic import ValidationError

from darkroom.aws.owner_lists import list_key
from darkroom.aws.packing import pack, unpack
from darkroom.errors import FutureRecord
from darkroom.record.clock import now
from darkroom.record.photo import PhotoRecord

SHARDS = 64
"""Keys of the `due` index; each takes 1,000 writes a second. A photo that is done at once costs two."""

TTL_MARGIN = timedelta(days=1)
"""An item outlives its photo's expiry by this, so that a late reader finds an expired photo instead of none."""


ASSETS = "assets#"
"""Before the owner, in the key of the item that holds the assets of an owner (darkroom/aws/asset_table.py)."""


BATCHES = "batch#"
"""Before the id, in the key of the item of a batch (darkroom/aws/batch_table.py)."""

GENERATION = "generation"
"""The attribute that the index `by_owner` has besides its keys. A photo that has ended changes only in a new
generation, so who knows the index need not read the records of such photos. It rises seldom: each rise writes to the
index."""


def key_of(record: str) -> dict[str, str]:
    """`record`: a photo's id, `assets#{owner}` or `batch#{id}`."""
    return {"pk": f"photo#{record}" if is_photo(record) else record}


def is_photo(record: str) -> bool:
    """Whether a record as `record_in` returns it is that of a photo."""
    return not record.startswith((ASSETS, BATCHES))


def record_in(key: Any) -> str:
    """The record with this key of the table, as `key_of` takes it."""
    return str(key).removeprefix("photo#")


def item_of(photo: PhotoRecord) -> dict[str, Any]:
    """The item of a photo, without the version: the record, and the attributes that the indexes and TTL use."""
    item: dict[str, Any] = key_of(photo.id) | {"record": pack(_text_of(photo))}
    if not photo.deleted_at:  # a tombstone is in no list
        item |= {"photo_list": list_key(photo.owner, photo.list_part), GENERATION: photo.generation}
    if photo.expires_at and not photo.late_writes:  # DynamoDB must not remove what the sweep still needs
        item["ttl"] = int((photo.expires_at + TTL_MARGIN).timestamp())
    if photo.due_at:
        item |= {"shard": zlib.crc32(photo.id.encode()) % SHARDS, "due_at": _indexed_due_at(photo, photo.due_at)}
    if photo.dead_letter_at and not photo.deleted_at:
        item |= {"dead_letter_list": item["photo_list"], "dead_letter": dead_letter_key(photo)}
    return item


def _indexed_due_at(photo: PhotoRecord, due_at: datetime) -> Decimal:
    """The time in the index `due`: when the sweep reads the record next.

    It may be earlier than the record's own time, but never later, except after a failed repair (`Table.postpone`).
    To move a key of an index costs two writes, and most photos are done before their first time comes. So the index
    keeps a time that has not come yet; the sweep moves it when it finds that the photo is not overdue.
    """
    due, before = seconds_of(due_at), photo.indexed_due_at
    return before if before is not None and seconds_of(now()) < before < due else due


def dead_letter_key(photo: PhotoRecord) -> str:
    """The sort key of a photo with dead letters: when the first of them was buried, in milliseconds, and its id."""
    assert photo.dead_letter_at is not None
    return f"{int(photo.dead_letter_at.timestamp() * 1000):013d}#{photo.id}"


def note_written(photo: PhotoRecord, item: dict[str, Any]) -> None:
    """Set in a record what the table has of it now: the item was written."""
    due_at = item.get("due_at")
    photo.version, photo.indexed_due_at = int(item["version"]), None if due_at is None else Decimal(due_at)


def photo_of(item: dict[str, Any]) -> PhotoRecord:
    """The photo that an item holds. Raises FutureRecord when a newer release wrote it."""
    try:
        photo = PhotoRecord.model_validate_json(text_in(item))
    except ValidationError as error:
        # Reading a part is no way out: writing it back would drop what the newer release has added.
        raise _future_record(item) from error
    note_written(photo, item)
    return photo


def text_in(item: dict[str, Any]) -> bytes:
    """The JSON of the record that an item holds. Raises FutureRecord when it is packed in an unknown way."""
    try:
        return unpack(item["record"])
    except (KeyError, TypeError, zlib.error) as error:
        raise _future_record(item) from error


def _future_record(item: dict[str, Any]) -> FutureRecord:
    return FutureRecord(f"the record {item['pk']} was written by a newer release")


def _text_of(photo: PhotoRecord) -> bytes:
    """The record as JSON.

    Values that equal their defaults are left out, so that an older release can read every record that does not use a
    newer release's fields. Only specs are written whole (`JobRecord`).
    """
    return photo.model_dump_json(exclude_defaults=True).encode()


def seconds_of(time: datetime) -> Decimal:
    """Unix time in seconds."""
    return Decimal(f"{time.timestamp():.3f}")
