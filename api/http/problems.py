"""Every error becomes an application/problem+json answer (RFC 9457)."""

from __future__ import annotations

from dataclasses import replace
from http import HTTPStatus

import structlog
from flask import Flask, Response, g, request
from pydantic import BaseModel, Field, ValidationError
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from api.http.phrases import phrase
from darkroom.errors import DarkroomError, Fault, InvalidRequest, TooLarge
from darkroom.jobs.specs import faults_of

log = structlog.get_logger()

MEDIA_TYPE = "application/problem+json"

RETRY_AFTER = 5
"""Seconds after which a caller may try again what failed because AWS was down or throttled."""

DETAILS = {
    404: "there is nothing at this address",
    405: "this address does not take this method",
    413: "the request has more bytes than are allowed",
}
"""Said instead of werkzeug's sentences, which speak of browsers and of URLs typed by hand."""

MOST_FAULTS = 100
LONGEST_TEXT = 500
"""Whoever sends a megabyte of nonsense is not sent it back."""


class FaultView(BaseModel):
    """One thing that is wrong with a request."""

    field: str = Field(description="where: `jobs[0].width`")
    detail: str = Field(description="what, for people")
    code: str = Field(description="what, for programs")


class Problem(BaseModel):
    """What went wrong (RFC 9457)."""

    type: str = Field(description="names the kind of problem, for programs", examples=["urn:darkroom:problem:conflict"])
    title: str
    status: int = Field(description="the HTTP status")
    detail: str = Field(description="what went wrong this time, for people")
    instance: str = Field(description="the address that was asked for")
    request_id: str = Field(description="stands in the logs; name it when you ask for help")
    errors: list[FaultView] = Field([], description="each field that is wrong")
    filename: str | None = Field(None, description="in a batch: the photo that this is about")


def register(app: Flask) -> None:
    app.register_error_handler(DarkroomError, answer)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _unexpected)


def answer(error: DarkroomError) -> Response:
    """The answer to a request that failed as a whole."""
    if error.status == HTTPStatus.SERVICE_UNAVAILABLE:
        log.warning("request.unavailable", code=error.code, detail=error.detail)
    elif error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return _unexpected(error)
    response = respond(problem_of(error), getattr(error, "retry_after", None))
    if error.status == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def problem_of(error: DarkroomError, filename: str | None = None) -> Problem:
    faults = error.faults if isinstance(error, InvalidRequest) else []
    return problem(error.status, error.code, error.detail, faults, filename)


def problem(
    status: int, code: str, detail: str, faults: list[Fault] | None = None, filename: str | None = None
) -> Problem:
    return Problem(
        type=f"urn:darkroom:problem:{code}",
        title=phrase(status),
        status=status,
        detail=bounded(detail),
        instance=bounded(request.path),
        request_id=g.get("request_id", ""),
        errors=[
            FaultView(field=bounded(fault.field), detail=bounded(fault.detail), code=fault.code)
            for fault in (faults or [])[:MOST_FAULTS]
        ],
        filename=filename,
    )


def fault_of_ours(filename: str | None = None) -> Problem:
    """The caller learns an id; the log has the rest under it."""
    detail = f"an unexpected error; it is in the logs under the request id {g.get('request_id', '')}"
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, DarkroomError.code, detail, filename=filename)


def code_of(status: int) -> str:
    """The code of an error that is not a DarkroomError: its status's name in snake case."""
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return TooLarge.code
    return phrase(status).lower().replace(" ", "_")


def bounded(text: str) -> str:
    """What the caller sent may stand in it: of any length, and with characters that no answer can carry."""
    return text.encode(errors="replace").decode()[:LONGEST_TEXT]


def respond(told: Problem, retry_after: int | None = None) -> Response:
    response = Response(told.model_dump_json(exclude_defaults=True), told.status, content_type=MEDIA_TYPE)
    if retry_after is None and told.status == HTTPStatus.SERVICE_UNAVAILABLE:
        retry_after = RETRY_AFTER
    if retry_after is not None:
        response.headers["Retry-After"] = str(retry_after)
    return response


def refuse(error: ValidationError) -> InvalidRequest:
    """What flask-openapi3 does with a query or body that does not fit its model: every fault at once, as our error."""
    if request.method == "POST":
        request.get_json()  # it was read silently before: now it says why, if it is no JSON at all
    # A fault without a place is one of the whole body: a list, say, where an object belongs.
    raise invalid([fault if fault.field else replace(fault, field="body") for fault in faults_of(error)])


def invalid(faults: list[Fault]) -> InvalidRequest:
    """An error that names all faults, and says the first in words."""
    more = f"; and {len(faults) - 1} more, see errors" if len(faults) > 1 else ""
    return InvalidRequest(f"{faults[0].field}: {faults[0].detail}{more}", faults)


def _http_error(error: HTTPException) -> Response:
    """werkzeug's own errors: no such address, wrong method, broken multipart, too many bytes."""
    ready = error.get_response(request.environ)
    status = ready.status_code
    if status < HTTPStatus.BAD_REQUEST:  # a redirect is raised too
        return Response(status=status, headers=ready.headers)
    detail = DETAILS.get(status) or error.description or "the request is wrong"
    if isinstance(error, RequestEntityTooLarge) and request.max_content_length:
        detail = f"the body has more than {request.max_content_length:,} bytes"
    response = respond(problem(status, code_of(status), detail))
    if "Allow" in ready.headers:
        response.headers["Allow"] = ready.headers["Allow"]
    return response


def _unexpected(error: Exception) -> Response:
    log.error("request.failed", error=type(error).__name__, exc_info=error)
    return respond(fault_of_ours())
