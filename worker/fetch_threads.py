"""The threads of a worker that fetch photos by URL. They mostly wait, and hold up no photo whose file has arrived.

The messages that find no free thread go back to the queue with a delay, so that they come again one by one, about as
fast as the fetches end. A thread starts when a message needs it, and stays.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from math import ceil

from darkroom.record.messages import LONGEST_DELAY
from worker.inbox import Inbox
from worker.lease import Lease


class FetchThreads:
    """`most`: how many threads. `make`: makes a thread by its name; it takes messages from `inbox`."""

    def __init__(self, most: int, make: Callable[[str], threading.Thread]) -> None:
        self.inbox = Inbox()
        self.threads: list[threading.Thread] = []
        self._most = most
        self._make = make
        self._took = 1.0
        self._next_turn = 0.0

    @property
    def free(self) -> int:
        """How many more messages can be fetched at once."""
        return max(0, self._most - self.inbox.count)

    def put(self, leases: list[Lease]) -> bool:
        """Fetch these, at most as many as are `free`. False if the worker began to stop: then the caller keeps them."""
        while len(self.threads) < min(self._most, self.inbox.count + len(leases)):
            self.threads.append(self._make(f"fetch-{len(self.threads)}"))
            self.threads[-1].start()
        return self.inbox.put(*leases)

    def delay(self) -> int:
        """Seconds after which a message that found no free thread comes again."""
        at = time.monotonic()
        self._next_turn = max(self._next_turn, at) + self._took / self._most
        return min(max(1, ceil(self._next_turn - at)), LONGEST_DELAY)

    def note_time(self, seconds: float) -> None:
        """A fetch took so long."""
        self._took = seconds
