"""Cursors of lists: where the next page begins, in a form that callers send back unchanged."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from darkroom.aws.items import key_of, seconds_of
from darkroom.errors import Fault, InvalidRequest
from darkroom.record.photo import PhotoRecord


def cursor_after(photo_id: str) -> str:
    """The cursor of the page that begins after this photo in its owner's list."""
    return _encoded(photo_id)


def read_cursor(cursor: str) -> str:
    """The id of the photo after which the page begins. Raises InvalidRequest."""
    try:
        photo_id = _decoded(cursor).decode("ascii")
    except ValueError:
        photo_id = ""
    if not re.fullmatch(r"[0-9a-f-]{36}", photo_id):
        raise _bad_cursor()
    return photo_id


def dead_letter_cursor_after(photo: PhotoRecord) -> str:
    """The cursor of the page that begins after this photo among the dead letters. `photo`: as it was listed."""
    assert photo.dead_letter_at is not None
    return dead_letter_cursor(
        key_of(photo.id) | {"dead_letter_owner": photo.owner, "dead_letter_at": seconds_of(photo.dead_letter_at)}
    )


def dead_letter_cursor(key: Mapping[str, Any]) -> str:
    """The cursor of the page that begins after this key of the index."""
    return _encoded(json.dumps([key["pk"], key["dead_letter_owner"], str(key["dead_letter_at"])]))


def read_dead_letter_cursor(cursor: str, owner: str | None) -> dict[str, Any]:
    """The key of the index after which the page begins. Raises InvalidRequest, also for another owner's cursor."""
    try:
        pk, dead_letter_owner, dead_letter_at = json.loads(_decoded(cursor))
        valid = re.fullmatch(r"photo#[0-9a-f-]{36}", pk) and re.fullmatch(r"\d{1,12}(\.\d{1,3})?", dead_letter_at)
    except (ValueError, TypeError):
        raise _bad_cursor() from None
    if not valid or not isinstance(dead_letter_owner, str) or owner not in (None, dead_letter_owner):
        raise _bad_cursor()
    return {"pk": pk, "dead_letter_owner": dead_letter_owner, "dead_letter_at": Decimal(dead_letter_at)}


def _encoded(cursor: str) -> str:
    return base64.urlsafe_b64encode(cursor.encode()).decode().rstrip("=")


def _decoded(cursor: str) -> bytes:
    return base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))


def _bad_cursor() -> InvalidRequest:
    detail = "expected the `next` cursor of an earlier answer, unchanged"
    return InvalidRequest(f"cursor: {detail}", [Fault("cursor", detail, "bad_cursor")])
