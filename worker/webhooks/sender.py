"""Webhooks: each photo and each batch that has ended is reported to its callback, at least once and always under the
same event id.

receive -> reserve the attempt in the record -> POST -> record the outcome -> send the next message -> delete. The
message is deleted last, so a crash between any two steps leaves a message, and the delivery goes on. If there are
several messages for one delivery, the one that has the attempt leads to the next one; the others are dropped.

A delivery has a time limit, so its message needs no heartbeat: it stays hidden for longer than the limit. All of this
runs beside the work on photos and does not delay it.
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
from darkroom.aws.queue import Received
from darkroom.errors import Conflict, DarkroomError, DeliveryFailed, MessageError
from darkroom.record.clock import now
from darkroom.record.events import Event
from darkroom.record.messages import BatchWebhookMessage, WebhookMessage, read_webhook
from darkroom.record.photo import PhotoRecord
from darkroom.record.photo_batch import Batch
from darkroom.services import Services
from darkroom.webhooks.callback import read_callback
from darkroom.webhooks.signing import secrets_of, signed_headers
from worker.poller import Poller
from worker.refusal import refuse
from worker.verdict import Delete, Retry, Verdict, backoff
from worker.webhooks.fair_share import FairShare
from worker.webhooks.schedule import Delivered, GivenUp, TryAgain, judge_delivery
from worker.webhooks.subjects import R, Subject, subject_of
from worker.webhooks.transport import WebhookResponse, post

log = structlog.get_logger()

AnyMessage = WebhookMessage | BatchWebhookMessage

AT_A_TIME = 16
"""Deliveries that one worker runs at the same time. They mostly wait for receivers."""

CALL = 3
"""The longest time of a call to AWS with all its tries, in AWS timeouts. A message stays hidden for one such call. If
more calls hang, the message is received again, and finds in the record that the attempt is reserved or done."""

HEADERS = {"Content-Type": "application/json", "User-Agent": f"Darkroom/{darkroom.__version__}"}


class WebhookSender:
    """Delivers the webhooks on the queue, until `stopping` is set."""

    def __init__(self, services: Services, secret: SecretStr, stopping: threading.Event) -> None:
        self._services = services
        self._settings = settings = services.settings
        self._queue = services.webhooks
        self._secret = secret
        self._stopping = stopping
        self._hidden = ceil(settings.webhook_timeout + CALL * settings.aws_timeout)
        self._longest = timedelta(seconds=settings.webhook_timeout + settings.aws_timeout)
        self._tls = ssl.create_default_context()
        self._fair_share = FairShare()
        self._received: queue.SimpleQueue[Received] = queue.SimpleQueue()
        self._in_progress = 0
        self._interrupted = False
        self._changed = threading.Condition()

    def run(self) -> None:
        """Receive as many messages as can be handled at once. When the worker stops, wait for those in progress."""
        for number in range(AT_A_TIME):
            # Daemon threads, because an interrupted worker does not wait for them.
            threading.Thread(target=self._work, name=f"webhook-{number}", daemon=True).start()
        poller = Poller(self._queue, self._settings.poll_wait, self._hidden, self._stopping)
        for messages in poller.receive(self._wait_for_capacity):
            for received in messages:
                if self._stopping.is_set():  # the worker began to stop during the poll
                    self._settle(received, Retry(0))
                    continue
                with self._changed:
                    self._in_progress += 1
                self._received.put(received)
        with self._changed:
            self._changed.wait_for(lambda: self._interrupted or not self._in_progress)

    def _wait_for_capacity(self) -> int:
        """Wait until there are fewer than AT_A_TIME deliveries, or one second. Returns how many more may begin."""
        with self._changed:
            self._changed.wait_for(lambda: self._in_progress < AT_A_TIME, timeout=1)
            return AT_A_TIME - self._in_progress

    def interrupt(self) -> None:
        """Stop waiting for deliveries in progress: their messages become visible again. Called by other threads."""
        with self._changed:
            self._interrupted = True
            self._changed.notify_all()

    def _work(self) -> None:
        while True:
            received = self._received.get()
            try:
                self._settle(received, self.handle(received))
            except Exception:
                log.exception("webhook.unsettled", message=received.id)  # it becomes visible again by itself
            finally:
                with self._changed:
                    self._in_progress -= 1
                    self._changed.notify_all()

    def handle(self, received: Received) -> Verdict:
        """Carry out a message and return its verdict. After any failure the message comes again."""
        try:
            message = read_webhook(received.body)
            subject = subject_of(message, self._services)
            name = {"batch": subject.id} if isinstance(message, BatchWebhookMessage) else {"photo": subject.id}
            with structlog.contextvars.bound_contextvars(**name, owner=message.owner):
                self._handle(message, subject)
            return Delete()
        except MessageError as error:
            return refuse(self._queue, received, error, self._settings)
        except Conflict as error:
            log.info("webhook.overtaken", message=received.id, detail=error.detail)
        except DarkroomError as error:  # also for a message or a record of a newer release
            log.warning("webhook.postponed", message=received.id, code=error.code, detail=error.detail)
        except Exception:
            log.exception("webhook.unexpected_error", message=received.id)
        return Retry(backoff(received.receives, self._settings))

    # --- one message --------------------------------------------------------------------------------------------

    def _handle(self, message: AnyMessage, subject: Subject[R]) -> None:
        if message.not_before > now():  # SQS cannot delay a message for long enough
            self._put_off(message, message.not_before)
            return
        record = subject.records.get(subject.id)
        delivery = record.delivery(message.generation) if record else None
        if record is None or delivery is None or delivery.ended:
            log.info("webhook.dropped", reason="it was delivered or given up, or its record or callback is gone")
        elif delivery.next_at and delivery.next_at > now():
            if delivery.message_id in (None, message.id):  # a worker died before it sent the next message
                self._services.outbox.send_webhook(subject.message(record, message.generation, delivery.next_at))
            else:
                log.info("webhook.dropped", reason="another message leads to the next attempt")
        else:
            began = time.monotonic()
            if wait := self._fair_share.take(record.owner, began):
                self._put_off(message, now() + timedelta(seconds=wait))
                return
            try:
                self._deliver(message, subject, record, delivery.attempts + 1)
            finally:
                self._fair_share.done(record.owner, began, time.monotonic())

    def _put_off(self, message: AnyMessage, until: datetime) -> None:
        """Send the message again with a delay. Hiding it instead would add to its count of receives."""
        self._services.outbox.send_webhook(message.model_copy(update={"not_before": until}))

    def _deliver(self, message: AnyMessage, subject: Subject[R], known: R, attempt: int) -> None:
        records, generation = subject.records, message.generation
        until = now() + self._longest
        record, _ = records.update(
            subject.id, lambda record: record.begin_delivery(generation, attempt, message.id, until), known
        )
        outcome = self._outcome(subject.event(record, generation), record)
        at = now()
        error: str | None = None
        next_at: datetime | None = None
        match judge_delivery(outcome, attempt, at):
            case Delivered():
                log.info("webhook.delivered", attempt=attempt)
            case TryAgain(delay, error):
                next_at = at + timedelta(seconds=delay)
                log.warning("webhook.failed", attempt=attempt, detail=error, next_in=round(delay))
            case GivenUp(error):
                log.error("webhook.given_up", attempt=attempt, detail=error)
        record, _ = records.update(
            subject.id, lambda record: record.note_delivery(generation, attempt, error, next_at), record
        )
        if next_at:
            self._services.outbox.send_webhook(subject.message(record, generation, next_at))

    def _outcome(self, event: Event, record: PhotoRecord | Batch) -> WebhookResponse | DeliveryFailed:
        try:
            return self._post(event, record)
        except DeliveryFailed as error:
            return error

    def _post(self, event: Event, record: PhotoRecord | Batch) -> WebhookResponse:
        assert record.callback is not None
        # Check the address again: the setting that allowed it may have changed.
        target = read_callback(record.callback.url, self._settings.webhook_private_hosts)
        body = event.model_dump_json()
        signed = signed_headers(event.id, body, secrets_of(record.owner, self._secret))
        return post(target, body.encode(), HEADERS | signed, self._settings.webhook_timeout, self._tls)

    # --- the queue ----------------------------------------------------------------------------------------------

    def _settle(self, received: Received, verdict: Verdict) -> None:
        try:
            if isinstance(verdict, Retry):
                self._queue.set_visibility({received.receipt_handle: verdict.delay})
            else:
                self._queue.delete([received.receipt_handle])
        except DarkroomError as error:
            # The message becomes visible again by itself.
            log.warning("webhook.unsettled", message=received.id, detail=error.detail)
