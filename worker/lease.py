"""Leases: the visibility timeouts that hide messages from other workers.

One thread renews all leases of a queue and settles its messages, in batches of ten. It does both in turn, so a renewal
can never overwrite a message's backoff or follow its delete. The visibility timeout runs from the receive, so messages
that wait for a slot need renewals, too.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from functools import partial

import structlog

from darkroom.aws.queue import Received, WorkQueue
from darkroom.errors import Unavailable
from worker.verdict import Leave, Retry, Verdict

log = structlog.get_logger()

RETRY_PAUSE = 1.0
"""Seconds before a renewal or settlement that failed is tried again."""

MARGIN = 2.0
"""Seconds before its end at which a lease counts as lost: SQS started its clock before the answer arrived here."""


_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Linux's CLOCK_MONOTONIC stops while the machine is suspended; that of other systems does not."""


def clock() -> float:
    """Seconds on a clock that goes on while the machine is suspended, as the visibility timeout does."""
    return time.clock_gettime(_CLOCK)


class Lease:
    """The right to handle one message, while it is renewed. It ends at `until` on `clock`."""

    def __init__(self, received: Received, queue: WorkQueue, until: float) -> None:
        self.received = received
        self.queue = queue
        self.until = until
        self._lost = False
        self._on_loss: Callable[[], None] | None = None
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


class LeaseKeeper:
    """Renews the leases of one queue and settles its messages. `lease` and `heartbeat` are in seconds."""

    def __init__(self, queue: WorkQueue, lease: int, heartbeat: float) -> None:
        self._queue = queue
        self._seconds = lease
        self._heartbeat = heartbeat
        self._held: dict[str, Lease] = {}
        self._to_settle: dict[str, tuple[Lease, Verdict]] = {}
        self._pause_until = 0.0
        self._closing = False
        self._changed = threading.Condition()

    def hold(self, received: Received) -> Lease:
        """Begin to hold a message that was just received."""
        lease = Lease(received, self._queue, clock() + self._seconds)
        with self._changed:
            self._held[received.receipt_handle] = lease
            self._changed.notify_all()
        return lease

    def settle(self, lease: Lease, verdict: Verdict) -> None:
        """Give up the lease. Returns at once; the keeper's thread carries out the verdict on SQS."""
        handle = lease.received.receipt_handle
        with self._changed:
            if self._held.pop(handle, None) and not isinstance(verdict, Leave) and not lease.lost:
                self._to_settle[handle] = (lease, verdict)
            self._changed.notify_all()

    @property
    def held(self) -> int:
        with self._changed:
            return len(self._held)

    def wait_for_fewer(self, held: int, timeout: float) -> None:
        """Wait until fewer than `held` messages are held, at most `timeout` seconds."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._held) < held, timeout)

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
                settling, due = list(self._to_settle.values()), self._due()
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
        return bool(self._to_settle or self._due() or self._closing)

    def _until_next(self) -> float:
        """Seconds until the next renewal or second try is due."""
        at = clock()
        renewals = [self._renew_at(lease) for lease in self._held.values()]
        next_ = min([*renewals, at + self._seconds])
        return max(0.05, (max(next_, self._pause_until) if not self._to_settle else self._pause_until) - at)

    def _renew_at(self, lease: Lease) -> float:
        return lease.until - self._seconds + self._heartbeat

    def _due(self) -> list[Lease]:
        at = clock()
        return [lease for lease in self._held.values() if self._renew_at(lease) <= at]

    def _settle(self, settling: list[tuple[Lease, Verdict]]) -> None:
        """Delete messages and give messages back. A failed one is tried again until its lease ends."""
        delays = {
            lease.received.receipt_handle: verdict.delay for lease, verdict in settling if isinstance(verdict, Retry)
        }
        deletes = [
            lease.received.receipt_handle for lease, verdict in settling if not isinstance(verdict, Retry)
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
            for handle, (lease, _) in list(self._to_settle.items()):
                if lease.until <= at:
                    del self._to_settle[handle]
        for lease in late:
            self._lose(lease, "it could not be renewed in time")

    def _lose(self, lease: Lease, reason: str) -> None:
        with self._changed:
            still_held = self._held.pop(lease.received.receipt_handle, None)
        if still_held:  # not settled in the meantime
            log.warning("lease.lost", message=lease.received.id, reason=reason)
            lease.lose()
