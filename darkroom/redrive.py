"""Dead letters, which are buried orders: list, redrive or purge them.

They are listed from the records: receiving their messages would hide these, and count the receives. A redrive updates
the record and then sends a new message made from it. After a crash between the two the order is overdue, and the sweep
sends it.
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
    """A dead letter, as of the time when the record was read."""

    photo: PhotoRecord
    order: Order

    @property
    def id(self) -> str:
        return f"{self.photo.id}/{self.order.id}"

    @property
    def cursor(self) -> str:
        """The cursor of the page that follows its photo in the owner's list."""
        return dead_letter_cursor_after(self.photo)


def dead_orders(photo: PhotoRecord, code: str | None = None) -> list[DeadOrder]:
    """A photo's dead letters: all, or those with this code."""
    return [
        DeadOrder(photo, order)
        for order in photo.orders.values()
        if order.dead_letter and code in (None, order.dead_letter.code) and not photo.deleted_or_expired
    ]


class DeadLetters:
    """The dead letters of one owner, or of all owners (None)."""

    def __init__(self, services: Services, owner: str | None) -> None:
        self._services = services
        self._owner = owner

    def get(self, photo_id: str, order_id: str) -> DeadOrder:
        """Raises NotFound when the order is not a dead letter, or not this owner's."""
        photo = self._photo(self._services.table.get(photo_id), photo_id)
        for dead in dead_orders(photo):
            if dead.order.id == order_id:
                return dead
        raise NotFound(f"there is no dead letter {photo_id}/{order_id}")

    def of_photo(self, photo_id: str) -> list[DeadOrder]:
        """Raises NotFound when there is no such photo, or it is not this owner's."""
        return dead_orders(self._photo(self._services.table.get(photo_id), photo_id))

    def page(self, limit: int, cursor: str | None = None) -> tuple[list[PhotoRecord], str | None]:
        """Photos with dead letters, and the cursor of the next page."""
        return self._services.table.list_dead_letters(self._owner, limit, cursor)

    def all(self, code: str | None = None) -> Iterator[DeadOrder]:
        """All dead letters, or those with this code."""
        cursor = None
        while True:
            photos, cursor = self.page(PAGE, cursor)
            for photo in photos:
                yield from dead_orders(photo, code)
            if cursor is None:
                return

    def latest(self, limit: int, code: str | None = None) -> tuple[int, list[DeadOrder]]:
        """The number of dead letters, and the latest of them. Only these are held in memory."""
        total = 0

        def counted() -> Iterator[DeadOrder]:
            nonlocal total
            for dead in self.all(code):
                total += 1
                yield dead

        latest = heapq.nlargest(limit, counted(), key=_buried_at)
        return total, latest

    def redrive(self, photo_id: str, order_id: str, trace: str = "") -> tuple[PhotoRecord, bool]:
        """Queue the jobs of a dead letter again. Returns the record, and whether the message was sent.

        If the queue did not take it, the sweep sends it later. Raises NotFound when there is no such order or it is not
        this owner's, Conflict when it is not a dead letter.
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
        """Stop listing a dead letter: its jobs stay failed, and the sweep deletes its message.

        Raises NotFound when the order is not a dead letter, or not this owner's.
        """
        self._services.table.update(photo_id, lambda record: self._photo(record, photo_id).order(order_id).purge())

    def _photo(self, photo: PhotoRecord | None, photo_id: str) -> PhotoRecord:
        """Raises NotFound for every reason, so that a caller cannot find out ids of other owners' photos."""
        if photo is None or photo.deleted_or_expired or self._owner not in (None, photo.owner):
            raise NotFound(f"there is no photo {photo_id}")
        return photo


def _buried_at(dead: DeadOrder) -> tuple[datetime, str]:
    assert dead.order.dead_letter is not None
    return dead.order.dead_letter.at, dead.id
