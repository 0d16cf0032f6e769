"""Messages that wait for a free slot. The worker holds a lease for each of them."""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict, deque

from worker.lease import Lease

OWNERS_REMEMBERED = 1000


class Inbox:
    """Hands messages to slots fairly: next is the owner with the fewest messages in progress; among equals, the owner
    whose last turn is longest ago. The message group is the owner; messages from S3 have no group and count as one.

    Of each group of a FIFO queue only one message is in progress at a time, as SQS promises. Messages of the same owner
    from other queues do not matter for that.
    """

    def __init__(self) -> None:
        self._waiting: deque[Lease] = deque()
        self._in_progress: Counter[str | None] = Counter()
        self._groups_in_progress: set[str | None] = set()
        self._turns = 0
        self._last_turn: OrderedDict[str | None, int] = OrderedDict()
        self._closed = False
        self._changed = threading.Condition()

    def put(self, *leases: Lease) -> bool:
        """Let messages wait. False if the inbox is closed: then the caller keeps them.

        Put all messages of one receive together. Otherwise the first of a FIFO group could fail before the others are
        here, and they would overtake it.
        """
        with self._changed:
            if not self._closed:
                self._waiting.extend(leases)
                self._changed.notify(len(leases))
            return not self._closed

    def take(self) -> Lease | None:
        """Wait for the next message that a slot may handle. None if the inbox is closed."""
        with self._changed:
            while not self._closed:
                held = self._groups_in_progress
                eligible = [lease for lease in self._waiting if not (lease.queue.fifo and _owner(lease) in held)]
                if eligible:
                    lease = min(eligible, key=self._share)  # among equals the first that came
                    self._waiting.remove(lease)
                    self._count_turn(_owner(lease))
                    if lease.queue.fifo:
                        held.add(_owner(lease))
                    return lease
                self._changed.wait()
            return None

    def done(self, lease: Lease, settled: bool) -> list[Lease]:
        """End a message's turn. Unless it is `settled` for good, later messages of its FIFO group must not overtake it:
        they are removed and returned, and the caller gives them back."""
        with self._changed:
            owner = _owner(lease)
            self._in_progress -= Counter({owner: 1})  # this removes owners without messages in progress
            if not lease.queue.fifo:
                return []
            self._groups_in_progress.discard(owner)
            self._changed.notify_all()  # a slot may handle the group's next message now
            if settled:
                return []
            return self._take_out([other for other in self._waiting if other.queue.fifo and _owner(other) == owner])

    @property
    def count(self) -> int:
        """How many messages wait or are in progress."""
        with self._changed:
            return len(self._waiting) + self._in_progress.total()

    @property
    def busy(self) -> bool:
        """Whether messages wait or are in progress."""
        return bool(self._waiting) or bool(self._in_progress)

    def close(self) -> list[Lease]:
        """Hand out nothing more. Returns what waited, for the caller to give back."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            return self._take_out(list(self._waiting))

    def _share(self, lease: Lease) -> tuple[int, int]:
        """How many messages its owner has in progress, and when the owner last had a turn. The lowest comes first."""
        owner = _owner(lease)
        return self._in_progress[owner], self._last_turn.get(owner, 0)

    def _count_turn(self, owner: str | None) -> None:
        self._in_progress[owner] += 1
        self._turns += 1
        self._last_turn[owner] = self._turns
        self._last_turn.move_to_end(owner)
        if len(self._last_turn) > OWNERS_REMEMBERED:
            self._last_turn.popitem(last=False)

    def _take_out(self, leases: list[Lease]) -> list[Lease]:
        for lease in leases:
            self._waiting.remove(lease)
        return leases


def _owner(lease: Lease) -> str | None:
    return lease.received.group
