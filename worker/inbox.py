"""Messages that wait, leased, for a free slot."""

from __future__ import annotations

import threading
from collections import deque

from worker.lease import Lease


class Inbox:
    """Hands leases to slots. `in_order`: never two of one group at a time, as a FIFO queue promises."""

    def __init__(self, in_order: bool) -> None:
        self._in_order = in_order
        self._waiting: deque[Lease] = deque()
        self._groups_in_work: set[str | None] = set()
        self._closed = False
        self._changed = threading.Condition()

    def put(self, lease: Lease) -> bool:
        """Let a message wait. False when the inbox is closed: the message is the caller's still."""
        with self._changed:
            if not self._closed:
                self._waiting.append(lease)
                self._changed.notify()
            return not self._closed

    def take(self) -> Lease | None:
        """The next message that may be worked on, as soon as there is one. None when the inbox is closed."""
        with self._changed:
            while not self._closed:
                for lease in self._waiting:
                    if not (self._in_order and lease.received.group in self._groups_in_work):
                        self._waiting.remove(lease)
                        self._groups_in_work.add(lease.received.group)
                        return lease
                self._changed.wait()
            return None

    def done(self, lease: Lease, settled: bool) -> list[Lease]:
        """A message is out of work. Unless it is `settled` for good, those that follow it in its group must not
        overtake it: they are taken out and returned, to be given back."""
        with self._changed:
            group = lease.received.group
            self._groups_in_work.discard(group)
            self._changed.notify_all()
            if settled or not self._in_order:
                return []
            return self._take_out([waiting for waiting in self._waiting if waiting.received.group == group])

    def close(self) -> list[Lease]:
        """Hand out nothing more; what waited is returned, to be given back."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            return self._take_out(list(self._waiting))

    def _take_out(self, leases: list[Lease]) -> list[Lease]:
        for lease in leases:
            self._waiting.remove(lease)
        return leases
