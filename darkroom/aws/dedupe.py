"""`dedupe=true`: the same bytes and the same jobs of one owner make one photo.

Beside the photo's record stands an item of its own, pk = `dedupe#{owner}#{hash}`, that names it. Both are written in
one transaction: of two uploads at once one makes the photo and the other finds it, and an API that dies leaves both
or none. Each further upload looks whether the photo named is still of use; if not, its own takes the place. The item
goes when its photo is deleted, or expires with it.
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
from darkroom.aws.items import TTL_MARGIN
from darkroom.aws.table import Table
from darkroom.jobs.job_types import Job
from darkroom.record.photo import PhotoRecord
from darkroom.settings import Settings

UNUSABLE = ("failed", "cancelled", "expired", "deleted")
"""Photos that a new upload does not want instead of its own."""


class Dedupe:
    def __init__(self, settings: Settings, clients: Clients, table: Table) -> None:
        self._name = settings.table
        self._dynamodb = clients.dynamodb
        self._table = table

    def create(self, photo: PhotoRecord) -> PhotoRecord:
        """Write a new record, unless its owner has such a photo. Returns the one that is there then."""
        photo.dedupe_key = pk = _pk(photo)
        for tries in itertools.count():
            named = self._named(pk)
            found = self._table.get(named) if named else None
            if found and (found.id == photo.id or found.status not in UNUSABLE):
                return found
            if self._write(photo, pk, named):
                photo.version += 1
                return photo
            if found := self._table.get(photo.id):  # made under the same Idempotency-Key meanwhile
                return found
            time.sleep(random.uniform(0, min(1.0, 0.01 * 2**tries)))  # noqa: S311 - jitter, not a secret
        raise AssertionError("unreachable")

    def forget(self, photo: PhotoRecord) -> None:
        """Remove the item that names a deleted photo, unless it names another one by now."""
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
        """Write record and item, if the item still names whom it named. False if it does not, or somebody is at it."""
        item: dict[str, Any] = {"pk": pk, "photo_id": photo.id}
        if photo.expires_at:
            item["ttl"] = int((photo.expires_at + TTL_MARGIN).timestamp())
        naming: dict[str, Any] = {"TableName": self._name, "Item": item}
        if before:
            naming |= {"ConditionExpression": "photo_id = :before", "ExpressionAttributeValues": {":before": before}}
        else:
            naming["ConditionExpression"] = "attribute_not_exists(pk)"
        with aws_errors(f"writing photo {photo.id}"):
            try:
                self._dynamodb.transact_write_items(
                    TransactItems=[
                        {
                            "Put": {
                                "TableName": self._name,
                                "Item": self._table.new_item(photo),
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
                raise  # throttled, say
        return True


def _pk(photo: PhotoRecord) -> str:
    return f"dedupe#{photo.owner}#{_hash(photo)}"


def _hash(photo: PhotoRecord) -> str:
    """Of the photo's bytes and of its jobs, whichever way these were asked for: each default is spelt out."""
    jobs: Iterable[Job] = (job.spec for job in photo.jobs.values())
    specs = [spec.model_dump(mode="json") for spec in jobs]
    bytes_ = photo.original.sha256 if photo.original else ""
    return hashlib.sha256(json.dumps([bytes_, specs], sort_keys=True).encode()).hexdigest()
