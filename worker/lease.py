"""Leases: the visibility timeouts that hide messages from other workers.

One thread renews all leases of a queue and settles its messages, in batches of ten. It does both in turn, so a renewal
can never overwrite a message's backoff or follow its delete. While the worker has more work, deletes wait a moment for
others; messages are given back at once. The visibility timeout runs from the receive, so messages that wait for a slot
need renewals, too.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import structlog

from darkroom.aws.queue import BATCH, Received, WorkQueue
from darkroom.errors import Unavailable
from worker.verdict import Leave, Retry, Verdict

log = structlog.get_logger()

RETRY_PAUSE = 1.0
"""Seconds before a renewal or settlement that failed is tried again."""

LONGEST_WAIT = 2.0
"""Seconds for which a delete waits for others while there is more work. It can wait longer than an event, because a
message that is done concerns only this worker until its lease ends."""

MARGIN = 2.0
"""Seconds before its end at which a lease counts as lost: SQS started its clock before the answer arrived here."""


_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Linux's CLOCK_MONOTONIC stops while the machine is suspended; that of other systems does not."""


def clock() -> float:
    """Seconds on a clock that goes on while the machine is suspended, as the visibility timeout does."""
    return time.clock_gettime(_CLOCK)


Stage = Literal["waiting", "in a child", "after it"]
"""How far the work on a message is: whether a child process has the photo, or had it."""


class Lease:
    """The right to handle one message, while it is renewed. It ends at `until` on `clock`."""

    def __init__(self, received: Received, queue: WorkQueue, until: float) -> None:
        self.received = received
        self.queue = queue
        self.until = until
        self._lost = False
        self._on_loss: Callable[[], None] | None = None
        self.on_stage: Callable[[Stage], None] = lambda _: None
        """Called when the work on the message reaches another stage."""
        self._lock = threading.Lock()

    @property
    def lost(self) -> bool:
        """True also if it ended without a renewal: the process was halted, or SQS did not answer."""
        return self._lost or clock() >= self.until

    def on_loss(self, action: Callable[[], None] | None) -> None:
        """Call `action` when the lease is lost, or now if it is lost already. None: call nothing."""
        with self._lock:
            self._on_loss = action
            if self._lost and action:
                action()

    def lose(self) -> None:
        with self._lock:
            self._lost = True
            if self._on_loss:
                self._on_loss()


@dataclass(frozen=True)
class Settlement:
    """A verdict that is not carried out on SQS yet, and when that is due at the latest."""

    lease: Lease
    verdict: Verdict
    due: float


