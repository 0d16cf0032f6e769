"""Cursors of lists: where the next page begins, in a form that callers send back unchanged."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any

from darkroom.aws.items import dead_letter_key, key_of
from darkroom.aws.owner_lists import list_key
from darkroom.errors import Fault, InvalidRequest
from darkroom.record.photo import PhotoRecord

_DEAD_LETTER = re.compile(r"(?P<owner>[^ #]+)#(?P<part>\d{1,3}) (?P<at>\d{13})#(?P<photo>[0-9a-f-]{36})")


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
    return dead_letter_cursor(
        {"dead_letter_list": list_key(photo.owner, photo.list_part), "dead_letter": dead_letter_key(photo)}
    )


def dead_letter_cursor(key: Mapping[str, Any]) -> str:
    """The cursor of the page that begins after this key of the index."""
    return _encoded(f"{key['dead_letter_list']} {key['dead_letter']}")


def read_dead_letter_cursor(cursor: str, owner: str | None) -> dict[str, str]:
    """The key of the index after which the page begins. Raises InvalidRequest, also for another owner's cursor."""
    try:
        valid = _DEAD_LETTER.fullmatch(_decoded(cursor).decode("ascii"))
    except ValueError:
        valid = None
    if not valid or owner not in (None, valid["owner"]):
        raise _bad_cursor()
    return {
        **key_of(valid["photo"]),
        "dead_letter_list": list_key(valid["owner"], int(valid["part"])),
        "dead_letter": f"{valid['at']}#{valid['photo']}",
    }


def _encoded(cursor: str) -> str:
    return base64.urlsafe_b64encode(cursor.encode()).decode().rstrip("=")


def _decoded(cursor: str) -> bytes:
    return base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))


def _bad_cursor() -> InvalidRequest:
    detail = "expected the `next` cursor of an earlier answer, unchanged"
    return InvalidRequest(f"cursor: {detail}", [Fault("cursor", detail, "bad_cursor")])
