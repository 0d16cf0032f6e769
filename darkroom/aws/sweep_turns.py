"""Which worker looks for overdue photos where, so that more workers do not send more queries.

The shards of the index `due` form groups. The table has one item pk = `sweep` that says when a worker last began to
look at each group. A worker takes a group only if that was half a sweep interval ago or longer, and writes the new time
first. So a single worker looks at every group each time it sweeps, and any number of workers together look at each
group at most twice in an interval. If a group takes a worker longer than that, another worker looks at it too: the more
there is to repair, the more workers help.
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

KEY = {"pk": "sweep"}


class SweepTurns:
    def __init__(self, settings: Settings, clients: Clients) -> None:
        self._name = settings.table
        self._dynamodb = clients.dynamodb
        self._shortest = Decimal(settings.sweep_interval) / 2

    def take(self) -> Iterator[range]:
        """Take the groups whose turn it is, one after the other: the shards of each. Raises Unavailable."""
        with aws_errors("reading when the sweep last looked"):
            begun = self._dynamodb.get_item(TableName=self._name, Key=KEY).get("Item", {})
        for group in random.sample(range(GROUPS), GROUPS):
            if self._take(group, begun.get(f"group_{group}")):
                yield range(group, SHARDS, GROUPS)

    def _take(self, group: int, before: Any) -> bool:
        """`before`: when a worker last began with this group; None: none did. False if it is not this group's turn."""
        at = seconds_of(now())
        # A time in the future comes from a clock that is wrong: it must not stop the sweep.
        if before is not None and at - self._shortest < before <= at:
            return False
        same = "#group = :before" if before is not None else "attribute_not_exists(#group)"
        values = {":at": at} if before is None else {":at": at, ":before": before}
        with aws_errors("taking a turn of the sweep"):
            try:
                self._dynamodb.update_item(
                    TableName=self._name,
                    Key=KEY,
                    UpdateExpression="SET #group = :at",
                    ConditionExpression=same,
                    ExpressionAttributeNames={"#group": f"group_{group}"},
                    ExpressionAttributeValues=values,
                )
            except self._dynamodb.exceptions.ConditionalCheckFailedException:
                return False  # another worker was faster
        return True