class LeaseKeeper:
    """Renews the leases of one queue and settles its messages. `lease` and `heartbeat` are in seconds. `more_to_come`:
    whether further deletes may follow soon."""

    def __init__(
        self, queue: WorkQueue, lease: int, heartbeat: float, more_to_come: Callable[[], bool] = lambda: False
    ) -> None:
        self._queue = queue
        self._seconds = lease
        self._heartbeat = heartbeat
        self._held: dict[str, Lease] = {}
        self._more_to_come = more_to_come
        self._to_settle: dict[str, Settlement] = {}
        self._pause_until = 0.0
        self._closing = False
        self._changed = threading.Condition()

    def hold(self, received: Received) -> Lease:
        """Begin to hold a message that was just received."""
        lease = Lease(received, self._queue, clock() + self._seconds)
        with self._changed:
            self._held[received.receipt_handle] = lease
            if len(self._held) == 1:  # the leases of the others are renewed before this one
                self._changed.notify_all()
        return lease

    def settle(self, lease: Lease, verdict: Verdict) -> None:
        """Give up the lease. Returns at once; the keeper's thread carries out the verdict on SQS."""
        handle = lease.received.receipt_handle
        with self._changed:
            if self._held.pop(handle, None) and not isinstance(verdict, Leave) and not lease.lost:
                # A message that is not deleted holds up the others of its FIFO group.
                now = isinstance(verdict, Retry) or self._queue.fifo
                due = clock() + (0 if now else min(LONGEST_WAIT, self._seconds / 10))
                self._to_settle[handle] = Settlement(lease, verdict, due)
                if len(self._to_settle) == 1 or self._due_settlements():  # the thread knows when the first is due
                    self._changed.notify_all()

    @property
    def held(self) -> int:
        with self._changed:
            return len(self._held)

    def hurry(self) -> None:
        """Look again whether there is more to come."""
        with self._changed:
            self._changed.notify_all()

    def close(self) -> None:
        """Make `run` settle the remaining messages and return."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()

    # --- in the thread ------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Renew and settle until `close` is called."""
        while True:
            with self._changed:
                while not self._has_work():
                    self._changed.wait(self._until_next())
            self._drop_expired()  # another worker may hold the message of an expired lease
            with self._changed:
                if self._closing and not self._to_settle:
                    return
                settling, due = self._due_settlements(), self._due()
            # Renewals come first, and a failure of one must not prevent the other.
            for carry_out in (partial(self._renew, due), partial(self._settle, settling)):
                try:
                    carry_out()
                except Unavailable as error:
                    log.warning("lease.unavailable", detail=error.detail)
                    self._pause_until = clock() + RETRY_PAUSE
            self._drop_expired()

    def _has_work(self) -> bool:
        if clock() < self._pause_until:
            return False
        return bool(self._due_settlements() or self._due() or (self._closing and not self._to_settle))

    def _due_settlements(self) -> list[Settlement]:
        """What to settle now. Deletes wait until there are ten, until the first has waited long enough, or until no
        further ones follow."""
        at = clock()
        waiting = [one for one in self._to_settle.values() if not isinstance(one.verdict, Retry)]
        due = [one for one in self._to_settle.values() if isinstance(one.verdict, Retry)]
        if self._closing or any(one.due <= at for one in waiting) or not self._more_to_come():
            return due + waiting
        return due + waiting[: len(waiting) // BATCH * BATCH]

    def _until_next(self) -> float:
        """Seconds until the next renewal or second try is due."""
        at = clock()
        renewals = [self._renew_at(lease) for lease in self._held.values()]
        settlements = [one.due for one in self._to_settle.values()]
        next_ = min([*renewals, *settlements, at + self._seconds])
        return max(0.005, max(next_, self._pause_until) - at)

    def _renew_at(self, lease: Lease) -> float:
        return lease.until - self._seconds + self._heartbeat

    def _due(self) -> list[Lease]:
        at = clock()
        return [lease for lease in self._held.values() if self._renew_at(lease) <= at]

    def _settle(self, settling: list[Settlement]) -> None:
        """Delete messages and give messages back. A failed one is tried again until its lease ends."""
        delays = {
            one.lease.received.receipt_handle: one.verdict.delay for one in settling if isinstance(one.verdict, Retry)
        }
        deletes = [
            one.lease.received.receipt_handle for one in settling if not isinstance(one.verdict, Retry)
        ]  # Delete, and Bury, whose copy is in the dead-letter queue already
        refused = self._queue.set_visibility(delays) if delays else {}
        self._settled(delays)
        refused |= self._queue.delete(deletes) if deletes else {}
        self._settled(deletes)
        for handle, reason in refused.items():
            # The message comes again; the next receive finds its jobs ended and deletes it.
            log.warning("lease.settle_refused", receipt_handle=handle[:40], reason=reason)

    def _settled(self, handles: Iterable[str]) -> None:
        with self._changed:
            for handle in handles:
                self._to_settle.pop(handle, None)

    def _renew(self, due: list[Lease]) -> None:
        if not due:
            return
        at = clock()
        refused = self._queue.set_visibility({lease.received.receipt_handle: self._seconds for lease in due})
        for lease in due:
            if lease.received.receipt_handle in refused:
                self._lose(lease, refused[lease.received.receipt_handle])
            else:
                lease.until = at + self._seconds

    def _drop_expired(self) -> None:
        """Give up leases that were not renewed in time: another worker may have received the messages."""
        at = clock()
        with self._changed:
            late = [lease for lease in self._held.values() if lease.until - MARGIN <= at]
            for handle, settlement in list(self._to_settle.items()):
                if settlement.lease.until <= at:
                    del self._to_settle[handle]
        for lease in late:
            self._lose(lease, "it could not be renewed in time")

    def _lose(self, lease: Lease, reason: str) -> None:
        with self._changed:
            still_held = self._held.pop(lease.received.receipt_handle, None)
        if still_held:  # not settled in the meantime
            log.warning("lease.lost", message=lease.received.id, reason=reason)
            lease.lose()
