"""Batches in DynamoDB: one item for each request that uploads several photos, pk = `batch#{id}`.

Like a photo's record, each write is a compare-and-swap on `version`. The item is in the index `due` while its photos
are unfinished or its event is not sent, so that the sweep finds it after a crash.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from pydantic import ValidationError

from darkroom.aws.clients import Clients
from darkroom.aws.compare_and_swap import compare_and_swap
from darkroom.aws.failures import aws_errors
from darkroom.aws.items import BATCHES, SHARDS, TTL_MARGIN, key_of, seconds_of
from darkroom.aws.packing import pack, unpack
from darkroom.errors import FutureRecord, NotFound
from darkroom.record.ids import new_id
from darkroom.record.photo_batch import Batch
from darkroom.settings import Settings

T = TypeVar("T")


class BatchTable:
    def __init__(self, settings: Settings, clients: Clients) -> None:
        self._name = settings.table
        self._dynamodb = clients.dynamodb

    def create(self, batch: Batch) -> bool:
        """Write a new batch. False if an earlier try of the same request has written it."""
        write_id = new_id()
        if self._put(batch, write_id):
            return True
        found = self._item(batch.id)
        # When the answer to our write is lost, the SDK sends it again, and that try finds our own item.
        if found and found["write_id"] == write_id:
            batch.version = int(found["version"])
            return True
        return False

    def get(self, batch_id: str) -> Batch | None:
        """Read a batch, strongly consistent; None when there is none, or it has expired.

        Raises FutureRecord when a newer release wrote it.
        """
        item = self._item(batch_id)
        batch = _batch_of(item) if item else None
        return None if batch is None or batch.deleted_or_expired else batch

    def update(self, batch_id: str, change: Callable[[Batch], T], known: Batch | None = None) -> tuple[Batch, T]:
        """Apply a change to a batch and write it (`Table.update`), also to one that has expired.

        Raises NotFound when there is no such batch, FutureRecord when a newer release wrote it.
        """
        return compare_and_swap(partial(self._read, batch_id), self._put, change, known)

    def _read(self, batch_id: str) -> tuple[Batch, str]:
        """A batch, and the id of the update that wrote it."""
        item = self._item(batch_id)
        if item is None:
            raise NotFound(f"there is no batch {batch_id}")
        return _batch_of(item), str(item["write_id"])

    def _item(self, batch_id: str) -> Any:
        """The item of a batch; None when there is none."""
        with aws_errors(f"reading batch {batch_id}"):
            answer: Any = self._dynamodb.get_item(TableName=self._name, Key=_key_of(batch_id), ConsistentRead=True)
        return answer.get("Item")

    def _put(self, batch: Batch, write_id: str) -> bool:
        """Write a batch if it still has the version that was read, and raise it. False if it does not."""
        item: dict[str, Any] = _key_of(batch.id) | {
            "record": pack(batch.model_dump_json(exclude_defaults=True).encode()),
            "version": batch.version + 1,
            "write_id": write_id,
        }
        if batch.due_at:
            item |= {"shard": zlib.crc32(batch.id.encode()) % SHARDS, "due_at": seconds_of(batch.due_at)}
        if batch.expires_at:
            item["ttl"] = int((batch.expires_at + TTL_MARGIN).timestamp())
        condition: dict[str, Any] = {"ConditionExpression": "attribute_not_exists(pk)"}
        if batch.version:
            values = {":version": batch.version}
            condition = {"ConditionExpression": "version = :version", "ExpressionAttributeValues": values}
        with aws_errors(f"writing batch {batch.id}"):
            try:
                self._dynamodb.put_item(TableName=self._name, Item=item, **condition)
            except self._dynamodb.exceptions.ConditionalCheckFailedException:
                return False
        batch.version += 1
        return True


def _batch_of(item: dict[str, Any]) -> Batch:
    try:
        batch = Batch.model_validate_json(unpack(item["record"]))
    except (ValidationError, KeyError, TypeError, zlib.error) as error:
        raise FutureRecord(f"the record {item['pk']} was written by a newer release") from error
    batch.version = int(item["version"])
    return batch


def _key_of(batch_id: str) -> dict[str, str]:
    return key_of(f"{BATCHES}{batch_id}")
