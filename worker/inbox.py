"""Messages that wait, leased, for a free slot."""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict, deque

from worker.lease import Lease

OWNERS_REMEMBERED = 1000


class Inbox:
    """Hands leases to slots, fairly: the owner who has the fewest in work is next, and of several the one whose
    last turn is the longest ago. A message's group is its owner; those of S3, which have none, count as one.

    Of a FIFO queue never two of one group at a time, as it promises; what the group has in work elsewhere is no matter.
    """

    def __init__(self) -> None:
        self._waiting: deque[Lease] = deque()
        self._in_work: Counter[str | None] = Counter()
        self._groups_in_work: set[str | None] = set()
        self._turns = 0
        self._last_turn: OrderedDict[str | None, int] = OrderedDict()
        self._closed = False
        self._changed = threading.Condition()

    def put(self, *leases: Lease) -> bool:
        """Let messages wait. False when the inbox is closed: they are the caller's still.

        All of one receive together: one that came after its head had failed would overtake it.
        """
        with self._changed:
            if not self._closed:
                self._waiting.extend(leases)
                self._changed.notify(len(leases))
            return not self._closed

    def take(self) -> Lease | None:
        """The next message that may be worked on, as soon as there is one. None when the inbox is closed."""
        with self._changed:
            while not self._closed:
                held = self._groups_in_work
                eligible = [lease for lease in self._waiting if not (lease.queue.fifo and _owner(lease) in held)]
                if eligible:
                    lease = min(eligible, key=self._share)  # of equal ones the first that came
                    self._waiting.remove(lease)
                    self._count_turn(_owner(lease))
                    if lease.queue.fifo:
                        held.add(_owner(lease))
                    return lease
                self._changed.wait()
            return None

    def done(self, lease: Lease, settled: bool) -> list[Lease]:
        """A message is out of work. Unless it is `settled` for good, those that follow it in its group must not
        overtake it: they are taken out and returned, to be given back."""
        with self._changed:
            owner = _owner(lease)
            self._in_work -= Counter({owner: 1})  # which forgets whoever has none left
            if lease.queue.fifo:
                self._groups_in_work.discard(owner)
            self._changed.notify_all()
            if settled or not lease.queue.fifo:
                return []
            return self._take_out([other for other in self._waiting if other.queue.fifo and _owner(other) == owner])

    def close(self) -> list[Lease]:
        """Hand out nothing more; what waited is returned, to be given back."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            return self._take_out(list(self._waiting))

    def _share(self, lease: Lease) -> tuple[int, int]:
        """What its owner has had: the least comes first."""
        owner = _owner(lease)
        return self._in_work[owner], self._last_turn.get(owner, 0)

    def _count_turn(self, owner: str | None) -> None:
        self._in_work[owner] += 1
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
