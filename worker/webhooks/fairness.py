"""Whose webhook is next: no owner's receivers hold all the places of a worker, however slow they are."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from math import ceil

from darkroom.record.messages import LONGEST_DELAY

EACH = 4
"""Deliveries of one owner that are under way at a time."""


@dataclass
class _Share:
    """What an owner has. All times in seconds, of one clock."""

    under_way: list[float] = field(default_factory=list)
    """When each began."""
    took: float = 0
    """The last one that ended."""
    next_turn: float = 0


class Turns:
    """Remembers nobody who has nothing under way."""

    def __init__(self) -> None:
        self._shares: dict[str, _Share] = {}
        self._lock = threading.Lock()

    def take(self, owner: str, at: float) -> int:
        """0 when a delivery may begin, which then has to be ended by `done`; else the seconds to put it off by.

        Those that wait come back one by one, at the pace at which the owner's places become free.
        """
        with self._lock:
            share = self._shares.setdefault(owner, _Share())
            if len(share.under_way) < EACH:
                share.under_way.append(at)
                return 0
            pace = max(share.took, at - min(share.under_way)) / EACH
            share.next_turn = max(share.next_turn, at) + pace
            return min(max(1, ceil(share.next_turn - at)), LONGEST_DELAY)

    def done(self, owner: str, began: float, at: float) -> None:
        """A delivery that began then has ended."""
        with self._lock:
            share = self._shares[owner]
            share.under_way.remove(began)
            share.took = at - began
            if not share.under_way:
                del self._shares[owner]
