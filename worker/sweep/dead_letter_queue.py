"""The dead-letter queue and the records agree: what the sweep does about it.

What a worker buries it copies there with the reason and the order's fence, and the record says so.
Two things come about without the records: SQS itself moves a message that was received too often, and a
copy outlives its dead letter when that is redriven, purged or deleted. A sweep looks at a bounded number of
messages and gives back those that are in their place.
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
"""Of one sweep, each of up to ten messages."""

LONGEST_HIDING = 3600

FAILURES = 5
"""Messages that AWS would not let us look after, until a sweep gives up."""

AFTER_FAILURE = 600
"""Seconds until such a message is looked at again, so that those behind it have their turn."""


@dataclass
class _Round:
    """What one sweep has looked at and not deleted, by receipt handle."""

    kept: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    deeper: bool = False
    """Whether it has probably not seen all."""


class DeadLetterSweep:
    def __init__(self, services: Services, stopping: threading.Event) -> None:
        self._services = services
        self._queue = services.photos.dead_letters
        self._stopping = stopping

    def sweep(self) -> None:
        """Look at messages of the dead-letter queue, once. Raises Unavailable when AWS is down."""
        round_ = _Round()
        try:
            for number in range(RECEIVES):
                messages = [] if self._stopping.is_set() else self._queue.receive(BATCH, wait=1, visibility=LOOK)
                if not messages:
                    break
                round_.deeper = number == RECEIVES - 1
                self._look_at(messages, round_)
        finally:
            self._give_back(round_)

    def _look_at(self, messages: list[Received], round_: _Round) -> None:
        """Delete those that have served. Raises Unavailable once too many could not be looked after."""
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
        """At once; but in a deep queue not before the others had their turn, or one that hands out its oldest messages
        first would show the same ones for ever."""
        delays = dict.fromkeys(round_.failed, AFTER_FAILURE)
        if round_.kept:
            longest = 0
            if round_.deeper:
                depth = self._queue.depth()
                rounds = (depth.visible + depth.in_flight) / (RECEIVES * BATCH)
                longest = min(LONGEST_HIDING, round(2 * rounds * self._services.settings.sweep_interval))
            delays |= {handle: random.randint(0, longest) for handle in round_.kept}  # noqa: S311 - no secret
        self._queue.set_visibility(delays)

    def _is_done(self, received: Received) -> bool:
        """Whether a message has served and can be deleted. Raises Unavailable when AWS is down."""
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
            log.info("dead_letter.not_yet", detail=error.detail)  # in work, or somebody was faster
        except DarkroomError as error:
            # Nobody can read it, or only a newer release: it stays where it is.
            log.debug("dead_letter.left", code=error.code, detail=error.detail)
        return False

    def _take_over(self, received: Received, message: OrderMessage, photo: PhotoRecord | None) -> bool:
        """Do for a message that SQS moved what a worker does when it buries one.

        The record first, then the event, then the copy with the reason; the message is deleted last. A crash in
        between leaves the message, which leads back here.
        """
        if photo is None:
            reason = NotFound(f"there is no photo {message.photo}")
            self._services.photos.bury(received, reason.code, reason.detail)
            return True
        if photo.deleted_or_expired or message.order not in photo.orders:
            return True
        order = photo.orders[message.order]
        if message.send < order.send_count:
            return True  # a later message has taken its place
        if order.unfinished_jobs:
            error = MessageGivenUp(self._history(photo, message.order))
            photo, _ = self._services.table.update(
                photo.id, lambda record: record.bury_abandoned(message.order, message.send, error), photo
            )
            order = photo.orders[message.order]
            log.error("dead_letter.found", receives=received.receives, detail=error.detail)
        # Also of one that had ended: perhaps nobody was told, and the message came back for that.
        self._services.outbox.announce(photo, message)
        if order.dead_letter and order.dead_letter.code == MessageGivenUp.code:
            self._services.photos.bury(received, order.dead_letter.code, order.dead_letter.detail, order.fence)
        return True

    def _history(self, photo: PhotoRecord, order_id: str) -> str:
        receives = self._services.photos.max_receives()
        often = f"{receives} receives" if receives else "too many receives"
        order = photo.orders[order_id]
        errors = [error for job in order.unfinished_jobs for error in job.errors]
        last = f"; the last error was: {max(errors, key=lambda error: error.at).detail}" if errors else ""
        return f"SQS gave the message up after {often}, {order.attempts} of them attempts{last}"


def _is_stale(copy: Received, message: OrderMessage, photo: PhotoRecord | None) -> bool:
    """Whether a copy no longer stands for a dead letter."""
    code, fence = copy.attributes["code"], copy.attributes.get("fence")
    if photo is None:
        return code != NotFound.code  # expired and removed; what never had a record stays for people to look at
    if photo.deleted_or_expired:
        return True
    if fence is None:  # a message was buried, and not an order
        return False
    order = photo.orders.get(message.order)
    return order is None or order.dead_letter is None or fence != str(order.fence)
