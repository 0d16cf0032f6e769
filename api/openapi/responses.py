"""The responses in the OpenAPI document, and their headers: what several routes describe in the same words."""

from __future__ import annotations

from typing import Any

from flask_openapi3.types import ResponseDict
from pydantic import BaseModel

from api.http import problems
from api.openapi.schemas import ref

Headers = dict[str, dict[str, Any]]


def header(name: str, description: str, schema: dict[str, Any], always: bool = False) -> Headers:
    """A response header; `always`: every response has it."""
    return {name: {"description": description, "schema": schema} | ({"required": True} if always else {})}


def retry_after(always: bool = False) -> Headers:
    return header("Retry-After", "seconds after which to try again", {"type": "integer", "minimum": 1}, always)


def location(always: bool = False, description: str = "the address of the photo or job") -> Headers:
    return header("Location", description, {"type": "string", "format": "uri-reference"}, always)


REPLAYED = header(
    "Idempotent-Replayed",
    "`true`: this is the stored response to an earlier request with the same Idempotency-Key",
    {"type": "string", "const": "true"},
)


def problem(description: str, *models: type[problems.Problem], headers: Headers | None = None) -> dict[str, Any]:
    """An error response: a Problem, or one of `models`."""
    options = [ref(problems.Problem), *map(ref, models)]
    content = {problems.MEDIA_TYPE: {"schema": {"anyOf": options} if models else options[0]}}
    return {"description": description, "content": content, "headers": headers or {}}


def success(schema: dict[str, Any], description: str, headers: Headers | None = None) -> dict[str, Any]:
    """A JSON response."""
    content = {"application/json": {"schema": schema}}
    return {"description": description, "content": content, "headers": headers or {}}


def accepted(schema: dict[str, Any], description: str, headers: Headers | None = None) -> dict[str, Any]:
    """The response to a request that queued work. A replayed one has no Retry-After when the work has ended."""
    return success(schema, description, location(always=True) | retry_after() | (headers or {}))


def progress(model: type[BaseModel]) -> dict[str, Any]:
    """The current state of something that workers may be working on."""
    return success(ref(model), "The current state; Retry-After while jobs are unfinished", retry_after())


DOWN = "AWS is down or throttled"
IN_FLIGHT = "A request with this Idempotency-Key is still running; Retry-After says when to ask for its response"
REUSED = "the Idempotency-Key was used for another request"
BAD_KEY = "The request is not valid HTTP, or its Idempotency-Key is not valid"

OPEN: ResponseDict = {
    "400": problem("The request is not valid HTTP"),
    "414": problem("The URL is too long"),
    "417": problem("The header Expect has another value than 100-continue"),
    "431": problem("The headers are too long, or too many"),
    "500": problem("An error inside Darkroom; the logs describe it under the request's id"),
    "501": problem("The Transfer-Encoding is not supported: only chunked is"),
}
"""Errors of every operation, including those that need no API key. `api.openapi.document.complete` adds 408 and
413 where a request may have a body."""

COMMON: ResponseDict = OPEN | {
    "401": problem(
        "The request has no API key, or an unknown one; or its upload token is wrong or has expired",
        headers=header("WWW-Authenticate", "`Bearer`", {"type": "string", "const": "Bearer"}, always=True),
    ),
    "403": problem("The request came with an upload token, which does not allow it"),
    "429": problem("Too many requests or uploads", headers=retry_after(always=True)),
    "503": problem(DOWN, headers=retry_after(always=True)),
}
"""Errors of every operation that needs an API key."""

NOT_FOUND = problem("The photo does not exist, was deleted or has expired")
NO_BATCH = problem("The batch does not exist, or has expired")
NO_JOB = problem("The photo or job does not exist, or the photo was deleted or has expired")
NO_RESULT = problem("The job has not ended, or has no result", headers=retry_after())
INVALID = problem("A part of the request is not valid; `errors` names each field")
INVALID_OR_REUSED = problem(f"A part of the request is not valid; `errors` names each field. Or {REUSED}")
TOO_LARGE = problem("The body is too large")
TOO_LATE = problem("The body did not arrive in time; `detail` says in which time it must")
NOT_JSON = problem("The body's Content-Type is not application/json")
