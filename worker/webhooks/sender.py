"""Webhooks: every photo that has ended is told of to its callback, at least once and always under the same id.

receive -> take the attempt in the record -> POST -> write down what came of it -> send what follows -> delete. A
message is deleted last, so that a death between any two steps leaves one that leads back here. Of several messages
the one that has the attempt leads to the next; the others find that and are dropped.

A delivery has an end, so its message needs no heartbeat: it stays hidden for longer than that. All of it runs beside
the work on photos and never holds that up.
"""

from __future__ import annotations

import queue
import ssl
import threading
import time
from datetime import datetime, timedelta
from math import ceil

import structlog
from pydantic import SecretStr

import darkroom
from darkroom.aws.queue import BATCH, Received
from darkroom.errors import Conflict, DarkroomError, DeliveryFailed, MessageError
from darkroom.record.clock import now
from darkroom.record.events import photo_completed
from darkroom.record.messages import WebhookMessage, read_webhook
from darkroom.record.photo import PhotoRecord
from darkroom.services import Services
from darkroom.webhooks.callback import read_callback
from darkroom.webhooks.signing import secrets_of, signed_headers
from worker.verdict import Bury, Delete, Retry, Verdict, backoff, poll_pause
from worker.webhooks.fairness import Turns
from worker.webhooks.schedule import Again, Delivered, GivenUp, judge_delivery
from worker.webhooks.transport import Answer, post

log = structlog.get_logger()

AT_A_TIME = 16
"""Deliveries of one worker. They wait for others most of the time."""

CALL = 3
"""AWS's time-outs that a call takes at worst, with all its tries. Longer than that nobody waits for a dead worker's
webhook; should several calls hang and the message be received again, it finds that the attempt is taken, or noted."""

HEADERS = {"Content-Type": "application/json", "User-Agent": f"Darkroom/{darkroom.__version__}"}


