"""A batch of messages that Lambda received and will delete: they are handled one after the other while time is left.
Meanwhile photos by URL are fetched at the same time.

Lambda deletes every message that the answer does not name. Messages that are not done are named, and given back here
with the delay of their verdict; otherwise they would stay hidden until the queue's own, long visibility timeout.

- Delete, Bury: the message is done. The copy of a buried one is in the dead-letter queue already.
- Retry, or not begun: the message is named and given back.
- Leave: the message is named, and its visibility stays as it is, because another worker holds it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from contextvars import copy_context
from dataclasses import replace
from functools import partial

import structlog

from darkroom.aws.queue import Received, WorkQueue
from darkroom.errors import DarkroomError, SettingsError
from darkroom.services import Services
from darkroom.settings import PREFIX, Settings
from worker.alive import AliveNotes
from worker.announcer import announce_now
from worker.child.runner import PhotoProcessors
from worker.handlers import make_handlers
from worker.ingest.fetcher import is_fetch
from worker.ingest.rules import IngestRules
from worker.lease import Lease, clock
from worker.verdict import Bury, Delete, Retry, Verdict, backoff
from worker.watchdog import watchdog
from worker.webhooks.sender import WebhookSender

log = structlog.get_logger()

SETTLING = 5.0
"""Seconds before the deadline at which the current message is interrupted, so that it can still be given back."""

TRANSFER = 5.0
"""Seconds for the download of a photo and the upload of its results. The time limit does not include them."""

TRANSFERS = 4
"""Files that are transferred at a time."""

Handle = Callable[[Received], Verdict]


class BatchWorker:
    """Handles batches. Between two batches it keeps only connections, because hours may lie between them.

    Raises SettingsError for faulty files of presets or owners.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._settings = settings = services.settings
        self._rules = IngestRules.read(settings)
        secret = settings.webhook_secret
        self._sender = WebhookSender(services, secret, threading.Event()) if secret else None
        self._capped = False
        self._alive = AliveNotes(services.workers)
        self._batches: dict[str, Callable[[Sequence[Received], float], list[str]]] = {
            **{queue.name: partial(self._process, queue) for queue in (services.photos, services.ingest)},
            services.webhooks.name: self._deliver,
        }

    def run(self, queue_name: str, messages: Sequence[Received], deadline: float) -> list[str]:
        """Handle a queue's batch until `deadline`, on the monotonic clock. Returns the ids of those that are not done.

        Raises SettingsError if the function is set up wrongly: then Lambda retries the whole batch.
        """
        batch = self._batches.get(queue_name)
        if batch is None:
            known = ", ".join(self._batches)
            raise SettingsError(
                f"this deployment has no queue {queue_name}: connect one of {known}, or set {PREFIX}STACK"
            )
        not_done = batch(messages, deadline)
        self._alive.note()
        return not_done

    def _process(self, queue: WorkQueue, messages: Sequence[Received], deadline: float) -> list[str]:
        limit = self._time_limit(deadline - time.monotonic())
        settings = self._settings.model_copy(update={"time_limit": limit})
        # New ones for each batch: an interrupt lasts for good, and Lambda must not freeze a child or a thread.
        processors = PhotoProcessors(settings, children=1)
        services = replace(self._services, settings=settings)

        def handle(received: Received) -> Verdict:
            # The lease is never renewed: the queue hides a message for longer than a function may run.
            verdict = handler.handle(received, Lease(received, queue, clock() + deadline - time.monotonic()))
            if isinstance(verdict, Delete | Bury):
                self._alive.count()
            return announce_now(verdict, received, settings)

        with (
            ThreadPoolExecutor(TRANSFERS, "transfer") as transfers,
            closing(processors),
            watchdog(deadline - SETTLING, processors.interrupt),
        ):
            handler = make_handlers(services, self._rules, processors, transfers)[queue]
            return handle_all(queue, messages, deadline - SETTLING - TRANSFER - limit, handle, settings)

    def _time_limit(self, seconds: float) -> int:
        """The time limit for an order's jobs: at most half of the invocation's time. A job that hangs reaches it twice,
        first with all jobs of its order and then alone. Without time for both, the order would be retried for ever."""
        limit = min(self._settings.time_limit, int((seconds - SETTLING - TRANSFER) / 2))
        if limit < 1:
            raise SettingsError(f"{seconds:.0f} s are too short to process a photo: give the function a longer timeout")
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
        return handle_all(self._services.webhooks, messages, latest, self._sender.handle, self._settings)


def handle_all(
    queue: WorkQueue, messages: Sequence[Received], latest: float, handle: Handle, settings: Settings
) -> list[str]:
    """Handle messages, and begin none after `latest`. Returns the ids of those that are not done.

    Photos by URL are fetched at the same time, because fetches mostly wait. Meanwhile the others are handled one
    after the other. In a FIFO queue a group stops at its first message that is not done, so that no later one overtakes
    it.
    """
    not_done: list[str] = []
    delays: dict[str, int] = {}
    stopped: dict[str | None, int] = {}
    with ThreadPoolExecutor(settings.fetches, "fetch") as threads:

        def begin(received: Received) -> Future[Verdict]:
            return threads.submit(copy_context().run, _verdict_of, received, latest, handle, settings)

        fetches = {received.id: begin(received) for received in messages if is_fetch(received)}
        for received in sorted(messages, key=lambda one: one.id in fetches):
            verdict: Verdict
            if received.id in fetches:
                verdict = fetches[received.id].result()
            elif queue.fifo and received.group in stopped:
                verdict = Retry(stopped[received.group], counts=False)
            else:
                verdict = _verdict_of(received, latest, handle, settings)
            if isinstance(verdict, Delete | Bury):
                continue
            not_done.append(received.id)
            if isinstance(verdict, Retry):
                delays[received.receipt_handle] = verdict.delay
            stopped.setdefault(received.group, delays.get(received.receipt_handle, 0))
    _give_back(queue, delays)
    log.info("batch.done", queue=queue.name, messages=len(messages), not_done=len(not_done))
    return not_done


def _verdict_of(received: Received, latest: float, handle: Handle, settings: Settings) -> Verdict:
    if time.monotonic() > latest:
        return Retry(0, counts=False)
    try:
        return handle(received)
    except Exception:
        log.exception("message.unexpected_error", message=received.id)
        return Retry(backoff(received.receives, settings))


def _give_back(queue: WorkQueue, delays: dict[str, int]) -> None:
    try:
        for handle, reason in queue.set_visibility(delays).items():
            log.warning("message.not_given_back", receipt_handle=handle[:40], reason=reason)
    except DarkroomError as error:  # they become visible again by themselves, but later
        log.warning("messages.not_given_back", detail=error.detail)
