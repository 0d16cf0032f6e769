"""Deliveries of the webhooks of a photo or a batch: one for each of its generations that has ended."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from darkroom.errors import Conflict
from darkroom.record.clock import now
from darkroom.record.stored import Stored, shortened

KEPT_DELIVERIES = 10
"""How many generations' deliveries the record keeps. Webhooks of older ones that did not arrive are dropped."""


class Delivery(Stored):
    """The attempts to deliver one webhook.

    `next_at`: when the next attempt is due; during an attempt: when its worker counts as dead. `message_id`: the
    message that the last attempt belongs to. Only this message leads to the next attempt; all others are dropped.
    """

    attempts: int = 0
    next_at: datetime | None = None
    message_id: str | None = None
    delivered_at: datetime | None = None
    given_up_at: datetime | None = None
    last_error: str | None = None

    @property
    def ended(self) -> bool:
        return bool(self.delivered_at or self.given_up_at)

    def begin(self, attempt: int, message_id: str, until: datetime) -> Delivery:
        """Return the delivery as it is during an attempt, counted from 1. `note` adds the attempt to `attempts`.

        `until`: when the worker counts as dead. Raises Conflict when it is not this attempt's turn, or not yet.
        """
        if self.ended or self.attempts != attempt - 1:
            raise Conflict(f"attempt {attempt} is not the next one")
        if self.next_at and self.next_at > now():
            raise Conflict(f"attempt {attempt} is under way, or not due yet")
        return self.model_copy(update={"message_id": message_id, "next_at": until})

    def note(self, attempt: int, error: str | None, next_at: datetime | None) -> Delivery:
        """Return the delivery as it is after an attempt. An error without `next_at` ends the delivery.

        Raises Conflict when the attempt failed and was noted before: only one worker may lead to the next attempt.
        """
        if error and self.attempts >= attempt:
            raise Conflict(f"attempt {attempt} is noted already")
        at = now()
        return Delivery(
            attempts=max(attempt, self.attempts),
            next_at=next_at,
            message_id=self.message_id,
            delivered_at=None if error else at,
            given_up_at=at if error and not next_at else None,
            last_error=shortened(error) if error else self.last_error,
        )


class Callback(Stored):
    """Where webhooks go, and their deliveries by generation."""

    url: str
    deliveries: dict[int, Delivery] = Field(default_factory=dict)

    def delivery(self, generation: int) -> Delivery:
        return self.deliveries.get(generation, Delivery())

    def keep(self, generation: int, delivery: Delivery) -> None:
        self.deliveries[generation] = delivery

    def drop_old(self, generation: int) -> None:
        """Forget deliveries that are too old when the record has reached this generation."""
        self.deliveries = {
            number: one for number, one in self.deliveries.items() if number > generation - KEPT_DELIVERIES
        }


class WithCallback(Stored):
    """A record whose ends are reported by webhooks: a photo, or a batch."""

    callback: Callback | None = None
    generation: int = 1

    @property
    def deleted_or_expired(self) -> bool:
        raise NotImplementedError

    def delivery(self, generation: int | None = None) -> Delivery | None:
        """The state of a generation's webhook; None when there is none to deliver."""
        generation = generation or self.generation
        if self.callback is None or self.deleted_or_expired or generation <= self.generation - KEPT_DELIVERIES:
            return None
        return self.callback.delivery(generation)

    def begin_delivery(self, generation: int, attempt: int, message_id: str, until: datetime) -> None:
        """Start an attempt to deliver a webhook (`Delivery.begin`).

        `until`: when the worker counts as dead. Raises Conflict when it is not this attempt's turn.
        """
        delivery = self.delivery(generation)
        if self.callback is None or delivery is None:
            raise Conflict(f"there is no webhook to deliver for generation {generation}")
        self.callback.keep(generation, delivery.begin(attempt, message_id, until))
        self.callback.drop_old(self.generation)

    def note_delivery(
        self, generation: int, attempt: int, error: str | None = None, next_at: datetime | None = None
    ) -> None:
        """Note how an attempt ended (`Delivery.note`). Does nothing if the delivery has ended. Raises Conflict."""
        delivery = self.delivery(generation)
        if self.callback and delivery and not delivery.ended:
            self.callback.keep(generation, delivery.note(attempt, error, next_at))
