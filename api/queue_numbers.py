"""How much work waits, how old it is, and how fast the workers are, as a process has counted it last."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from darkroom.aws.table import Table
from darkroom.backlog import backlog
from darkroom.record.clock import now
from darkroom.services import Services

FRESH = 5.0
"""Seconds for which a process answers with the numbers that it has: pages ask often, and each count costs requests."""


@dataclass(frozen=True)
class QueueNumbers:
    """The numbers of all owners together. The fields of `api.routes.work_queue.QueueView` say what they are."""

    waiting: int
    in_flight: int
    delayed: int
    oldest_seconds: float | None
    per_minute: float
    backlog_seconds: float | None
    workers: int
    at: datetime


class QueueCounter:
    """Counts at most every FRESH seconds. `count` asks AWS, and may take long."""

    def __init__(self, count: Callable[[], QueueNumbers]) -> None:
        self._count = count
        self._lock = threading.Lock()
        self._last: QueueNumbers | None = None
        self._fresh_until = 0.0
        self._counting = False

    def numbers(self) -> QueueNumbers:
        """The last numbers, or new ones. Raises Unavailable.

        While one request counts, the others get the last numbers: they do not wait for AWS. Before there are any, each
        request counts.
        """
        with self._lock:
            if self._last and (self._counting or time.monotonic() < self._fresh_until):
                return self._last
            self._counting = True
        try:
            counted = self._count()
            with self._lock:
                self._last, self._fresh_until = counted, time.monotonic() + FRESH
            return counted
        finally:
            with self._lock:
                self._counting = False


def count_queue(services: Services) -> QueueNumbers:
    """Raises Unavailable."""
    depths = [services.photos.depth(), services.ingest.depth()]
    activity = services.workers.activity()
    at = now()
    return QueueNumbers(
        waiting=sum(depth.visible for depth in depths),
        in_flight=sum(depth.in_flight for depth in depths),
        delayed=sum(depth.delayed for depth in depths),
        oldest_seconds=_age_of_oldest(services.table, at),
        per_minute=activity.per_minute,
        backlog_seconds=backlog(services.table, depths).seconds,
        workers=activity.workers,
        at=at,
    )


def _age_of_oldest(table: Table, at: datetime) -> float | None:
    """The time stands in the first 48 bits of a photo's id, which is a UUIDv7."""
    for photo_id in table.oldest_in_index():
        photo = table.get(photo_id)
        if photo and photo.status == "processing":
            return max(0.0, round(at.timestamp() - (UUID(photo_id).int >> 80) / 1000, 1))
    return None
