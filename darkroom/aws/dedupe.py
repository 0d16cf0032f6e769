"""`dedupe=true`: uploads of one owner with the same bytes and the same jobs make one photo.

Beside the photo's record, the table has an item with pk = `dedupe#{owner}#{hash}` that holds the photo's id. One
transaction writes both. So of two uploads at the same time one makes the photo and the other finds it, and an API
process that dies leaves both items or none. A later upload looks at the photo with this id; if it is failed, cancelled,
expired or deleted, the new photo takes its place. The item is removed when its photo is deleted, and expires with it.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import random
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, cast

from darkroom.aws.clients import Clients
from darkroom.aws.failures import aws_errors
from darkroom.aws.items import TTL_MARGIN, note_written
from darkroom.aws.table import Table
from darkroom.jobs.job_types import Job
from darkroom.record.photo import PhotoRecord
from darkroom.settings import Settings

UNUSABLE = ("failed", "cancelled", "expired", "deleted")
"""A photo with such a status cannot stand for a new upload."""


class Dedupe:
    def __init__(self, settings: Settings, clients: Clients, table: Table) -> None:
        self._name = settings.table
        self._dynamodb = clients.dynamodb
        self._table = table

    def create(self, photo: PhotoRecord) -> PhotoRecord:
        """Write a new record, unless its owner has the same photo already. Returns the record that exists then."""
        photo.dedupe_key = pk = _pk(photo)
        for tries in itertools.count():
            named = self._named(pk)
            found = self._table.get(named) if named else None
            if found and (found.id == photo.id or found.status not in UNUSABLE):
                return found
            if self._write(photo, pk, named):
                return photo
            if found := self._table.get(photo.id):  # another request with the same Idempotency-Key made it
                return found
            time.sleep(random.uniform(0, min(1.0, 0.01 * 2**tries)))  # noqa: S311 - jitter, not a secret
        raise AssertionError("unreachable")

    def forget(self, photo: PhotoRecord) -> None:
        """Remove the item of a deleted photo, unless it holds another photo's id by now."""
        if photo.dedupe_key is None:
            return
        with (
            aws_errors(f"forgetting photo {photo.id}"),
            suppress(self._dynamodb.exceptions.ConditionalCheckFailedException),
        ):
            self._dynamodb.delete_item(
                TableName=self._name,
                Key={"pk": photo.dedupe_key},
                ConditionExpression="attribute_not_exists(pk) OR photo_id = :photo",
                ExpressionAttributeValues={":photo": photo.id},
            )

    def _named(self, pk: str) -> str | None:
        with aws_errors("looking for the same photo"):
            item = self._dynamodb.get_item(TableName=self._name, Key={"pk": pk}, ConsistentRead=True).get("Item")
        return str(item["photo_id"]) if item else None

    def _write(self, photo: PhotoRecord, pk: str, before: str | None) -> bool:
        """Write record and item. False if the item no longer holds `before`, or another process is writing it."""
        item: dict[str, Any] = {"pk": pk, "photo_id": photo.id}
        if photo.expires_at:
            item["ttl"] = int((photo.expires_at + TTL_MARGIN).timestamp())
        naming: dict[str, Any] = {"TableName": self._name, "Item": item}
        if before:
            naming |= {"ConditionExpression": "photo_id = :before", "ExpressionAttributeValues": {":before": before}}
        else:
            naming["ConditionExpression"] = "attribute_not_exists(pk)"
        record = self._table.new_item(photo)
        with aws_errors(f"writing photo {photo.id}"):
            try:
                self._dynamodb.transact_write_items(
                    TransactItems=[
                        {
                            "Put": {
                                "TableName": self._name,
                                "Item": record,
                                "ConditionExpression": "attribute_not_exists(pk)",
                            }
                        },
                        {"Put": cast(Any, naming)},
                    ]
                )
            except self._dynamodb.exceptions.TransactionCanceledException as error:
                reasons = {reason.get("Code") for reason in error.response.get("CancellationReasons", [])}
                if reasons & {"ConditionalCheckFailed", "TransactionConflict"}:
                    return False
                raise  # such as throttling
        note_written(photo, record)
        return True


def _pk(photo: PhotoRecord) -> str:
    return f"dedupe#{photo.owner}#{_hash(photo)}"


def _hash(photo: PhotoRecord) -> str:
    """A hash of the photo's bytes and its jobs. Jobs count with all their defaults, however the request wrote them."""
    jobs: Iterable[Job] = (job.spec for job in photo.jobs.values())
    specs = [spec.model_dump(mode="json") for spec in jobs]
    bytes_ = photo.original.sha256 if photo.original else ""
    return hashlib.sha256(json.dumps([bytes_, specs], sort_keys=True).encode()).hexdigest()
