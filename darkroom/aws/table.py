"""The photos' records in DynamoDB.

Each photo is one item: `pk` = `photo#{id}`, the record under `record`, and the attributes that indexes and conditions
need (items.py). Every write is a compare-and-swap on `version`: read, change, and write on the condition that the
version is still the one that was read; otherwise start again. The condition also requires that the item exists. So a
writer that is late or fenced out sees the newer record and cannot overwrite it.
"""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar

import structlog

from darkroom.aws.clients import Clients
from darkroom.aws.compare_and_swap import compare_and_swap
from darkroom.aws.cursors import cursor_after, dead_letter_cursor, read_cursor, read_dead_letter_cursor
from darkroom.aws.failures import aws_errors
from darkroom.aws.items import (
    GENERATION,
    SHARDS,
    is_photo,
    item_of,
    key_of,
    note_written,
    photo_of,
    record_in,
    seconds_of,
    text_in,
)
from darkroom.aws.owner_lists import DEAD_LETTERS, PHOTOS, OwnerLists
from darkroom.errors import FutureRecord, NotFound
from darkroom.record.clock import now
from darkroom.record.ids import new_id
from darkroom.record.photo import PhotoRecord
from darkroom.settings import Settings

log = structlog.get_logger()

T = TypeVar("T")

BATCH_GET = 100
"""BatchGetItem's own limit."""

WHOLE_INDEX = 1000
"""Photos in the index `due` up to which one request reads all of it: an entry has about 80 bytes, so 10 read units."""


@dataclass(frozen=True)
class FoundRecords:
    """Records by the ids of their photos. An id that is in neither of the two has no record."""

    photos: dict[str, PhotoRecord] = field(default_factory=dict)
    unreadable: dict[str, FutureRecord] = field(default_factory=dict)
    """A newer release wrote them."""


