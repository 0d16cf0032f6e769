"""How long a caller may take to send or to read something, and how far it has come."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

GRACE = 3.0
"""Seconds at the start of a transfer in which its speed says nothing: the caller may be far away."""


@dataclass(frozen=True)
class TimeLimit:
    seconds: float
    """For all of it, at any size."""

    pause: float
    """Seconds for which no byte may move."""

    rate: float = 0
    """Bytes per second. Each byte that has moved adds 1 / rate seconds to `seconds`; 0 adds nothing."""

    def __str__(self) -> str:
        more = f"and 1 second for each {self.rate:,.0f} bytes, " if self.rate else ""
        return f"{self.seconds:g} seconds in all, {more}with no pause of more than {self.pause:g} seconds"


class Progress:
    """Measures a transfer from now on against a limit."""

    def __init__(self, limit: TimeLimit) -> None:
        self.limit = limit
        self.begun = self._last_moved = time.monotonic()
        self.moved = 0
        """Bytes."""

    def add(self, size: int) -> None:
        """Count `size` bytes that have moved now."""
        if size:
            self.moved += size
            self._last_moved = time.monotonic()

    @property
    def expires(self) -> float:
        """Monotonic time at which the transfer has taken too long, if no other byte moves."""
        more = self.moved / self.limit.rate if self.limit.rate else 0
        return min(self.begun + self.limit.seconds + more, self._last_moved + self.limit.pause)

    @property
    def speed(self) -> float:
        """Bytes per second so far. Infinite at the start, when nothing can be called slow."""
        elapsed = time.monotonic() - self.begun
        return self.moved / elapsed if elapsed > GRACE else math.inf
