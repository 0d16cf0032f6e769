"""`?wait=`: how many requests may wait for photos and jobs at the same time, and how they wait.

A waiting request holds a thread. Only a share of the threads may wait, so that threads stay free for uploads and health
checks.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol, TypeVar

FIRST_PAUSE = 0.05
"""Seconds between the first two reads of a photo; later pauses grow."""

LONGEST_PAUSE = 1.0


class Unfinished(Protocol):
    """A photo or a job."""

    @property
    def unfinished(self) -> bool: ...


T = TypeVar("T", bound=Unfinished)


class Waits:
    def __init__(self, threads: int, share: float) -> None:
        # At least one thread stays free, whatever the share is.
        self.limit = min(int(threads * share), threads - 1)
        self._places = threading.BoundedSemaphore(self.limit) if self.limit else None
        self.stopping: Callable[[], bool] = lambda: False
        """Whether the server is shutting down: then every wait ends at once."""

    def until_ended(
        self, read: Callable[[], T], seconds: float, sleep: Callable[[float], None] = time.sleep
    ) -> tuple[T, bool]:
        """Read a photo or a job until it has ended or the time is over.

        Returns it as last read, and False when too many requests are waiting already, so this one did not.
        """
        found = read()
        if not found.unfinished or seconds <= 0:
            return found, True
        if self._places is None or not self._places.acquire(blocking=False):
            return found, False
        try:
            deadline, pause = time.monotonic() + seconds, FIRST_PAUSE
            while found.unfinished and not self.stopping():
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                sleep(min(pause, left))
                pause = min(pause * 1.5, LONGEST_PAUSE)
                found = read()
            return found, True
        finally:
            self._places.release()
