"""`Idempotency-Key`: a POST that is sent again gets its first response (draft-ietf-httpapi-idempotency-key-header).

The draft writes the key as a quoted string. Most clients send it without quotation marks; both forms are the same key.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated, Any

from flask import Response, request
from pydantic import BaseModel, Field, WithJsonSchema

from api.context import context, principal
from darkroom.aws.idempotency_store import KeyLock, ReservedIds, StoredAnswer
from darkroom.errors import DarkroomError, MalformedKey

HEADER = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"

MAX_KEY = 255

STORED_HEADERS = ("Content-Type", "Location", "Retry-After")

PATTERN = rf"""^("([ !#-\[\]-~]|\\["\\]){{1,{MAX_KEY}}}"|[!#-+\--\[\]-~]{{1,{MAX_KEY}}})$"""
"""With quotation marks: printable ASCII. Without: no space, quotation mark or backslash, and no comma, because two
headers of one name arrive joined by a comma."""


class KeyHeader(BaseModel):
    """The key that makes a POST safe to send again."""

    key: Annotated[str | None, WithJsonSchema({"type": "string", "pattern": PATTERN})] = Field(
        None,
        alias=HEADER,
        description="your own id of this request, best a UUID. When the request is sent again with the same key within "
        "DARKROOM_IDEMPOTENCY_HOURS, it is not carried out again: you get the first response, with the header "
        f"{REPLAYED}: true",
    )


def key_parameter() -> dict[str, Any]:
    """The header as an OpenAPI parameter, for a route that describes its parameters itself."""
    (field,) = KeyHeader.model_json_schema()["properties"].values()
    return {"name": HEADER, "in": "header", "description": field.pop("description"), "schema": field}


def read_key(header: str | None) -> str | None:
    """The key in the header, if there is a header. Raises MalformedKey."""
    if header is None:
        return None
    if not re.fullmatch(PATTERN, header):
        raise MalformedKey(
            f"{HEADER} is not a valid key: expected a quoted string of 1 to {MAX_KEY} printable ASCII characters, such "
            'as "8e03978e-40d5-43dd-bc93-6894a57f9324"; without quotation marks it must not contain a space, a comma, '
            "a quotation mark or a backslash"
        )
    return re.sub(r"\\(.)", r"\1", header[1:-1]) if header.startswith('"') else header


def run_once(
    key: str | None,
    content: Any,
    id_count: int,
    act: Callable[[ReservedIds], Response],
    replay: Callable[[Any], Any],
) -> Response:
    """Carry out the request, unless it was carried out under this key already; then return its stored response.

    - `content`: the request's body in a form that JSON can hold; another body under the same key is an error.
    - `act` carries out the request. It gets `id_count` ids for what it creates: the same ones when an earlier try with
      this key did not end.
    - `replay` gets the body of the stored response. It returns the body to send now (the same, or without photos that
      were deleted since), or a new response, or raises an error.

    Raises KeyReused for another request under the same key, RequestInFlight while an earlier try is running.
    """
    if key is None:
        return act(ReservedIds.fresh(id_count))
    store = context().services.idempotency
    lock = store.begin(principal(), key, _fingerprint(content), id_count)
    if isinstance(lock, StoredAnswer):
        return _replayed(lock, replay)
    try:
        response = act(lock.reserved)
    except Exception as error:
        store.release(lock, _changed_nothing(lock, error.status if isinstance(error, DarkroomError) else None))
        raise
    if response.status_code < HTTPStatus.BAD_REQUEST:
        headers = {name: response.headers[name] for name in STORED_HEADERS if name in response.headers}
        store.finish(lock, StoredAnswer(response.status_code, headers, response.get_data()))
    else:
        store.release(lock, _changed_nothing(lock, response.status_code))
    return response


def json_content() -> str:
    """The `content` of a request with a JSON body."""
    return hashlib.sha256(request.get_data()).hexdigest()


def _replayed(stored: StoredAnswer, replay: Callable[[Any], Any]) -> Response:
    stored_body = json.loads(stored.body)
    replayed = replay(stored_body)
    if isinstance(replayed, Response):
        response = replayed
    else:
        body = stored.body if replayed == stored_body else json.dumps(replayed).encode()
        response = Response(body, stored.status, stored.headers)
    response.headers[REPLAYED] = "true"
    return response


def _fingerprint(content: Any) -> str:
    """A hash of everything that makes the request the same request."""
    parts = [request.method, request.path, list(request.args.items(multi=True)), content]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _changed_nothing(lock: KeyLock, status: int | None) -> bool:
    """Whether the request was refused before it created anything: then its key may be used for another request."""
    return not lock.reserved.reused and status is not None and status < HTTPStatus.INTERNAL_SERVER_ERROR
