"""Batches in the table: an item with pk = `batch#{id}` for each request that uploads several photos.

The photos that have ended are a set in it, to which every worker adds the ones that it ends, each once. The worker that
adds the last one sees the set complete, and sends the event of the batch.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from darkroom.aws.clients import Clients
from darkroom.aws.failures import aws_errors
from darkroom.record.photo_batch import Batch
from darkroom.settings import Settings


class BatchTable:
    def __init__(self, settings: Settings, clients: Clients) -> None:
        self._name = settings.table
        self._dynamodb = clients.dynamodb

    def create(self, batch: Batch, until: datetime | None) -> None:
        """Write a new batch. Keeps the one of an earlier try. `until`: when the item may be removed."""
        item: dict[str, Any] = {
            "pk": _pk(batch.id),
            "owner_name": batch.owner,
            "created_at": batch.created_at.isoformat(),
            "photos": batch.photos,
        }
        if batch.upload_token:
            item["upload_token"] = batch.upload_token
        if until:
            item["ttl"] = int(until.timestamp())
        with aws_errors(f"writing batch {batch.id}"):
            try:
                self._dynamodb.put_item(TableName=self._name, Item=item, ConditionExpression="attribute_not_exists(pk)")
            except self._dynamodb.exceptions.ConditionalCheckFailedException:
                return

    def get(self, batch_id: str) -> Batch | None:
        with aws_errors(f"reading batch {batch_id}"):
            answer: Any = self._dynamodb.get_item(TableName=self._name, Key={"pk": _pk(batch_id)}, ConsistentRead=True)
        return _batch(batch_id, answer["Item"]) if "Item" in answer else None

    def end_photo(self, batch_id: str, photo_id: str) -> Batch | None:
        """Note that a photo has ended. Returns the batch as it is then, or None if there is no such batch any more."""
        return self._add(batch_id, "ended", [photo_id])

    def remove_photos(self, batch_id: str, photo_ids: Iterable[str]) -> Batch | None:
        """Note that photos were not accepted, or were deleted: the batch does not wait for them."""
        return self._add(batch_id, "gone", photo_ids)

    def _add(self, batch_id: str, to: str, photo_ids: Iterable[str]) -> Batch | None:
        with aws_errors(f"writing batch {batch_id}"):
            try:
                answer: Any = self._dynamodb.update_item(
                    TableName=self._name,
                    Key={"pk": _pk(batch_id)},
                    UpdateExpression="ADD #to :photos",
                    ConditionExpression="attribute_exists(pk)",
                    ExpressionAttributeNames={"#to": to},
                    ExpressionAttributeValues={":photos": set(photo_ids)},
                    ReturnValues="ALL_NEW",
                )
            except self._dynamodb.exceptions.ConditionalCheckFailedException:
                return None
        return _batch(batch_id, answer["Attributes"])


def _batch(batch_id: str, item: Any) -> Batch:
    return Batch(
        id=batch_id,
        owner=item["owner_name"],
        created_at=datetime.fromisoformat(item["created_at"]),
        photos=item["photos"],
        ended=set(item.get("ended", ())),
        left=set(item.get("gone", ())),
        upload_token=item.get("upload_token"),
    )


def _pk(batch_id: str) -> str:
    return f"batch#{batch_id}"
