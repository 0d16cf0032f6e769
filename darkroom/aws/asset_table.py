"""The assets of owners in DynamoDB: one item for each owner that has any, pk = `assets#{owner}`.

Like a photo's record, each write is a compare-and-swap on `version`. The item is in the index `due` while objects have
to be removed, so that the sweep finds it.
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
from darkroom.aws.items import ASSETS, SHARDS, key_of, seconds_of
from darkroom.aws.packing import pack, unpack
from darkroom.errors import FutureRecord
from darkroom.record.owner_assets import OwnerAssets
from darkroom.settings import Settings

T = TypeVar("T")


class AssetTable:
    def __init__(self, settings: Settings, clients: Clients) -> None:
        self._name = settings.table
        self._dynamodb = clients.dynamodb

    def get(self, owner: str) -> OwnerAssets:
        """The assets of an owner, read strongly consistent. Raises FutureRecord when a newer release wrote them."""
        return self._read(owner)[0]

    def update(self, owner: str, change: Callable[[OwnerAssets], T]) -> tuple[OwnerAssets, T]:
        """Apply a change to the assets of an owner and write them (`Table.update`)."""
        return compare_and_swap(partial(self._read, owner), self._put, change)

    def _read(self, owner: str) -> tuple[OwnerAssets, str]:
        """The assets of an owner, and the id of the update that wrote them."""
        with aws_errors(f"reading the assets of {owner}"):
            answer: Any = self._dynamodb.get_item(TableName=self._name, Key=_key_of(owner), ConsistentRead=True)
        item = answer.get("Item")
        if item is None:
            return OwnerAssets(owner=owner), ""
        try:
            assets = OwnerAssets.model_validate_json(unpack(item["record"]))
        except (ValidationError, KeyError, TypeError, zlib.error) as error:
            raise FutureRecord(f"the record {item['pk']} was written by a newer release") from error
        assets.version = int(item["version"])
        return assets, str(item["write_id"])

    def _put(self, assets: OwnerAssets, write_id: str) -> bool:
        """Write the assets if they still have the version that was read, and raise it. False if they do not."""
        item: dict[str, Any] = _key_of(assets.owner) | {
            "record": pack(assets.model_dump_json(exclude_defaults=True).encode()),
            "version": assets.version + 1,
            "write_id": write_id,
        }
        if assets.due_at:
            shard = zlib.crc32(assets.owner.encode()) % SHARDS
            item |= {"shard": shard, "due_at": seconds_of(assets.due_at)}
        condition: dict[str, Any] = {"ConditionExpression": "attribute_not_exists(pk)"}
        if assets.version:
            values = {":version": assets.version}
            condition = {"ConditionExpression": "version = :version", "ExpressionAttributeValues": values}
        with aws_errors(f"writing the assets of {assets.owner}"):
            try:
                self._dynamodb.put_item(TableName=self._name, Item=item, **condition)
            except self._dynamodb.exceptions.ConditionalCheckFailedException:
                return False
        assets.version += 1
        return True


def _key_of(owner: str) -> dict[str, str]:
    return key_of(f"{ASSETS}{owner}")