class Table:
    def __init__(self, settings: Settings, clients: Clients) -> None:
        self._name = settings.table
        self._dynamodb = clients.dynamodb
        self._lists = OwnerLists(settings, clients)

    def create(self, photo: PhotoRecord) -> PhotoRecord:
        """Write a new record. Returns the record that the table has then.

        That is another one if another request with the same Idempotency-Key made it under the same id.
        """
        photo.list_part = self._lists.part_for_new(photo.owner)
        write_id = new_id()
        if not self._put(photo, write_id, new=True):
            found, last_write = self._read(photo.id)
            if last_write != write_id:
                return found
            # Our own write: its first answer was lost, and the SDK sent it again.
            # Another process may have written the record since then, and its changes are not in `photo`.
            photo.version += 1
        return photo

    def new_item(self, photo: PhotoRecord) -> dict[str, Any]:
        """A new record as `create` writes it, for a transaction that also writes other items."""
        photo.list_part = self._lists.part_for_new(photo.owner)
        return item_of(photo) | {"version": photo.version + 1, "write_id": new_id()}

    def get(self, photo_id: str) -> PhotoRecord | None:
        """Read a record, strongly consistent. Tombstones and expired photos are records, too."""
        item = self._item(photo_id)
        return photo_of(item) if item else None

    def text(self, photo_id: str) -> bytes:
        """The JSON of a record, also if it has fields that this release does not know.

        Raises NotFound, and FutureRecord when the JSON is packed in an unknown way.
        """
        if item := self._item(photo_id):
            return text_in(item)
        raise NotFound(f"there is no photo {photo_id}")

    def update(
        self, photo_id: str, change: Callable[[PhotoRecord], T], known: PhotoRecord | None = None
    ) -> tuple[PhotoRecord, T]:
        """Apply a change to a record and write it (`compare_and_swap`). `known`: the record as last read.

        Returns the record as written, and what `change` returned. Raises NotFound when there is no such photo.
        """
        return compare_and_swap(partial(self._read, photo_id), self._put, change, known)

    def list_photos(self, owner: str, limit: int, cursor: str | None = None) -> tuple[list[PhotoRecord], str | None]:
        """A page of an owner's photos, newest first, and the next page's cursor.

        Raises InvalidRequest for a bad cursor.
        """
        after = f"photo#{read_cursor(cursor)}" if cursor else None
        keys, more = self._lists.page(PHOTOS, owner, limit, after)
        ids = [_photo_in(key["pk"]) for key in keys]
        # The index is eventually consistent and has keys only. The records say which photos still exist.
        photos = [photo for photo in self.get_many(ids) if not photo.deleted_at]
        return photos, cursor_after(ids[-1]) if more else None

    def newest(self, owner: str, limit: int) -> dict[str, int]:
        """The ids of an owner's newest photos, newest first, and the generation of each, as the index has them: it is
        eventually consistent. Reads no record."""
        keys, _ = self._lists.page(PHOTOS, owner, limit, None)
        return {_photo_in(key["pk"]): int(key.get(GENERATION, 0)) for key in keys}

    def list_dead_letters(
        self, owner: str | None, limit: int, cursor: str | None = None
    ) -> tuple[list[PhotoRecord], str | None]:
        """A page of photos with dead letters, and the next page's cursor.

        Those of one owner come newest first, those of all owners (None) in no order. Raises InvalidRequest for a bad
        cursor.
        """
        after = read_dead_letter_cursor(cursor, owner) if cursor else None
        if owner is None:
            keys, more = self._scan(DEAD_LETTERS.index, limit, after)
        else:
            keys, more = self._lists.page(DEAD_LETTERS, owner, limit, after[DEAD_LETTERS.sort] if after else None)
        # The index is eventually consistent. The records say which photos still have dead letters.
        found = self.get_many([_photo_in(key["pk"]) for key in keys])
        photos = [photo for photo in found if photo.dead_letter_at and not photo.deleted_or_expired]
        return photos, dead_letter_cursor(keys[-1]) if more else None

    def _scan(self, index: str, limit: int, after: dict[str, str] | None) -> tuple[list[dict[str, Any]], bool]:
        """The next keys of an index in no order, and whether there may be more."""
        query: dict[str, Any] = {"ExclusiveStartKey": after} if after else {}
        with aws_errors(f"reading the index {index}"):
            answer = self._dynamodb.scan(TableName=self._name, IndexName=index, Limit=limit, **query)
            return answer["Items"], "LastEvaluatedKey" in answer

    def get_many(self, ids: list[str]) -> list[PhotoRecord]:
        """The records with these ids that exist, in the order of the ids. Logs those that this release cannot read."""
        found = self.find(ids)
        for error in found.unreadable.values():  # one unreadable record must not hide the others
            log.warning("record.unreadable", detail=error.detail)
        return [found.photos[photo_id] for photo_id in ids if photo_id in found.photos]

    def find(self, ids: list[str]) -> FoundRecords:
        """The records with these ids, strongly consistent, and those that exist but that this release cannot read."""
        found = FoundRecords()
        for start in range(0, len(ids), BATCH_GET):
            wanted: Any = {
                self._name: {
                    "Keys": [key_of(photo_id) for photo_id in ids[start : start + BATCH_GET]],
                    "ConsistentRead": True,
                }
            }
            while wanted:  # DynamoDB may return a part, and name the rest in UnprocessedKeys
                with aws_errors("reading photos"):
                    answer = self._dynamodb.batch_get_item(RequestItems=wanted)
                for item in answer["Responses"].get(self._name, []):
                    photo_id = _photo_in(item["pk"])
                    try:
                        found.photos[photo_id] = photo_of(item)
                    except FutureRecord as error:
                        found.unreadable[photo_id] = error
                if wanted := answer.get("UnprocessedKeys"):
                    time.sleep(random.uniform(0.05, 0.2))  # noqa: S311 - jitter, not a secret
        return found

    def overdue(self, shards: Iterable[int] = range(SHARDS), page: int = 25) -> Iterator[str]:
        """The records in these shards whose time in the index has come: ids of photos, `assets#{owner}` for those of
        assets, and `batch#{id}` for those of batches. The records themselves say whether they are overdue.

        Pages of the shards come in turn, with the shards in random order.
        """
        return self._due_until(now(), shards, page)

    def unfinished(self, page: int = 5) -> Iterator[str]:
        """Ids of photos that have unfinished work, in an order that is random for the shards of the index."""
        due = self._due_until(now() + timedelta(days=365), range(SHARDS), page)
        return filter(is_photo, due)

    def _due_until(self, until: datetime, shards: Iterable[int], page: int) -> Iterator[str]:
        query: dict[str, Any] = {
            "TableName": self._name,
            "IndexName": "due",
            "KeyConditionExpression": "#shard = :shard AND due_at <= :until",
            "ExpressionAttributeNames": {"#shard": "shard"},
            "Limit": page,
        }
        at = seconds_of(until)
        order = list(shards)
        random.shuffle(order)
        starts: dict[int, dict[str, Any]] = {shard: {} for shard in order}
        while starts:
            for shard, start in list(starts.items()):
                with aws_errors("looking for overdue photos"):
                    answer = self._dynamodb.query(
                        **query, **start, ExpressionAttributeValues={":shard": shard, ":until": at}
                    )
                    due = [record_in(item["pk"]) for item in answer["Items"]]
                yield from due
                if last := answer.get("LastEvaluatedKey"):
                    starts[shard] = {"ExclusiveStartKey": last}
                else:
                    del starts[shard]

    def overdue_in_whole_index(self, most: int = WHOLE_INDEX) -> tuple[list[str], bool]:
        """As `overdue`, in one request. The second value is False if the index has more than `most` records: then the
        list has only a part of them."""
        with aws_errors("looking for overdue photos"):
            answer: Any = self._dynamodb.scan(TableName=self._name, IndexName="due", Limit=most)
            at = seconds_of(now())
            due = [record_in(item["pk"]) for item in answer["Items"] if item["due_at"] <= at]
        random.shuffle(due)  # a second worker that looks does not repair the same records in the same order
        return due, "LastEvaluatedKey" not in answer

    def oldest_in_index(self, count: int = 10) -> list[str]:
        """The ids of the oldest photos in the index `due`, of WHOLE_INDEX that one request reads. Ids sort by time."""
        with aws_errors("looking for the oldest photo"):
            answer: Any = self._dynamodb.scan(TableName=self._name, IndexName="due", Limit=WHOLE_INDEX)
        records = [record_in(item["pk"]) for item in answer["Items"]]
        return sorted(filter(is_photo, records))[:count]

    def postpone(self, record: str, until: datetime | None, version: int | None = None) -> None:
        """Set the time when the sweep looks at a record next; None: not before the record is written again.

        `record`: as `overdue` names it. The record itself stays unchanged, so this works for records that this release
        cannot read. `version`: do it only if the record still has this version; None: if no other process writes the
        record meanwhile.
        """
        if version is None:
            item = self._item(record)
            if item is None:
                return
            version = item["version"]
        values: dict[str, Any] = {":version": version}
        change: Any = {"UpdateExpression": "REMOVE #shard, due_at", "ExpressionAttributeNames": {"#shard": "shard"}}
        if until:
            values[":until"] = seconds_of(until)
            change = {"UpdateExpression": "SET due_at = :until"}
        written_meanwhile = self._dynamodb.exceptions.ConditionalCheckFailedException
        with aws_errors(f"postponing {record}"), contextlib.suppress(written_meanwhile):
            self._dynamodb.update_item(
                TableName=self._name,
                Key=key_of(record),
                ConditionExpression="version = :version AND attribute_exists(due_at)",
                ExpressionAttributeValues=values,
                **change,
            )

    def _read(self, photo_id: str) -> tuple[PhotoRecord, str]:
        """A record, and the id of the update that wrote it."""
        item = self._item(photo_id)
        if item is None:
            raise NotFound(f"there is no photo {photo_id}")
        return photo_of(item), str(item["write_id"])

    def _item(self, photo_id: str) -> dict[str, Any] | None:
        with aws_errors(f"reading photo {photo_id}"):
            answer = self._dynamodb.get_item(TableName=self._name, Key=key_of(photo_id), ConsistentRead=True)
        return answer.get("Item")

    def _put(self, photo: PhotoRecord, write_id: str, new: bool = False) -> bool:
        """Write a record and raise its version. False if it no longer has the version that was read or, if it is
        `new`, if there is one already."""
        item = item_of(photo) | {"version": photo.version + 1, "write_id": write_id}
        condition: dict[str, Any] = {"ConditionExpression": "attribute_not_exists(pk)"}
        if not new:
            values = {":version": photo.version}
            condition = {"ConditionExpression": "version = :version", "ExpressionAttributeValues": values}
        with aws_errors(f"writing photo {photo.id}"):
            try:
                self._dynamodb.put_item(TableName=self._name, Item=item, **condition)
            except self._dynamodb.exceptions.ConditionalCheckFailedException:
                return False
        note_written(photo, item)
        return True


def _photo_in(key: Any) -> str:
    """The photo's id at the end of a key of the table or of an index."""
    return str(key).rpartition("#")[2]
