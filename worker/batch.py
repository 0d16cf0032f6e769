"""A batch of messages that somebody else received and will delete: handled one after the other while there is time.

What is done is the caller's to delete. What is not is given back here, with the delay that its verdict asks for, and
then named: without that it would stay hidden until the queue's own timeout, which is long.

- Delete, Bury: done. A buried one lies with the dead letters already.
- Retry, and all that was not begun: given back and named.
- Leave: named and left alone. It is somebody else's now, so it must neither be deleted nor come back early.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import structlog

from darkroom.aws.queue import Received, WorkQueue
from darkroom.errors import DarkroomError, SettingsError
from darkroom.services import Services
from darkroom.settings import PREFIX, Settings
from worker.ingest.rules import Drops
from worker.lease import Lease
from worker.orders.handler import Handler
from worker.verdict import Bury, Delete, Retry, Verdict, backoff
from worker.webhooks.sender import WebhookSender

log = structlog.get_logger()

SETTLING = 5.0
"""Seconds before the deadline at which what is in work is interrupted, so that it can still be given back."""

TRANSFER = 5.0
"""Seconds for a photo's way in and for its results' way out. They are not part of its time limit."""

Handle = Callable[[Received], Verdict]


class BatchWorker:
    """Keeps nothing between two batches but connections, for hours may lie between them.

    Raises SettingsError for faulty files of presets or owners.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._settings = settings = services.settings
        self._drops = Drops.read(settings)
        self._orders = {queue.name: queue for queue in (services.photos, services.ingest)}
        self._webhooks = services.webhooks
        secret = settings.webhook_secret
        self._sender = WebhookSender(services, secret, threading.Event()) if secret else None
        self._capped = False

    def run(self, queue: str, messages: Sequence[Received], deadline: float) -> list[str]:
        """Handle a queue's batch until `deadline`, on the monotonic clock. Returns the ids of those that are not done.

        Raises SettingsError when this function is not made for it: then all of them come back by themselves.
        """
        if orders := self._orders.get(queue):
            return self._work(orders, messages, deadline)
        if queue == self._webhooks.name:
            return self._deliver(messages, deadline)
        known = ", ".join([*self._orders, self._webhooks.name])
        raise SettingsError(f"the queue {queue} is none of ours: connect one of {known}, or set {PREFIX}STACK")

    def _work(self, queue: WorkQueue, messages: Sequence[Received], deadline: float) -> list[str]:
        limit = self._time_limit(deadline - time.monotonic())
        settings = self._settings.model_copy(update={"time_limit": limit})
        # One for each batch: once interrupted it stays so, and a child is not left to be frozen.
        handler = Handler(replace(self._services, settings=settings), self._drops)

        def handle(received: Received) -> Verdict:
            # Never renewed: the queue hides a message for longer than a function may run.
            return handler.handle(received, Lease(received, queue, deadline))

        try:
            with at(deadline - SETTLING, handler.interrupt):
                latest = deadline - SETTLING - TRANSFER - limit
                return handle_all(queue, messages, latest, handle, settings)
        finally:
            handler.close()

    def _time_limit(self, seconds: float) -> int:
        """Half of what an invocation has, at most. A child that hangs is found out with all jobs of its order, and
        once more with the culprit alone; if there were no time for both, the order would go round for ever."""
        limit = min(self._settings.time_limit, int((seconds - SETTLING - TRANSFER) / 2))
        if limit < 1:
            raise SettingsError(f"{seconds:.0f} s are too short for a photo: give the function a longer timeout")
        if limit < self._settings.time_limit and not self._capped:
            self._capped = True
            log.warning("time_limit.capped", seconds=limit, wanted=self._settings.time_limit)
        return limit

    def _deliver(self, messages: Sequence[Received], deadline: float) -> list[str]:
        if self._sender is None:
            raise SettingsError(f"webhooks cannot be signed: set {PREFIX}WEBHOOK_SECRET")
        latest = deadline - self._settings.webhook_timeout - SETTLING
        if time.monotonic() > latest:
            raise SettingsError(
                f"the function's timeout is too short for a webhook: make it longer than {PREFIX}WEBHOOK_TIMEOUT "
                f"({self._settings.webhook_timeout:g} s) and {SETTLING:g} s"
            )
        return handle_all(self._webhooks, messages, latest, self._sender.handle, self._settings)


def handle_all(
    queue: WorkQueue, messages: Sequence[Received], latest: float, handle: Handle, settings: Settings
) -> list[str]:
    """Handle messages one after the other, none later than `latest`. Returns the ids of those that are not done.

    In a FIFO queue a group stops with its first that is not done: those behind it must not overtake it.
    """
    not_done: list[str] = []
    delays: dict[str, int] = {}
    stopped: dict[str | None, int] = {}
    for received in messages:
        verdict: Verdict
        if queue.fifo and received.group in stopped:
            verdict = Retry(stopped[received.group], counts=False)
        elif time.monotonic() > latest:
            verdict = Retry(0, counts=False)
        else:
            try:
                verdict = handle(received)
            except Exception:
                log.exception("message.unexpected_error", message=received.id)
                verdict = Retry(backoff(received.receives, settings))
        if isinstance(verdict, Delete | Bury):
            continue
        not_done.append(received.id)
        if isinstance(verdict, Retry):
            delays[received.receipt_handle] = verdict.delay
        stopped.setdefault(received.group, delays.get(received.receipt_handle, 0))
    _give_back(queue, delays)
    log.info("batch.done", queue=queue.name, messages=len(messages), not_done=len(not_done))
    return not_done


def _give_back(queue: WorkQueue, delays: dict[str, int]) -> None:
    try:
        for handle, reason in queue.set_visibility(delays).items():
            log.warning("message.not_given_back", receipt_handle=handle[:40], reason=reason)
    except DarkroomError as error:  # they come back by themselves, only later
        log.warning("messages.not_given_back", detail=error.detail)


@contextmanager
def at(moment: float, action: Callable[[], None]) -> Iterator[None]:
    """Have something done then, on the monotonic clock, unless this has ended before."""
    timer = threading.Timer(max(0.0, moment - time.monotonic()), action)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
