"""A fair share of a worker's deliveries for each owner: slow receivers of one owner cannot occupy all of them."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from math import ceil

from darkroom.record.messages import LONGEST_DELAY

EACH = 4
"""Deliveries of one owner that may run at the same time."""


@dataclass
class _Share:
    """The deliveries of one owner. All times are seconds of one clock."""

    running: list[float] = field(default_factory=list)
    """When each running delivery began."""
    took: float = 0
    """How long the last finished delivery took."""
    next_turn: float = 0
    """When the next delivery that was put off may come back."""


class FairShare:
    """Counts the running deliveries of each owner, and forgets owners without any."""

    def __init__(self) -> None:
        self._shares: dict[str, _Share] = {}
        self._lock = threading.Lock()

    def take(self, owner: str, at: float) -> int:
        """0 if a delivery may begin; call `done` when it has ended. Otherwise the seconds by which to put it off.

        Deliveries that are put off come back one by one, as fast as the owner's running ones end.
        """
        with self._lock:
            share = self._shares.setdefault(owner, _Share())
            if len(share.running) < EACH:
                share.running.append(at)
                return 0
            pace = max(share.took, at - min(share.running)) / EACH
            share.next_turn = max(share.next_turn, at) + pace
            return min(max(1, ceil(share.next_turn - at)), LONGEST_DELAY)

    def done(self, owner: str, began: float, at: float) -> None:
        """End a delivery that began at `began`."""
        with self._lock:
            share = self._shares[owner]
            share.running.remove(began)
            share.took = at - began
            if not share.running:
                del self._shares[owner]
