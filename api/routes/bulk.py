"""Many dead letters in one request: a bounded part of the work, and where to go on."""

from __future__ import annotations

import time
from collections.abc import Callable

from pydantic import BaseModel, Field

from darkroom.aws.cursors import dead_letter_cursor_after
from darkroom.errors import Conflict, NotFound, Unavailable
from darkroom.redrive import PAGE, DeadLetters, DeadOrder, dead_orders

MAX_PAGES = 10
"""Index pages that one request may read while it looks for a reason."""

LONGEST = 10.0
"""Seconds after which a request that changes many begins with no further one."""

Position = tuple[str, str | None]
"""A dead letter's id, and the cursor with which a request finds it and what follows."""


class DoneView(BaseModel):
    """What one request did. With `more`, ask again with `next` as cursor; ids named nowhere here are still to do."""

    done: list[str] = Field(description="ids")
    not_found: list[str] = Field(description="ids that were asked for and are no dead letters, or no longer")
    more: bool
    next: str | None


def find(letters: DeadLetters, code: str | None, limit: int, cursor: str | None) -> tuple[list[DeadOrder], str | None]:
    """A page of dead letters, and the cursor after it; those of one photo stay together."""
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
    positions: list[Position] = []
    before = None
    for dead in found:
        if before and before.photo.id != dead.photo.id:
            cursor = before.cursor
        positions.append((dead.id, cursor))
        before = dead
    return positions


def carry_out(work: list[Position], after: str | None, change: Callable[[str, str], bool]) -> DoneView:
    """Change one after the other, until the time is over or AWS is down; the rest is for the next request.

    `change` says whether it makes sense to go on. Raises Unavailable when not even one could be changed.
    """
    ends = time.monotonic() + LONGEST
    done: list[str] = []
    not_found: list[str] = []
    going = True
    for id_, position in work:
        if not going or time.monotonic() > ends:
            return DoneView(done=done, not_found=not_found, more=True, next=position)
        photo_id, order_id = id_.split("/")
        try:
            going = change(photo_id, order_id)
            done.append(id_)
        except (NotFound, Conflict):
            not_found.append(id_)
        except Unavailable:
            if not done:
                raise
            return DoneView(done=done, not_found=not_found, more=True, next=position)
    return DoneView(done=done, not_found=not_found, more=after is not None, next=after)
