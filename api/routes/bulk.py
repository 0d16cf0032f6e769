"""Change many dead letters in one request: a limited part of the work, and where the next request continues."""

from __future__ import annotations

import time
from collections.abc import Callable

from pydantic import BaseModel, Field

from darkroom.aws.cursors import dead_letter_cursor_after
from darkroom.errors import Conflict, NotFound, Unavailable
from darkroom.redrive import PAGE, DeadLetters, DeadOrder, dead_orders

MAX_PAGES = 10
"""Pages of the index that one request may read while it looks for dead letters with a reason."""

TIME_LIMIT = 10.0
"""Seconds after which a request begins no further change."""

Position = tuple[str, str | None]
"""A dead letter's id, and the cursor with which a request finds this dead letter and those behind it."""


class BulkView(BaseModel):
    """What one request did. When `more` is true, send the request again with `next` as its cursor.

    An id of the request that is in neither list is still to do.
    """

    done: list[str] = Field(description="ids of the dead letters that were changed")
    not_found: list[str] = Field(
        description="ids of the request that are not dead letters, or were redriven or purged before"
    )
    more: bool = Field(description="whether there may be more to do")
    next: str | None = Field(description="cursor for the next request; null when it starts from the beginning")


def find_dead_orders(
    letters: DeadLetters, code: str | None, limit: int, cursor: str | None
) -> tuple[list[DeadOrder], str | None]:
    """A page of dead letters, and the cursor of the next page; dead letters of one photo stay together."""
    found: list[DeadOrder] = []
    for _ in range(MAX_PAGES):
        photos, cursor = letters.page(PAGE if code else limit - len(found), cursor)
        for number, photo in enumerate(photos, 1):
            found += dead_orders(photo, code)
            if len(found) >= limit:
                return found, dead_letter_cursor_after(photo) if number < len(photos) else cursor
        if cursor is None:
            break
    return found, cursor


def with_positions(found: list[DeadOrder], cursor: str | None) -> list[Position]:
    """Each dead letter's id with its cursor. `cursor`: the one that the page was found with."""
    positions: list[Position] = []
    previous = None
    for dead in found:
        if previous and previous.photo.id != dead.photo.id:
            cursor = previous.cursor
        positions.append((dead.id, cursor))
        previous = dead
    return positions


def change_each(positions: list[Position], next_cursor: str | None, change: Callable[[str, str], bool]) -> BulkView:
    """Change one dead letter after the other, until the time is over or AWS is down.

    `change` gets the ids of photo and order, and returns False to stop after this one. `next_cursor`: where the next
    request continues when all are done. Raises Unavailable when not even one could be changed.
    """
    deadline = time.monotonic() + TIME_LIMIT
    done: list[str] = []
    not_found: list[str] = []
    stopped = False
    for id_, position in positions:
        if stopped or time.monotonic() > deadline:
            return BulkView(done=done, not_found=not_found, more=True, next=position)
        photo_id, order_id = id_.split("/")
        try:
            stopped = not change(photo_id, order_id)
            done.append(id_)
        except (NotFound, Conflict):
            not_found.append(id_)
        except Unavailable:
            if not done:
                raise
            return BulkView(done=done, not_found=not_found, more=True, next=position)
    return BulkView(done=done, not_found=not_found, more=next_cursor is not None, next=next_cursor)
