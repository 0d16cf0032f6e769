"""The backlog in seconds of work: how many orders wait, times what an order costs on average.

SQS only counts messages, and to receive a message hides it from the workers. So the mean cost comes from a sample of
records of unfinished photos, found through the index `due`, whose shards are read in random order. Some of these orders
may be in progress already; they have the same mean cost.
"""

from __future__ import annotations

import contextlib
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from darkroom.aws.queue import Depth
from darkroom.aws.table import Table
from darkroom.errors import FutureRecord
from darkroom.record.messages import OrderMessage
from darkroom.record.photo import PhotoRecord

SAMPLE = 40
"""Photos. If the standard deviation of their costs is as large as the mean, the mean is known to 16 percent."""


@dataclass(frozen=True)
class Backlog:
    """Orders that wait for a worker. Costs are seconds of one reference core (darkroom/cost.py).

    `orders`: SQS's approximate count of messages that wait. `sampled`: how many orders the mean cost comes from.
    `mean_cost` and `seconds` are None if orders wait and none was found to sample. `error`: the standard error of
    `mean_cost` as a share of it; None for a sample of less than two orders.
    """

    orders: int
    sampled: int
    mean_cost: float | None
    seconds: float | None
    error: float | None

    @classmethod
    def of(cls, orders: int, costs: Sequence[float]) -> Backlog:
        mean = statistics.fmean(costs) if costs else None
        seconds = orders * mean if mean is not None else (None if orders else 0.0)
        error = statistics.stdev(costs) / len(costs) ** 0.5 / mean if mean and len(costs) > 1 else None
        return cls(orders, len(costs), mean, seconds, error)


def backlog(table: Table, depths: Sequence[Depth]) -> Backlog:
    """The backlog of the queues whose messages are orders, or will be: files that wait to become photos.

    Reads up to SAMPLE records, and queries shards of the index until these are found. Raises Unavailable.
    """
    orders = sum(depth.visible + depth.delayed for depth in depths)
    return Backlog.of(orders, _sampled_costs(table) if orders else [])


def _sampled_costs(table: Table) -> list[float]:
    costs: list[float] = []
    for photo_id in islice(table.unfinished(), SAMPLE):
        with contextlib.suppress(FutureRecord):  # a newer release wrote it
            costs += _costs_of(table.get(photo_id))
    return costs


def _costs_of(photo: PhotoRecord | None) -> list[float]:
    """The cost of each unfinished order of a photo whose file has arrived."""
    if photo is None or photo.original is None or photo.deleted_or_expired:
        return []
    return [OrderMessage.of(photo, order.id).cost for order in photo.orders.values() if order.unfinished_jobs]
