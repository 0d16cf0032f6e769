"""How many messages a worker may receive: it holds seconds of work, not a number of messages."""

from __future__ import annotations

import threading
from collections import deque
from typing import Annotated

from pydantic import BaseModel, Field, ValidationError

from darkroom.aws.queue import BATCH, Received
from darkroom.record.messages import MAX_COST
from worker.lease import Stage

LEAST_COST = 0.02
"""Seconds. An order of a small photo takes so long, whatever its message says."""

REMEMBERED = 20
"""Messages whose mean cost says how many to receive next."""


class Stock:
    """The messages of one queue that a worker holds, with their estimated work.

    A worker with `children` child processes may hold `seconds` of work for each of them, beside the orders that are in
    the children. It always may hold one message for each idle child and, if `seconds` is not 0, one more for each.
    """

    def __init__(self, children: int, seconds: float) -> None:
        self._children = children
        self._seconds = seconds * children
        self._held: dict[str, tuple[Stage, float]] = {}
        # While no message is known, expect large ones, so that the first receive does not take too much work.
        self._expected = max(seconds, LEAST_COST)
        self._recent: deque[float] = deque(maxlen=REMEMBERED)
        self._changed = threading.Condition()

    def add(self, received: Received) -> None:
        """A message was received."""
        with self._changed:
            cost = _cost(received.body)
            if cost is None:
                cost = self._mean
            else:
                self._recent.append(cost)
            self._held[received.receipt_handle] = ("waiting", cost)

    def set_stage(self, handle: str, stage: Stage) -> None:
        """The work on a message has begun in a child, or has ended there."""
        with self._changed:
            if handle in self._held:
                self._held[handle] = (stage, self._held[handle][1])
                self._notify()

    def remove(self, handle: str) -> None:
        """The worker does not hold a message any more."""
        with self._changed:
            if self._held.pop(handle, None):
                self._notify()

    def wait_for_room(self, timeout: float) -> int:
        """Wait until messages can be received, at most `timeout` seconds. Returns how many; it may be 0."""
        with self._changed:
            self._changed.wait_for(lambda: self._room() > 0, timeout)
            return self._room()

    def _notify(self) -> None:
        if self._room():
            self._changed.notify_all()

    def _room(self) -> int:
        """A receive costs the same for one message as for ten. So there is no room until there is room for ten, or less
        than half of the work is left, or a child is idle."""
        waiting = [cost for stage, cost in self._held.values() if stage == "waiting"]
        in_children = sum(stage == "in a child" for stage, _ in self._held.values())
        idle = self._children - in_children - len(waiting)
        ahead = idle + self._children if self._seconds else idle
        room = max(ahead, int((self._seconds - sum(waiting)) / self._mean), 0)
        return room if room >= BATCH or idle > 0 or sum(waiting) <= self._seconds / 2 else 0

    @property
    def _mean(self) -> float:
        return sum(self._recent) / len(self._recent) if self._recent else self._expected


class _Estimate(BaseModel):
    cost: Annotated[float, Field(gt=0, le=MAX_COST, allow_inf_nan=False)]


def _cost(body: str) -> float | None:
    """The estimate in a message, at least LEAST_COST. None if it has none, like notifications of S3, or a false one."""
    try:
        return max(_Estimate.model_validate_json(body).cost, LEAST_COST)
    except ValidationError:
        return None
