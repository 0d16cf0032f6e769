"""Deliveries of a photo's webhooks: one for each generation of the photo that has ended."""

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
        """Forget deliveries that are too old when the photo has reached this generation."""
        self.deliveries = {
            number: one for number, one in self.deliveries.items() if number > generation - KEPT_DELIVERIES
        }