class WebhookSender:
    """Delivers what waits on the queue of webhooks. `stopping`: the worker stops."""

    def __init__(self, services: Services, secret: SecretStr, stopping: threading.Event) -> None:
        self._services = services
        self._settings = settings = services.settings
        self._queue = services.webhooks
        self._secret = secret
        self._stopping = stopping
        self._hidden = ceil(settings.webhook_timeout + CALL * settings.aws_timeout)
        self._longest = timedelta(seconds=settings.webhook_timeout + settings.aws_timeout)
        self._tls = ssl.create_default_context()
        self._failures = 0
        self._turns = Turns()
        self._received: queue.SimpleQueue[Received] = queue.SimpleQueue()
        self._in_work = 0
        self._interrupted = False
        self._changed = threading.Condition()

    def run(self) -> None:
        """Receive as many as can be handled at once, until the worker stops; then wait for those under way."""
        for number in range(AT_A_TIME):
            # Daemons, since an interrupted worker does not wait for them.
            threading.Thread(target=self._work, name=f"webhook-{number}", daemon=True).start()
        while not self._stopping.is_set():
            with self._changed:
                self._changed.wait_for(lambda: self._in_work < AT_A_TIME, timeout=1)
                room = AT_A_TIME - self._in_work
            for received in self._receive(room) if room else []:
                if self._stopping.is_set():  # the poll was under way when the stop came
                    self._settle(received, Retry(0))
                    continue
                with self._changed:
                    self._in_work += 1
                self._received.put(received)
        with self._changed:
            self._changed.wait_for(lambda: self._interrupted or not self._in_work)

    def interrupt(self) -> None:
        """Do not wait for what is under way: it comes again when its message is visible. For other threads."""
        with self._changed:
            self._interrupted = True
            self._changed.notify_all()

    def _work(self) -> None:
        while True:
            received = self._received.get()
            try:
                self._settle(received, self.handle(received))
            except Exception:
                log.exception("webhook.left", message=received.id)  # it comes back by itself
            finally:
                with self._changed:
                    self._in_work -= 1
                    self._changed.notify_all()

    def handle(self, received: Received) -> Verdict:
        """Handle a message to its end and say what shall become of it: whatever goes wrong, it comes again."""
        try:
            message = read_webhook(received.body)
            with structlog.contextvars.bound_contextvars(photo=message.photo, owner=message.owner):
                self._handle(message, message.id)
            return Delete()
        except MessageError as error:
            log.error("webhook.refused", message=received.id, detail=error.detail)
            return self._bury(received, error)
        except Conflict as error:
            log.info("webhook.overtaken", message=received.id, detail=error.detail)
        except DarkroomError as error:  # also a message or a record of a newer release
            log.warning("webhook.postponed", message=received.id, code=error.code, detail=error.detail)
        except Exception:
            log.exception("webhook.unexpected_error", message=received.id)
        return Retry(backoff(received.receives, self._settings))

    # --- one message --------------------------------------------------------------------------------------------

    def _handle(self, message: WebhookMessage, me: str) -> None:
        """`me`: under which id the record knows the message, however often it was put off."""
        if message.not_before > now():  # SQS cannot keep it back for long enough
            self._put_off(message, me, message.not_before)
            return
        photo = self._services.table.get(message.photo)
        delivery = photo.delivery(message.generation) if photo else None
        if photo is None or delivery is None or delivery.ended:
            log.info("webhook.dropped", reason="it is done, or the photo or its callback is gone")
        elif delivery.next_at and delivery.next_at > now():
            if delivery.message_id in (None, me):  # whoever handled this died before it could send the next one
                self._services.outbox.send_webhook(WebhookMessage.of(photo, message.generation, delivery.next_at))
            else:
                log.info("webhook.dropped", reason="another message leads to the next attempt")
        else:
            began = time.monotonic()
            if wait := self._turns.take(photo.owner, began):
                self._put_off(message, me, now() + timedelta(seconds=wait))
                return
            try:
                self._deliver(message, me, photo, delivery.attempts + 1)
            finally:
                self._turns.done(photo.owner, began, time.monotonic())

    def _put_off(self, message: WebhookMessage, me: str, until: datetime) -> None:
        """Sent anew, for a message that is only hidden is counted as received once more."""
        self._services.outbox.send_webhook(message.model_copy(update={"not_before": until, "id": me}))

    def _deliver(self, message: WebhookMessage, me: str, photo: PhotoRecord, attempt: int) -> None:
        table, generation = self._services.table, message.generation
        until = now() + self._longest
        photo, _ = table.update(
            photo.id, lambda record: record.begin_delivery(generation, attempt, me, until), known=photo
        )
        outcome = self._outcome(message, photo)
        at = now()
        error: str | None = None
        next_at: datetime | None = None
        match judge_delivery(outcome, attempt, at):
            case Delivered():
                log.info("webhook.delivered", attempt=attempt)
            case Again(delay, error):
                next_at = at + timedelta(seconds=delay)
                log.warning("webhook.failed", attempt=attempt, detail=error, next_in=round(delay))
            case GivenUp(error):
                log.error("webhook.given_up", attempt=attempt, detail=error)
        photo, _ = table.update(
            photo.id, lambda record: record.note_delivery(generation, attempt, error, next_at), known=photo
        )
        if next_at:
            self._services.outbox.send_webhook(WebhookMessage.of(photo, generation, next_at))

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
            pause = poll_pause(self._failures)
            log.warning("webhooks.unavailable", detail=error.detail, pause=round(pause, 1))
            self._stopping.wait(pause)
            return []
        self._failures = 0
        return received

    def _settle(self, received: Received, verdict: Verdict) -> None:
        try:
            if isinstance(verdict, Retry):
                self._queue.set_visibility({received.receipt_handle: verdict.delay})
            else:
                self._queue.delete([received.receipt_handle])
        except DarkroomError as error:
            log.warning("webhook.not_settled", message=received.id, detail=error.detail)  # it comes back by itself

    def _bury(self, received: Received, error: MessageError) -> Verdict:
        try:
            self._queue.bury(received, error.code, error.detail)
        except DarkroomError as fault:
            log.warning("webhook.not_buried", message=received.id, detail=fault.detail)
            return Retry(backoff(received.receives, self._settings))
        return Bury()
