"""Keeps the dead-letter queue and the records consistent.

A worker that buries a message copies it to the dead-letter queue, with the reason and the order's fence, and
notes that in the record. Two things happen without the records: SQS itself moves a message that was received too
often, and a copy stays in the queue after its order was redriven, purged or deleted. A sweep looks at a limited number
of messages, repairs these two cases, and gives back the messages that are in order.
"""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass, field

import structlog

from darkroom.aws.queue import BATCH, LOOK, Received
from darkroom.errors import Conflict, DarkroomError, MessageGivenUp, NotFound, Unavailable
from darkroom.record.messages import OrderMessage, read_order
from darkroom.record.photo import PhotoRecord
from darkroom.services import Services

log = structlog.get_logger()

RECEIVES = 10
"""Receives of one sweep; each returns up to ten messages."""

LONGEST_HIDING = 3600
"""Seconds for which a message that was looked at may stay hidden."""

FAILURES = 5
"""A sweep gives up after it failed at this many messages because AWS was unavailable."""

AFTER_FAILURE = 600
"""Seconds until the next look at a message that failed, so that the messages behind it have their turn."""


@dataclass
class _Round:
    """The receipt handles of the messages that one sweep has looked at and not deleted."""

    kept: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    more_left: bool = False
    """Whether the queue probably holds messages that this sweep has not seen."""


class DeadLetterSweep:
    """The part of the sweep that looks at the dead-letter queue."""

    def __init__(self, services: Services, stopping: threading.Event) -> None:
        self._services = services
        self._queue = services.photos.dead_letters
        self._stopping = stopping

    def sweep(self) -> None:
        """Look at messages of the dead-letter queue, once. Raises Unavailable if AWS is down."""
        round_ = _Round()
        try:
            for number in range(RECEIVES):
                messages = [] if self._stopping.is_set() else self._queue.receive(BATCH, wait=1, visibility=LOOK)
                if not messages:
                    break
                round_.more_left = number == RECEIVES - 1
                self._look_at(messages, round_)
        finally:
            self._give_back(round_)

    def _look_at(self, messages: list[Received], round_: _Round) -> None:
        """Repair the messages, and delete those that are done. Raises Unavailable after too many failures."""
        done: list[str] = []
        try:
            for received in messages:
                try:
                    (done if self._is_done(received) else round_.kept).append(received.receipt_handle)
                except Unavailable as error:
                    round_.failed.append(received.receipt_handle)
                    if len(round_.failed) >= FAILURES:
                        raise
                    log.warning("dead_letter.failed", message=received.id, detail=error.detail)
                except Exception:
                    round_.failed.append(received.receipt_handle)
                    log.exception("dead_letter.unexpected_error", message=received.id)
        finally:
            self._queue.delete(done)

    def _give_back(self, round_: _Round) -> None:
        """Make the kept messages visible again: at once, or in a long queue after the others have had their turn. SQS
        may return the oldest messages first, and then each sweep would see the same ones."""
        delays = dict.fromkeys(round_.failed, AFTER_FAILURE)
        if round_.kept:
            longest = 0
            if round_.more_left:
                depth = self._queue.depth()
                rounds = (depth.visible + depth.in_flight) / (RECEIVES * BATCH)
                longest = min(LONGEST_HIDING, round(2 * rounds * self._services.settings.sweep_interval))
            delays |= {handle: random.randint(0, longest) for handle in round_.kept}  # noqa: S311 - no secret
        self._queue.set_visibility(delays)

    def _is_done(self, received: Received) -> bool:
        """Whether a message is done and can be deleted. Raises Unavailable if AWS is down."""
        try:
            message = read_order(received.body)
            with structlog.contextvars.bound_contextvars(photo=message.photo, order=message.order):
                photo = self._services.table.get(message.photo)
                if "code" in received.attributes:
                    return _is_stale(received, message, photo)
                return self._take_over(received, message, photo)
        except Unavailable:
            raise
        except Conflict as error:
            log.info("dead_letter.not_yet", detail=error.detail)  # it is in progress, or another worker was faster
        except DarkroomError as error:
            # The message is not readable, or only by a newer release: it stays in the queue.
            log.debug("dead_letter.kept", code=error.code, detail=error.detail)
        return False

    def _take_over(self, received: Received, message: OrderMessage, photo: PhotoRecord | None) -> bool:
        """Do for a message that SQS moved what a worker does when it buries one.

        The record is written first, then come the event and the copy with the reason; the message is deleted last. So
        after a crash the next sweep finds the message and goes on.
        """
        if photo is None:
            reason = NotFound(f"there is no photo {message.photo}")
            self._services.photos.bury(received, reason.code, reason.detail)
            return True
        if photo.deleted_or_expired or message.order not in photo.orders:
            return True
        order = photo.orders[message.order]
        if message.send < order.send_count:
            return True  # a later message of this order exists
        if order.unfinished_jobs:
            error = MessageGivenUp(self._history(photo, message.order))
            photo, _ = self._services.table.update(
                photo.id, lambda record: record.bury_abandoned(message.order, message.send, error), photo
            )
            order = photo.orders[message.order]
            log.error("dead_letter.found", receives=received.receives, detail=error.detail)
        # Also for an order that had ended: perhaps its message came back because the events were not sent.
        self._services.outbox.announce(photo, message)
        if order.dead_letter and order.dead_letter.code == MessageGivenUp.code:
            self._services.photos.bury(received, order.dead_letter.code, order.dead_letter.detail, order.fence)
        return True

    def _history(self, photo: PhotoRecord, order_id: str) -> str:
        receives = self._services.photos.max_receives()
        count = f"{receives} receives" if receives else "too many receives"
        order = photo.orders[order_id]
        errors = [error for job in order.unfinished_jobs for error in job.errors]
        last = f"; the last error was: {max(errors, key=lambda error: error.at).detail}" if errors else ""
        return f"SQS gave up on the message after {count}, {order.attempts} of them attempts{last}"


def _is_stale(copy: Received, message: OrderMessage, photo: PhotoRecord | None) -> bool:
    """Whether the dead letter of a copy no longer exists."""
    code, fence = copy.attributes["code"], copy.attributes.get("fence")
    if photo is None:
        return code != NotFound.code  # the record has expired; a message that never had one stays for an operator
    if photo.deleted_or_expired:
        return True
    if fence is None:  # the copy is of a message, not of an order
        return False
    order = photo.orders.get(message.order)
    return order is None or order.dead_letter is None or fence != str(order.fence)
