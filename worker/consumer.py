"""The worker's main loop: receive -> handle -> settle.

Each source has a thread that receives its messages and a thread that keeps and settles their leases. The slots take
the messages of all sources from one inbox, and each handles one message at a time. Slots never receive and pollers
never handle, so no finished message waits for the end of a long poll. There are more slots than child processes: the
children have work while other slots wait for AWS.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import structlog

from darkroom.aws.queue import Received, WorkQueue
from darkroom.capacity import Capacity
from darkroom.errors import Unavailable
from darkroom.services import Services
from darkroom.settings import Settings
from worker import health
from worker.alive import AliveNotes
from worker.announcer import Announcer, announce_now, not_announced
from worker.child.runner import PhotoProcessors
from worker.fetch_threads import FetchThreads
from worker.handlers import Handler, make_handlers
from worker.inbox import Inbox
from worker.ingest.fetcher import is_fetch, put_off
from worker.ingest.rules import IngestRules
from worker.lease import Lease, LeaseKeeper
from worker.poller import Poller
from worker.stock import Stock
from worker.sweep.sweeper import Sweeper
from worker.verdict import Bury, Delete, Leave, Retry, Verdict
from worker.webhooks.sender import WebhookSender

log = structlog.get_logger()

TRANSFERS_PER_CHILD = 4
"""Files that are transferred at a time, beside one for each slot."""

LAST_REQUESTS = 5.0
"""Seconds after the grace for a request with events that is under way, and then for messages that go back."""


class Source:
    """A queue with its own handler, and the leases of its messages. Each source has its own limit of work that it may
    hold, because two pollers cannot share one."""

    def __init__(
        self,
        queue: WorkQueue,
        handler: Handler,
        children: int,
        settings: Settings,
        stopping: threading.Event,
        more_to_come: Callable[[], bool],
    ) -> None:
        self.queue = queue
        self.handler = handler
        self.stock = Stock(children, settings.prefetch)
        self.poller = Poller(queue, settings.poll_wait, settings.lease, stopping)
        self.polled_at = time.monotonic()
        self.leases = LeaseKeeper(queue, settings.lease, settings.heartbeat, more_to_come)


class Consumer:
    """A worker: slots that handle messages, a poller and a lease keeper for each source, a sweeper, and a
    sender of webhooks if there is a secret to sign them. Raises SettingsError for faulty files of presets or owners."""

    def __init__(self, services: Services, capacity: Capacity) -> None:
        self._settings = settings = services.settings
        self._services = services
        self._ingest = services.ingest.name
        self._stopping = threading.Event()
        self._failed = False
        self._inbox = Inbox()
        self._fetches = FetchThreads(settings.fetches, lambda name: self._thread(name, self._fetch))
        self._processors = PhotoProcessors(settings, capacity.children)
        self._transfers = ThreadPoolExecutor(TRANSFERS_PER_CHILD * capacity.children, "transfer")
        handlers = make_handlers(services, IngestRules.read(settings), self._processors, self._transfers)
        self._capacity = capacity
        self._sources = {
            queue: Source(queue, handler, capacity.children, settings, self._stopping, self._more_deletes_to_come)
            for queue, handler in handlers.items()
        }
        self._announcer = Announcer(self._more_to_come, sent=self._hurry_deletes)
        self._announcing = self._thread("announcer", self._announcer.run)
        sources = self._sources.values()
        self._pollers = [self._thread(f"poller of {source.queue.name}", self._receive, source) for source in sources]
        self._keepers = [self._thread(f"leases of {source.queue.name}", source.leases.run) for source in sources]
        self._slots = [self._thread(f"slot-{number}", self._work, self._inbox) for number in range(capacity.slots)]
        self._alive = AliveNotes(services.workers)
        self._noting = self._thread("alive", self._alive.run, self._stopping)
        self._sweeper = self._thread("sweeper", Sweeper(services, self._stopping).run)
        secret = settings.webhook_secret
        self._senders = [WebhookSender(services, secret, self._stopping)] if secret else []
        self._webhooks = [self._thread("webhooks", sender.run) for sender in self._senders]

    def run(self) -> bool:
        """Work until `stop` is called. False if the worker stopped because a part of it failed."""
        self._processors.start_children()
        for thread in (
            *self._keepers,
            self._announcing,
            *self._slots,
            *self._pollers,
            self._sweeper,
            *self._webhooks,
            self._noting,
        ):
            thread.start()
        queues = [source.queue.name for source in self._sources.values()]
        log.info("worker.started", children=self._capacity.children, slots=self._capacity.slots, queues=queues)
        self._stopping.wait()
        self._drain()
        log.info("worker.stopped", failed=self._failed)
        return not self._failed

    def stop(self) -> None:
        """Begin a graceful shutdown: receive nothing more, finish the messages in progress."""
        self._stopping.set()
        self._hurry()

    def interrupt(self) -> None:
        """Stop without finishing: give back the messages in progress. Messages of webhooks become visible again by
        themselves."""
        self._stopping.set()
        self._processors.interrupt()
        self._announcer.interrupt()
        for sender in self._senders:
            sender.interrupt()

    # --- the loop -----------------------------------------------------------------------------------------------

    def _receive(self, source: Source) -> None:
        for messages in source.poller.receive(lambda: self._wait_for_capacity(source)):
            leases = [self._hold(source, received) for received in messages]
            fetches = (
                [lease for lease in leases if is_fetch(lease.received)] if source.queue.name == self._ingest else []
            )
            others = [lease for lease in leases if lease not in fetches]
            if not self._inbox.put(*others):  # the worker began to stop during the poll
                self._give_back(leases)
            elif fetches:
                self._queue_fetches(source, fetches)

    def _queue_fetches(self, source: Source, leases: list[Lease]) -> None:
        """Hand messages of photos by URL to their own threads. They do not count as work that waits for a child."""
        free = self._fetches.free
        for lease in leases[:free]:
            source.stock.set_stage(lease.received.receipt_handle, "after it")
        if not self._fetches.put(leases[:free]):
            self._give_back(leases[:free])
        for lease in leases[free:]:
            self._settle(lease, self._put_off(lease, self._fetches.delay()))

    def _hold(self, source: Source, received: Received) -> Lease:
        source.stock.add(received)
        lease = source.leases.hold(received)
        lease.on_stage = partial(source.stock.set_stage, received.receipt_handle)
        return lease

    def _put_off(self, lease: Lease, delay: int) -> Verdict:
        try:
            return put_off(lease.received, self._services.outbox, delay)
        except Unavailable as error:
            log.warning("fetch.not_put_off", detail=error.detail)
            return Retry(delay, counts=False)

    def _fetch(self) -> None:
        self._work(self._fetches.inbox)

    def _work(self, inbox: Inbox) -> None:
        while lease := inbox.take():
            began = time.monotonic()
            verdict: Verdict = Leave()  # only a bug makes a handler raise; the message then becomes visible again
            try:
                verdict = self._sources[lease.queue].handler.handle(lease.received, lease)
            finally:
                if inbox is self._fetches.inbox:
                    self._fetches.note_time(time.monotonic() - began)
                self._end(inbox, lease, verdict)

    def _end(self, inbox: Inbox, lease: Lease, verdict: Verdict) -> None:
        """Settle a message when all that belongs to it is sent. The slot is free for the next one, unless too many
        announcements wait: then it waits, too."""
        if isinstance(verdict, Delete | Bury) and inbox is self._inbox:
            self._alive.count()
        if lease.queue.fifo:  # the next message of its group must not begin before it is known whether this one ends
            verdict = announce_now(verdict, lease.received, self._settings)
            self._settle(lease, verdict)
            later_messages = inbox.done(lease, settled=isinstance(verdict, Delete | Bury))
            # Give back later messages of the same FIFO group only now, after this one is settled: some emulators of
            # SQS do not block the group until then.
            self._give_back(later_messages, verdict.delay if isinstance(verdict, Retry) else 0)
        else:
            inbox.done(lease, settled=True)
            announcements = verdict.announcements if isinstance(verdict, Delete | Bury) else ()
            self._announcer.send(announcements, partial(self._announced, lease, verdict))
        if not self._more_to_come():
            self._hurry()

    def _announced(self, lease: Lease, verdict: Verdict, error: Unavailable | None) -> None:
        self._settle(lease, not_announced(error, lease.received, self._settings) if error else verdict)

    def _more_to_come(self) -> bool:
        """Whether messages are in work, whose events and deletes may share requests with those that wait."""
        return self._inbox.busy and not self._stopping.is_set()

    def _more_deletes_to_come(self) -> bool:
        return (self._inbox.busy or self._announcer.busy) and not self._stopping.is_set()

    def _hurry(self) -> None:
        """Nothing more may be to come: have what waits for others sent now."""
        self._announcer.hurry()
        self._hurry_deletes()

    def _hurry_deletes(self) -> None:
        for source in self._sources.values():
            source.leases.hurry()

    def _give_back(self, leases: list[Lease], delay: int = 0) -> None:
        for lease in leases:
            self._settle(lease, Retry(delay, counts=False))

    def _settle(self, lease: Lease, verdict: Verdict) -> None:
        source = self._sources[lease.queue]
        source.leases.settle(lease, verdict)
        source.stock.remove(lease.received.receipt_handle)

    def _wait_for_capacity(self, source: Source) -> int:
        """Wait until a source may receive messages, at most 5 s. Returns how many; it may be 0.

        Each poller calls this once in each round; that is its sign of life.
        """
        source.polled_at = time.monotonic()
        # One poller that hangs makes the worker unhealthy, although the others go on.
        if all(source.polled_at - other.polled_at < health.OLDEST for other in self._sources.values()):
            health.touch()
        return source.stock.wait_for_room(timeout=5)

    @property
    def _held(self) -> int:
        return sum(source.leases.held for source in self._sources.values())

    # --- the end ------------------------------------------------------------------------------------------------

    def _drain(self) -> None:
        """Give back what is not claimed yet, and give the rest the time of the grace: the work of the slots, and the
        events. After it, all that is left goes back, or becomes visible by itself if SQS does not answer.

        A poll in flight is not aborted, because SQS may already have sent its messages.
        """
        log.info("worker.draining", held=self._held)
        deadline = time.monotonic() + self._settings.stop_grace
        self._give_back([*self._inbox.close(), *self._fetches.inbox.close()])
        self._processors.drain()
        working = [*self._slots, *self._webhooks]
        self._join_or_interrupt([*working, *self._fetches.threads], deadline)
        for thread in working:  # not those of fetches: their messages become visible again by themselves
            thread.join()
        self._processors.close()
        for thread in (*self._pollers, self._sweeper):
            thread.join()
        self._announcer.close()
        self._join_or_interrupt([self._announcing], deadline)
        _join([self._announcing], time.monotonic() + LAST_REQUESTS)
        for source in self._sources.values():
            source.leases.close()
        _join(self._keepers, max(deadline, time.monotonic() + LAST_REQUESTS))

    def _join_or_interrupt(self, threads: list[threading.Thread], deadline: float) -> None:
        if not _join(threads, deadline):
            log.warning("worker.grace_over", held=self._held)
            self.interrupt()

    def _thread(self, name: str, work: Callable[..., None], *args: object) -> threading.Thread:
        def guarded() -> None:
            try:
                work(*args)
            except BaseException:
                # Without one of its parts a worker would look alive and lose leases or messages.
                log.exception("worker.part_failed", part=name)
                self._failed = True
                self.interrupt()

        return threading.Thread(target=guarded, name=name, daemon=True)


def _join(threads: list[threading.Thread], deadline: float) -> bool:
    """Wait for the end of threads, and show that the worker is alive. Returns whether they ended before `deadline`."""
    while any(thread.is_alive() for thread in threads) and time.monotonic() < deadline:
        health.touch()
        for thread in threads:
            thread.join(min(1.0, max(0.0, deadline - time.monotonic())))
    return not any(thread.is_alive() for thread in threads)
