"""`Idempotency-Key`: a POST that is sent again gets the answer that it had (draft-ietf-httpapi-idempotency-key-header).

The draft writes the key as a string in quotation marks; most clients leave them out, and both are taken for the same.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import structlog
from flask import Response, request
from pydantic import BaseModel, Field

from api.context import caller, context
from api.uploads import Upload
from darkroom.errors import DarkroomError, MalformedKey
from darkroom.idempotency import Answer, Reserved, Turn

log = structlog.get_logger()

HEADER = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"

LONGEST_KEY = 255

KEPT_HEADERS = ("Content-Type", "Location", "Retry-After")

_QUOTED = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])*)"')
_BARE = re.compile(r"[!#-+\--\[\]-~]*")
"""Visible ASCII but quotation marks, backslashes and commas: a comma is how two such headers arrive as one."""


class KeyHeader(BaseModel):
    """The key that makes a POST safe to send again."""

    key: str | None = Field(
        None,
        alias=HEADER,
        description="your own id of this request, a UUID best. Sent again with the same key within "
        "DARKROOM_IDEMPOTENCY_HOURS it is not carried out twice: you get the same answer, with the header "
        f"{REPLAYED}: true",
    )


def parameter() -> dict[str, Any]:
    """The same for a route that describes its parameters itself."""
    (field,) = KeyHeader.model_json_schema()["properties"].values()
    return {"name": HEADER, "in": "header", "description": field["description"], "schema": {"type": "string"}}


def read_key(given: str | None) -> str | None:
    """The key that the header holds, if there is one. Raises MalformedKey."""
    if given is None:
        return None
    if quoted := _QUOTED.fullmatch(given):
        key = re.sub(r"\\(.)", r"\1", quoted[1])
    else:
        key = given if _BARE.fullmatch(given) else ""
    if not 1 <= len(key) <= LONGEST_KEY:
        raise MalformedKey(
            f"{HEADER}: give one key of 1 to {LONGEST_KEY} printable ASCII characters in quotation marks, such as "
            '"8e03978e-40d5-43dd-bc93-6894a57f9324"; without them, none of its characters is a space, a comma, '
            "a quotation mark or a backslash"
        )
    return key


def once(key: str | None, content: Any, count: int, act: Callable[[Reserved], Response]) -> Response:
    """Carry the request out, unless that has been done under this key; then give the answer that it had.

    `content`: what the body says, as JSON takes it. `act` gets `count` ids for what it makes.
    """
    if key is None:
        return act(Reserved.fresh(count))
    kept = context().services.idempotency
    turn = kept.begin(caller(), key, _fingerprint(content), count)
    if isinstance(turn, Answer):
        response = Response(turn.body, turn.status, turn.headers)
        response.headers[REPLAYED] = "true"
        return response
    try:
        response = act(turn.reserved)
    except Exception as error:
        kept.release(turn, _nothing_done(turn, error.status if isinstance(error, DarkroomError) else None))
        raise
    if response.status_code < HTTPStatus.BAD_REQUEST:
        headers = {name: response.headers[name] for name in KEPT_HEADERS if name in response.headers}
        kept.finish(turn, Answer(response.status_code, headers, response.get_data()))
    else:
        kept.release(turn, _nothing_done(turn, response.status_code))
    return response


def content_of_upload(upload: Upload) -> Any:
    """The parts in their order, as they were understood: the body itself has another boundary each time."""
    fields = list(request.form.items(multi=True)) if request.mimetype == "multipart/form-data" else []
    return [fields, [[photo.filename, photo.spool.sha256] for photo in upload.photos]]


def content_of_json() -> Any:
    return hashlib.sha256(request.get_data()).hexdigest()


def _fingerprint(content: Any) -> str:
    whole = [request.method, request.path, list(request.args.items(multi=True)), content]
    return hashlib.sha256(json.dumps(whole).encode()).hexdigest()


def _nothing_done(turn: Turn, status: int | None) -> bool:
    """Whether a request was refused before anything was made: then its key may be used for another one."""
    return not turn.reserved.again and status is not None and status < HTTPStatus.INTERNAL_SERVER_ERROR
