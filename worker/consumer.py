"""THE loop: receive -> dispatch -> handle -> settle.

A poller receives as many messages as there is room for, each slot handles one at a time to its
end, and the lease keeper holds and settles them. No finish waits behind a poll, because only the
poller polls.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable

import structlog

from darkroom.errors import Unavailable
from darkroom.queue import BATCH
from darkroom.services import Services
from worker import health
from worker.handler import Handler
from worker.inbox import Inbox
from worker.lease import Lease, LeaseKeeper
from worker.sweep import Sweeper
from worker.verdict import Bury, Delete, Leave, Retry, Verdict
from worker.webhooks import WebhookSender

log = structlog.get_logger()

LONGEST_PAUSE = 30.0
"""Seconds between polls while SQS does not answer."""


class Consumer:
    """A worker: one poller, `slots` slots that handle messages, one lease keeper, one sweeper; with a secret
    for them, one sender of webhooks."""

    def __init__(self, services: Services, slots: int) -> None:
        self._settings = settings = services.settings
        self._queue = services.photos
        self._room = slots + (slots if settings.prefetch is None else settings.prefetch)
        self._leases = LeaseKeeper(services.photos, settings.lease, settings.heartbeat)
        self._inbox = Inbox(in_order=services.photos.fifo)
        self._handlers = [Handler(services) for _ in range(slots)]
        self._stopping = threading.Event()
        self._failed = False
        self._poller = self._thread("poller", self._poll)
        self._slots = [self._thread(f"slot-{n}", self._work, handler) for n, handler in enumerate(self._handlers)]
        self._sweeper = self._thread("sweeper", Sweeper(services, self._stopping).run)
        self._keeper = self._thread("leases", self._leases.run)
        secret = settings.webhook_secret
        self._senders = [WebhookSender(services, secret, self._stopping)] if secret else []
        self._webhooks = [self._thread("webhooks", sender.run) for sender in self._senders]

    def run(self) -> bool:
        """Work until `stop` is called. False when the worker stopped because a part of it failed."""
        for thread in (self._keeper, *self._slots, self._poller, self._sweeper, *self._webhooks):
            thread.start()
        log.info("worker.started", queue=self._queue.name, slots=len(self._slots), room=self._room)
        self._stopping.wait()
        self._drain()
        log.info("worker.stopped", failed=self._failed)
        return not self._failed

    def stop(self) -> None:
        """Begin to stop: nothing new is received, what is in work is finished."""
        self._stopping.set()

    def interrupt(self) -> None:
        """Give back what is in work, too, instead of finishing it; webhooks come back by themselves."""
        self._stopping.set()
        for handler in self._handlers:
            handler.interrupt()
        for sender in self._senders:
            sender.interrupt()

    # --- the loop -----------------------------------------------------------------------------------------------

    def _poll(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            health.touch()
            room = self._room - self._leases.held
            if room <= 0:
                self._leases.wait_for_fewer(self._room, timeout=5)
                continue
            try:
                messages = self._queue.receive(min(room, BATCH), self._settings.poll_wait, self._settings.lease)
                failures = 0
            except Unavailable as error:
                failures += 1
                pause = random.uniform(0.5, 1) * min(LONGEST_PAUSE, 2.0**failures)  # noqa: S311 - jitter, not a secret
                log.warning("queue.unavailable", detail=error.detail, pause=round(pause, 1))
                self._stopping.wait(pause)
                continue
            leases = [self._leases.hold(received) for received in messages]
            if not self._inbox.put(*leases):  # the poll was under way when the stop came
                self._give_back(leases)

    def _work(self, handler: Handler) -> None:
        try:
            while lease := self._inbox.take():
                verdict: Verdict = Leave()  # if the handler itself fails, nobody renews the lease any more
                try:
                    verdict = handler.handle(lease.received, lease)
                finally:
                    self._leases.settle(lease, verdict)
                    followers = self._inbox.done(lease, settled=isinstance(verdict, Delete | Bury))
                    # Not before the one they follow: not every stand-in for SQS blocks the group until then.
                    self._give_back(followers, verdict.delay if isinstance(verdict, Retry) else 0)
        finally:
            handler.close()

    def _give_back(self, leases: list[Lease], delay: int = 0) -> None:
        for lease in leases:
            self._leases.settle(lease, Retry(delay, counts=False))

    # --- the end ------------------------------------------------------------------------------------------------

    def _drain(self) -> None:
        """Unstarted messages go back at once, running ones get their time; the poll in flight is let return,
        for aborting it can swallow messages."""
        log.info("worker.draining", held=self._leases.held)
        deadline = time.monotonic() + self._settings.stop_grace
        self._give_back(self._inbox.close())
        working = [*self._slots, *self._webhooks]
        while any(thread.is_alive() for thread in working) and time.monotonic() < deadline:
            health.touch()
            for thread in working:
                thread.join(min(1.0, max(0.0, deadline - time.monotonic())))
        if any(thread.is_alive() for thread in working):
            log.warning("worker.grace_over", held=self._leases.held)
            self.interrupt()
        for thread in (*working, self._poller, self._sweeper):
            thread.join()
        self._leases.close()
        self._keeper.join()

    def _thread(self, name: str, work: Callable[..., None], *args: object) -> threading.Thread:
        def guarded() -> None:
            try:
                work(*args)
            except BaseException:
                # A worker without one of its parts would look alive and lose leases or messages.
                log.exception("worker.part_failed", part=name)
                self._failed = True
                self.interrupt()

        return threading.Thread(target=guarded, name=name, daemon=True)
