"""Which worker looks for overdue photos where, so that more workers do not send more queries.

The table has one item pk = `sweep` that says when a worker last began to look at each place: at the whole index `due`,
or at a group of its shards. A worker looks at a place only if that was half a sweep interval ago or longer, and writes
the new time first. So a single worker looks each time it sweeps, and any number of workers together look at a place at
most twice in an interval. If a worker needs longer than that, another worker looks there too: the more there is to
repair, the more workers help.

While the index is small, one request reads all of it. The item says whether the index is large; then workers share the
groups. Only the queries do not depend on the number of workers: each worker reads the item each time it sweeps.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from darkroom.aws.clients import Clients
from darkroom.aws.failures import aws_errors
from darkroom.aws.items import SHARDS, seconds_of
from darkroom.record.clock import now
from darkroom.settings import Settings

GROUPS = 8
"""Each group costs a write when its turn comes."""

WHOLE = "whole"
"""The turn to look at the whole index."""

KEY = {"pk": "sweep"}


class SweepTurns:
    def __init__(self, settings: Settings, clients: Clients) -> None:
        self._name = settings.table
        self._dynamodb = clients.dynamodb
        self._shortest = Decimal(settings.sweep_interval) / 2
        self._item: dict[str, Any] = {}

    def take_whole(self) -> bool:
        """Whether it is this worker's turn to look at the whole index. Begins a sweep. Raises Unavailable."""
        with aws_errors("reading when the sweep last looked"):
            self._item = self._dynamodb.get_item(TableName=self._name, Key=KEY).get("Item", {})
        return self._take(WHOLE)

    def note_size(self, large: bool) -> None:
        """Tell the other workers whether the index is too large for one request. Raises Unavailable."""
        if large == self.large:
            return
        with aws_errors("noting the size of the index due"):
            self._dynamodb.update_item(
                TableName=self._name,
                Key=KEY,
                UpdateExpression="SET large_index = :large",
                ExpressionAttributeValues={":large": large},
            )
        self._item["large_index"] = large

    @property
    def large(self) -> bool:
        """Whether the index was too large for one request when a worker last looked."""
        return bool(self._item.get("large_index"))

    def take_groups(self) -> Iterator[range]:
        """Take the groups whose turn it is, one after the other: the shards of each. Raises Unavailable."""
        for group in random.sample(range(GROUPS), GROUPS):
            if self._take(f"group_{group}"):
                yield range(group, SHARDS, GROUPS)

    def _take(self, place: str) -> bool:
        """False if another worker has begun to look there less than half an interval ago."""
        at, before = seconds_of(now()), self._item.get(place)
        # A time in the future comes from a clock that is wrong: it must not stop the sweep.
        if before is not None and at - self._shortest < before <= at:
            return False
        same = "#place = :before" if before is not None else "attribute_not_exists(#place)"
        values = {":at": at} if before is None else {":at": at, ":before": before}
        with aws_errors("taking a turn of the sweep"):
            try:
                self._dynamodb.update_item(
                    TableName=self._name,
                    Key=KEY,
                    UpdateExpression="SET #place = :at",
                    ConditionExpression=same,
                    ExpressionAttributeNames={"#place": place},
                    ExpressionAttributeValues=values,
                )
            except self._dynamodb.exceptions.ConditionalCheckFailedException:
                return False  # another worker was faster
        return True
