"""Dead letters: orders that were given up. Look through them, send them again, or leave them for good.

They are found in the records, not by receiving their messages, which would hide and count them. A redrive
is one conditional update of the record, and then a new message built from it; a crash between the two
leaves an overdue order, which the sweep sends.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from darkroom.aws.cursors import dead_letter_cursor_after
from darkroom.errors import NotFound, Unavailable
from darkroom.record.order import Order
from darkroom.record.photo import PhotoRecord
from darkroom.services import Services

PAGE = 100


@dataclass(frozen=True)
class DeadOrder:
    """A dead letter, as it was when it was read."""

    photo: PhotoRecord
    order: Order

    @property
    def id(self) -> str:
        return f"{self.photo.id}/{self.order.id}"

    @property
    def cursor(self) -> str:
        """Of what follows its photo in the owner's list."""
        return dead_letter_cursor_after(self.photo)


def dead_orders(photo: PhotoRecord, code: str | None = None) -> list[DeadOrder]:
    """A photo's dead letters: all, or those with this reason."""
    return [
        DeadOrder(photo, order)
        for order in photo.orders.values()
        if order.dead_letter and code in (None, order.dead_letter.code) and not photo.deleted_or_expired
    ]


class DeadLetters:
    """The dead letters of an owner, or of all (None)."""

    def __init__(self, services: Services, owner: str | None) -> None:
        self._services = services
        self._owner = owner

    def get(self, photo_id: str, order_id: str) -> DeadOrder:
        """Raises NotFound when the order is no dead letter, or no longer, or another owner's."""
        photo = self._photo(self._services.table.get(photo_id), photo_id)
        for dead in dead_orders(photo):
            if dead.order.id == order_id:
                return dead
        raise NotFound(f"there is no dead letter {photo_id}/{order_id}")

    def of_photo(self, photo_id: str) -> list[DeadOrder]:
        """Raises NotFound when there is no such photo, or it is another owner's."""
        return dead_orders(self._photo(self._services.table.get(photo_id), photo_id))

    def page(self, limit: int, cursor: str | None = None) -> tuple[list[PhotoRecord], str | None]:
        """Photos with dead letters, and the cursor of what follows."""
        return self._services.table.list_dead_letters(self._owner, limit, cursor)

    def all(self, code: str | None = None) -> Iterator[DeadOrder]:
        """Every dead letter, or all with this reason."""
        cursor = None
        while True:
            photos, cursor = self.page(PAGE, cursor)
            for photo in photos:
                yield from dead_orders(photo, code)
            if cursor is None:
                return

    def latest(self, limit: int, code: str | None = None) -> tuple[int, list[DeadOrder]]:
        """How many there are, and the latest of them; only these are kept in memory."""
        total = 0

        def counted() -> Iterator[DeadOrder]:
            nonlocal total
            for dead in self.all(code):
                total += 1
                yield dead

        latest = heapq.nlargest(limit, counted(), key=_buried_at)
        return total, latest

    def redrive(self, photo_id: str, order_id: str, trace: str = "") -> tuple[PhotoRecord, bool]:
        """Queue a dead letter's jobs again. False beside the record: the message has to wait for the sweep.

        Raises NotFound when there is no such order or it is another owner's, Conflict when it is no dead letter.
        """
        resend_after = self._services.settings.resend_after

        def change(record: PhotoRecord) -> None:
            self._photo(record, photo_id).redrive(order_id, resend_after, trace)

        photo, _ = self._services.table.update(photo_id, change)
        try:
            self._services.outbox.send_order(photo, order_id)
        except Unavailable:
            return photo, False
        return photo, True

    def purge(self, photo_id: str, order_id: str) -> None:
        """Leave a dead letter for good; its jobs stay failed, and the sweep removes its message.

        Raises NotFound when the order is no dead letter, or another owner's.
        """
        self._services.table.update(photo_id, lambda record: self._photo(record, photo_id).order(order_id).discard())

    def _photo(self, photo: PhotoRecord | None, photo_id: str) -> PhotoRecord:
        """One answer for all reasons, so that nobody learns others' ids."""
        if photo is None or photo.deleted_or_expired or self._owner not in (None, photo.owner):
            raise NotFound(f"there is no photo {photo_id}")
        return photo


def _buried_at(dead: DeadOrder) -> tuple[datetime, str]:
    assert dead.order.dead_letter is not None
    return dead.order.dead_letter.at, dead.id
