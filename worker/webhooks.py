"""Webhooks: every photo that has ended is told of to its callback, at least once and always under the same id.

receive -> read the record -> POST -> write down what came of it -> send what follows -> delete. A message is deleted
last, so that a death between any two steps leaves one that leads back here. A delivery has an end, so its message
needs no heartbeat: it stays hidden for longer than that. All of it runs beside the work on photos and never holds
that up.
"""

from __future__ import annotations

import ssl
import threading
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import datetime, timedelta
from math import ceil

import structlog
from pydantic import SecretStr

import darkroom
from darkroom.callback import read_callback
from darkroom.errors import DarkroomError, DeliveryFailed, MessageError
from darkroom.message import WebhookMessage, read_webhook
from darkroom.queue import BATCH, Received
from darkroom.record import PhotoRecord, now
from darkroom.services import Services
from darkroom.signing import secrets_of, signed_headers
from darkroom.views import photo_completed
from worker.delivery import Again, Delivered, GivenUp, judge
from worker.outbound import Answer, post
from worker.verdict import backoff

log = structlog.get_logger()

AT_A_TIME = 16
"""Deliveries of one worker. They wait for others most of the time."""

MARGIN = 15
"""Seconds that a message stays hidden beyond the time that its delivery may take: for the record and for SQS."""

HEADERS = {"Content-Type": "application/json", "User-Agent": f"Darkroom/{darkroom.__version__}"}


class WebhookSender:
    """Delivers what waits on the queue of webhooks. `stopping`: the worker stops."""

    def __init__(self, services: Services, secret: SecretStr, stopping: threading.Event) -> None:
        self._services = services
        self._settings = settings = services.settings
        self._queue = services.webhooks
        self._secret = secret
        self._stopping = stopping
        self._hidden = max(settings.lease, ceil(settings.webhook_timeout) + MARGIN)
        self._tls = ssl.create_default_context()
        self._failures = 0

    def run(self) -> None:
        """Receive as many as can be delivered at once, until the worker stops; then wait for those under way."""
        running: set[Future[None]] = set()
        with ThreadPoolExecutor(AT_A_TIME, thread_name_prefix="webhook") as pool:
            while not self._stopping.is_set():
                running = {delivery for delivery in running if not delivery.done()}
                if len(running) == AT_A_TIME:
                    wait(running, timeout=1, return_when=FIRST_COMPLETED)
                    continue
                for received in self._receive(AT_A_TIME - len(running)):
                    if self._stopping.is_set():  # the poll was under way when the stop came
                        self._give_back(received, 0)
                    else:
                        running.add(pool.submit(self.handle, received))

    def handle(self, received: Received) -> None:
        """Handle a message to its end; whatever goes wrong, it is given back."""
        try:
            message = read_webhook(received.body)
            with structlog.contextvars.bound_contextvars(photo=message.photo, owner=message.owner):
                self._handle(message)
            self._queue.delete([received.receipt_handle])
        except MessageError as error:
            log.error("webhook.refused", message=received.id, detail=error.detail)
            self._bury(received, error)
        except DarkroomError as error:  # also a message or a record of a newer release
            log.warning("webhook.postponed", message=received.id, code=error.code, detail=error.detail)
            self._give_back(received, backoff(received.receives, self._settings))
        except Exception:
            log.exception("webhook.unexpected_error", message=received.id)
            self._give_back(received, backoff(received.receives, self._settings))

    # --- one message --------------------------------------------------------------------------------------------

    def _handle(self, message: WebhookMessage) -> None:
        if message.not_before > now():  # SQS cannot keep it back for long enough
            self._services.send_webhook(message)
            return
        photo = self._services.table.get(message.photo)
        delivery = photo.webhook(message.generation) if photo else None
        if photo is None or delivery is None or delivery.ended:
            log.info("webhook.dropped", reason="it is done, or the photo or its callback is gone")
        elif delivery.next_at and delivery.next_at > now():  # another message was faster
            self._services.send_webhook(message.model_copy(update={"not_before": delivery.next_at}))
        else:
            self._deliver(message, photo, delivery.attempts + 1)

    def _deliver(self, message: WebhookMessage, photo: PhotoRecord, attempt: int) -> None:
        outcome = self._outcome(message, photo)
        at = now()
        error: str | None = None
        next_at: datetime | None = None
        match judge(outcome, attempt, at):
            case Delivered():
                log.info("webhook.delivered", attempt=attempt)
            case Again(delay, error):
                next_at = at + timedelta(seconds=delay)
                log.warning("webhook.failed", attempt=attempt, detail=error, next_in=round(delay))
            case GivenUp(error):
                log.error("webhook.given_up", attempt=attempt, detail=error)
        self._services.table.update(
            photo.id, lambda record: record.note_delivery(message.generation, error, next_at), known=photo
        )
        if next_at:
            self._services.send_webhook(message.model_copy(update={"not_before": next_at}))

    def _outcome(self, message: WebhookMessage, photo: PhotoRecord) -> Answer | DeliveryFailed:
        try:
            return self._post(message, photo)
        except DeliveryFailed as error:
            return error

    def _post(self, message: WebhookMessage, photo: PhotoRecord) -> Answer:
        assert photo.callback is not None
        # Judged again: the setting that allowed it may have changed since.
        target = read_callback(photo.callback.url, self._settings.webhook_private_hosts)
        event = photo_completed(photo, self._settings.base_url, message.generation)
        body = event.model_dump_json()
        signed = signed_headers(event.id, body, secrets_of(photo.owner, self._secret))
        return post(target, body.encode(), HEADERS | signed, self._settings.webhook_timeout, self._tls)

    # --- the queue ----------------------------------------------------------------------------------------------

    def _receive(self, room: int) -> list[Received]:
        try:
            received = self._queue.receive(min(room, BATCH), self._settings.poll_wait, self._hidden)
        except DarkroomError as error:
            self._failures += 1
            pause = 1 + backoff(self._failures, self._settings)
            log.warning("webhooks.unavailable", detail=error.detail, pause=pause)
            self._stopping.wait(pause)
            return []
        self._failures = 0
        return received

    def _give_back(self, received: Received, seconds: int) -> None:
        try:
            self._queue.set_visibility({received.receipt_handle: seconds})
        except DarkroomError as error:
            log.warning("webhook.not_given_back", message=received.id, detail=error.detail)  # it comes back by itself

    def _bury(self, received: Received, error: MessageError) -> None:
        try:
            self._queue.bury(received, error.code, error.detail)
            self._queue.delete([received.receipt_handle])
        except DarkroomError as fault:
            log.warning("webhook.not_buried", message=received.id, detail=fault.detail)  # it is received again
