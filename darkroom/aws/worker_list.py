"""Which workers are alive, and how many orders they end a minute.

Each worker writes an item at its start and then once a minute: pk = `worker#{minute}#{worker}#{orders}`, with how many
orders it has ended since the item before. All items are in one list of the index `by_owner`, sorted by their minute, so
one query finds the latest ones. DynamoDB removes them by their TTL.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from darkroom.aws.clients import Clients
from darkroom.aws.failures import aws_errors
from darkroom.aws.owner_lists import PHOTOS
from darkroom.settings import Settings

LIST = "#workers"
"""The list's key. Names of owners contain no #."""

MINUTE = 60
ALIVE = 2
"""Minutes after its latest item for which a worker counts as alive."""

KEPT = 3600
"""Seconds until an item may be removed."""


@dataclass(frozen=True)
class Activity:
    """`workers`: how many are alive. `per_minute`: the orders that they have ended in a minute, on average."""

    workers: int
    per_minute: float

    @classmethod
    def of(cls, keys: Iterable[str]) -> Activity:
        """The activity that the keys of the latest items state. A worker's first item has no order."""
        ended: dict[str, list[int]] = defaultdict(list)
        for key in keys:
            _, _, worker, orders = key.split("#")
            ended[worker].append(int(orders))
        return cls(len(ended), round(sum(fmean(counts) for counts in ended.values()), 1))


class WorkerList:
    def __init__(self, settings: Settings, clients: Clients) -> None:
        self._name = settings.table
        self._dynamodb = clients.dynamodb

    def note(self, worker: str, orders: int) -> None:
        """A worker is alive, and has ended so many orders since it was noted last. Raises Unavailable."""
        at = int(time.time())
        with aws_errors("noting that the worker is alive"):
            self._dynamodb.update_item(
                TableName=self._name,
                Key={"pk": f"{_minute(at)}#{worker}#{orders}"},
                UpdateExpression="SET #list = :list, #ttl = :ttl",
                ExpressionAttributeNames={"#list": PHOTOS.part, "#ttl": "ttl"},
                ExpressionAttributeValues={":list": LIST, ":ttl": at + KEPT},
            )

    def activity(self) -> Activity:
        """The workers of the last minutes. Raises Unavailable."""
        query: dict[str, Any] = {
            "TableName": self._name,
            "IndexName": PHOTOS.index,
            "KeyConditionExpression": "#list = :list AND pk > :since",
            "ExpressionAttributeNames": {"#list": PHOTOS.part},
            "ExpressionAttributeValues": {":list": LIST, ":since": _minute(int(time.time()) - ALIVE * MINUTE)},
        }
        keys: list[str] = []
        with aws_errors("looking for workers"):
            while True:
                answer: Any = self._dynamodb.query(**query)
                keys += [str(item["pk"]) for item in answer["Items"]]
                if "LastEvaluatedKey" not in answer:
                    return Activity.of(keys)
                query["ExclusiveStartKey"] = answer["LastEvaluatedKey"]


def _minute(at: int) -> str:
    return f"worker#{at // MINUTE:09d}"
