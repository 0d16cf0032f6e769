"""`Idempotency-Key`: a POST that is sent again gets the answer that it had (draft-ietf-httpapi-idempotency-key-header).

The draft writes the key as a string in quotation marks; most clients leave them out, and both are taken for the same.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

import structlog
from flask import Response, request
from pydantic import BaseModel, Field, WithJsonSchema

from api.context import caller, context
from api.http.problems import problem_of
from api.uploads.intake import GONE
from api.uploads.parse import Upload
from darkroom.aws.idempotency_store import KeyLock, ReservedIds, StoredAnswer
from darkroom.errors import DarkroomError, MalformedKey, PhotoGone

log = structlog.get_logger()

HEADER = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"

LONGEST_KEY = 255

KEPT_HEADERS = ("Content-Type", "Location", "Retry-After")

PATTERN = rf"""^("([ !#-\[\]-~]|\\["\\]){{1,{LONGEST_KEY}}}"|[!#-+\--\[\]-~]{{1,{LONGEST_KEY}}})$"""
"""In quotation marks printable ASCII; without them no space, quotation mark, backslash or comma either: a comma is how
two such headers arrive as one."""


class KeyHeader(BaseModel):
    """The key that makes a POST safe to send again."""

    key: Annotated[str | None, WithJsonSchema({"type": "string", "pattern": PATTERN})] = Field(
        None,
        alias=HEADER,
        description="your own id of this request, a UUID best. Sent again with the same key within "
        "DARKROOM_IDEMPOTENCY_HOURS it is not carried out twice: you get the same answer, with the header "
        f"{REPLAYED}: true",
    )


def parameter() -> dict[str, Any]:
    """The same for a route that describes its parameters itself."""
    (field,) = KeyHeader.model_json_schema()["properties"].values()
    return {"name": HEADER, "in": "header", "description": field.pop("description"), "schema": field}


def read_key(given: str | None) -> str | None:
    """The key that the header holds, if there is one. Raises MalformedKey."""
    if given is None:
        return None
    if not re.fullmatch(PATTERN, given):
        raise MalformedKey(
            f"{HEADER}: give one key of 1 to {LONGEST_KEY} printable ASCII characters in quotation marks, such as "
            '"8e03978e-40d5-43dd-bc93-6894a57f9324"; without them, none of its characters is a space, a comma, '
            "a quotation mark or a backslash"
        )
    return re.sub(r"\\(.)", r"\1", given[1:-1]) if given.startswith('"') else given


def once(
    key: str | None,
    content: Any,
    count: int,
    act: Callable[[ReservedIds], Response],
    replay: Callable[[Any], Any],
) -> Response:
    """Carry the request out, unless that has been done under this key; then give the answer that it had.

    `content`: what the body says, as JSON takes it. `act` gets `count` ids for what it makes. `replay` gets what an
    answer said, and returns what may still be said of it, or another answer instead: nobody is told of a photo that was
    deleted.
    """
    if key is None:
        return act(ReservedIds.fresh(count))
    kept = context().services.idempotency
    turn = kept.begin(caller(), key, _fingerprint(content), count)
    if isinstance(turn, StoredAnswer):
        said = json.loads(turn.body)
        allowed = replay(said)
        if isinstance(allowed, Response):
            response = allowed
        else:
            body = turn.body if allowed == said else json.dumps(allowed).encode()
            response = Response(body, turn.status, turn.headers)
        response.headers[REPLAYED] = "true"
        return response
    try:
        response = act(turn.reserved)
    except Exception as error:
        kept.release(turn, _nothing_done(turn, error.status if isinstance(error, DarkroomError) else None))
        raise
    if response.status_code < HTTPStatus.BAD_REQUEST:
        headers = {name: response.headers[name] for name in KEPT_HEADERS if name in response.headers}
        kept.finish(turn, StoredAnswer(response.status_code, headers, response.get_data()))
    else:
        kept.release(turn, _nothing_done(turn, response.status_code))
    return response


def about_photo(photo_id: UUID) -> Callable[[Any], Any]:
    """What was said of a photo's jobs is said again while the photo is there. Raises NotFound."""

    def replay(said: Any) -> Any:
        context().photo(photo_id)
        return said

    return replay


def about_upload(said: Any) -> Any:
    """What was said of each photo that is still there; PhotoGone for the others, raised when they are all."""
    table = context().services.table

    def again(view: Any) -> Any:
        photo = table.get(view["id"]) if "id" in view else None  # a photo that was refused has none
        gone = "id" in view and (photo is None or photo.deleted_or_expired)
        return problem_of(PhotoGone(GONE)).model_dump(mode="json") if gone else view

    views = said.get("photos", [said])
    allowed = [again(view) for view in views]
    if not any("id" in view for view in allowed):
        raise PhotoGone(GONE)
    return said | {"photos": allowed} if "photos" in said else said


def content_of_upload(upload: Upload) -> Any:
    """The parts in their order, as they were understood: the body itself has another boundary each time."""
    fields = list(request.form.items(multi=True)) if request.mimetype == "multipart/form-data" else []
    return [fields, [[photo.filename, photo.spool.sha256] for photo in upload.photos]]


def content_of_json() -> Any:
    return hashlib.sha256(request.get_data()).hexdigest()


def _fingerprint(content: Any) -> str:
    whole = [request.method, request.path, list(request.args.items(multi=True)), content]
    return hashlib.sha256(json.dumps(whole).encode()).hexdigest()


def _nothing_done(turn: KeyLock, status: int | None) -> bool:
    """Whether a request was refused before anything was made: then its key may be used for another one."""
    return not turn.reserved.reused and status is not None and status < HTTPStatus.INTERNAL_SERVER_ERROR
