"""THE loop: receive -> dispatch -> handle -> settle.

There are two sources, the queue of orders and that of files which came past the API. Of each a poller receives as
many messages as there is room for, and a lease keeper holds and settles them. The slots serve both: each handles one
message at a time to its end. No finish waits behind a poll, because only the pollers poll.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import structlog

from darkroom.aws.queue import BATCH, WorkQueue
from darkroom.errors import Unavailable
from darkroom.services import Services
from darkroom.settings import Settings
from worker import health
from worker.inbox import Inbox
from worker.ingest.rules import Drops
from worker.lease import Lease, LeaseKeeper
from worker.orders.handler import Handler
from worker.sweep.sweeper import Sweeper
from worker.verdict import Bury, Delete, Leave, Retry, Verdict, poll_pause
from worker.webhooks.sender import WebhookSender

log = structlog.get_logger()


class Source:
    """A queue, and what is held of its messages: at most `room` of them."""

    def __init__(self, queue: WorkQueue, room: int, settings: Settings) -> None:
        self.queue = queue
        self.room = room
        self.leases = LeaseKeeper(queue, settings.lease, settings.heartbeat)
        self.polled_at = time.monotonic()


class Consumer:
    """A worker: `slots` slots that handle messages, for each source a poller and a lease keeper, one sweeper; with a
    secret for them, one sender of webhooks. Raises SettingsError for faulty files of presets or owners."""

    def __init__(self, services: Services, slots: int) -> None:
        self._settings = settings = services.settings
        # Of each source, for two polls under way cannot share what is left.
        room = slots + (slots if settings.prefetch is None else settings.prefetch)
        self._sources = {queue.name: Source(queue, room, settings) for queue in (services.photos, services.ingest)}
        self._inbox = Inbox()
        drops = Drops.read(settings)
        self._handlers = [Handler(services, drops) for _ in range(slots)]
        self._stopping = threading.Event()
        self._failed = False
        sources = self._sources.items()
        self._pollers = [self._thread(f"poller of {name}", self._poll, source) for name, source in sources]
        self._slots = [self._thread(f"slot-{n}", self._work, handler) for n, handler in enumerate(self._handlers)]
        self._sweeper = self._thread("sweeper", Sweeper(services, self._stopping).run)
        self._keepers = [self._thread(f"leases of {name}", source.leases.run) for name, source in sources]
        secret = settings.webhook_secret
        self._senders = [WebhookSender(services, secret, self._stopping)] if secret else []
        self._webhooks = [self._thread("webhooks", sender.run) for sender in self._senders]

    def run(self) -> bool:
        """Work until `stop` is called. False when the worker stopped because a part of it failed."""
        for thread in (*self._keepers, *self._slots, *self._pollers, self._sweeper, *self._webhooks):
            thread.start()
        rooms = {name: source.room for name, source in self._sources.items()}
        log.info("worker.started", slots=len(self._slots), room=rooms)
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

    def _poll(self, source: Source) -> None:
        failures = 0
        while not self._stopping.is_set():
            self._go_round(source)
            room = source.room - source.leases.held
            if room <= 0:
                source.leases.wait_for_fewer(source.room, timeout=5)
                continue
            try:
                messages = source.queue.receive(min(room, BATCH), self._settings.poll_wait, self._settings.lease)
                failures = 0
            except Unavailable as error:
                failures += 1
                pause = poll_pause(failures)
                log.warning("queue.unavailable", queue=source.queue.name, detail=error.detail, pause=round(pause, 1))
                self._stopping.wait(pause)
                continue
            leases = [source.leases.hold(received) for received in messages]
            if not self._inbox.put(*leases):  # the poll was under way when the stop came
                self._give_back(leases)

    def _work(self, handler: Handler) -> None:
        try:
            while lease := self._inbox.take():
                verdict: Verdict = Leave()  # if the handler itself fails, nobody renews the lease any more
                try:
                    verdict = handler.handle(lease.received, lease)
                finally:
                    self._settle(lease, verdict)
                    followers = self._inbox.done(lease, settled=isinstance(verdict, Delete | Bury))
                    # Not before the one they follow: not every stand-in for SQS blocks the group until then.
                    self._give_back(followers, verdict.delay if isinstance(verdict, Retry) else 0)
        finally:
            handler.close()

    def _give_back(self, leases: list[Lease], delay: int = 0) -> None:
        for lease in leases:
            self._settle(lease, Retry(delay, counts=False))

    def _settle(self, lease: Lease, verdict: Verdict) -> None:
        self._sources[lease.queue.name].leases.settle(lease, verdict)

    def _go_round(self, source: Source) -> None:
        """A poller that hangs must not be hidden by the other one, which goes on."""
        source.polled_at = time.monotonic()
        if all(source.polled_at - other.polled_at < health.OLDEST for other in self._sources.values()):
            health.touch()

    @property
    def _held(self) -> int:
        return sum(source.leases.held for source in self._sources.values())

    # --- the end ------------------------------------------------------------------------------------------------

    def _drain(self) -> None:
        """Unstarted messages go back at once, running ones get their time; the poll in flight is let return,
        for aborting it can swallow messages."""
        log.info("worker.draining", held=self._held)
        deadline = time.monotonic() + self._settings.stop_grace
        self._give_back(self._inbox.close())
        working = [*self._slots, *self._webhooks]
        while any(thread.is_alive() for thread in working) and time.monotonic() < deadline:
            health.touch()
            for thread in working:
                thread.join(min(1.0, max(0.0, deadline - time.monotonic())))
        if any(thread.is_alive() for thread in working):
            log.warning("worker.grace_over", held=self._held)
            self.interrupt()
        for thread in (*working, *self._pollers, self._sweeper):
            thread.join()
        for source in self._sources.values():
            source.leases.close()
        for keeper in self._keepers:
            keeper.join()

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
