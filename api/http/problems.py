"""Every error becomes an application/problem+json response (RFC 9457)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from http import HTTPStatus
from itertools import pairwise
from typing import get_type_hints

import structlog
from flask import Flask, Response, current_app, g, request
from pydantic import BaseModel, Field, ValidationError
from werkzeug.exceptions import (
    ClientDisconnected,
    HTTPException,
    MethodNotAllowed,
    RequestedRangeNotSatisfiable,
    RequestEntityTooLarge,
)
from werkzeug.exceptions import NotFound as WerkzeugNotFound

from darkroom.errors import DarkroomError, Fault, InvalidRequest, RequestError, TooLarge
from darkroom.jobs.faults import faults_of
from darkroom.status_phrases import error_phrase

log = structlog.get_logger()

MEDIA_TYPE = "application/problem+json"

RETRY_AFTER = 5
"""Seconds after which a caller may try again what failed because AWS was down or throttled."""

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)

_PARENTS = {"photos": "photo", "jobs": "job", "dead-letters": "photo"}
"""A folder of the address -> what the id after it belongs to."""

MAX_FAULTS = 100
MAX_TEXT = 500
"""Characters of one text. A caller who sends a megabyte of nonsense does not get it back."""


class FaultView(BaseModel):
    """One thing that is wrong with a request."""

    field: str = Field(description="the field, such as `jobs[0].width`")
    detail: str = Field(description="what is wrong, for people")
    code: str = Field(description="what is wrong, for programs")


class Problem(BaseModel):
    """An error response (RFC 9457)."""

    type: str = Field(description="the kind of problem, for programs", examples=["urn:darkroom:problem:conflict"])
    title: str = Field(description="the name of the HTTP status")
    status: int = Field(description="the HTTP status")
    detail: str = Field(description="what went wrong in this request, for people")
    instance: str = Field(description="the path of the request")
    request_id: str = Field(description="the request's id in the logs; include it when you ask for help")
    errors: list[FaultView] = Field([], description="each field that is wrong")
    filename: str | None = Field(None, description="in a batch: the photo that this problem is about")


def register(app: Flask) -> None:
    """Answer every error of the app with a problem."""
    app.register_error_handler(DarkroomError, error_response)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _unexpected_error)


def error_response(error: DarkroomError) -> Response:
    """The response to a request that failed as a whole."""
    if error.status == HTTPStatus.SERVICE_UNAVAILABLE:
        log.warning("request.unavailable", code=error.code, detail=error.detail)
    elif error.status >= HTTPStatus.INTERNAL_SERVER_ERROR and not isinstance(error, RequestError):
        return _unexpected_error(error)
    response = problem_response(problem_of(error), getattr(error, "retry_after", None))
    if error.status == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def problem_of(error: DarkroomError, filename: str | None = None) -> Problem:
    """The problem that describes an error of ours. `filename`: the photo of a batch that it is about."""
    faults = error.faults if isinstance(error, InvalidRequest) else []
    return make_problem(error.status, error.code, error.detail, faults, filename)


def make_problem(
    status: int, code: str, detail: str, faults: list[Fault] | None = None, filename: str | None = None
) -> Problem:
    """A problem of the current request."""
    return Problem(
        type=f"urn:darkroom:problem:{code}",
        title=error_phrase(status),
        status=status,
        detail=safe_text(detail),
        instance=safe_text(request.path),
        request_id=g.get("request_id", ""),
        errors=[
            FaultView(field=safe_text(fault.field), detail=safe_text(fault.detail), code=fault.code)
            for fault in (faults or [])[:MAX_FAULTS]
        ],
        filename=filename,
    )


def unexpected_problem(filename: str | None = None) -> Problem:
    """A problem for an error inside Darkroom: the caller gets the request's id, under which the log has the details."""
    detail = unexpected_detail(g.get("request_id", ""))
    return make_problem(HTTPStatus.INTERNAL_SERVER_ERROR, DarkroomError.code, detail, filename=filename)


def unexpected_detail(request_id: str) -> str:
    return f"an unexpected error inside Darkroom; the logs describe it under the request id {request_id}"


def code_of(status: int) -> str:
    """The code of an error that is not a DarkroomError: its status's name in snake case."""
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return TooLarge.code
    return error_phrase(status).lower().replace(" ", "_")


def safe_text(text: str) -> str:
    """Text that may hold what the caller sent: shortened, and without characters that UTF-8 cannot encode."""
    return text.encode(errors="replace").decode()[:MAX_TEXT]


def problem_response(problem: Problem, retry_after: int | None = None) -> Response:
    """`retry_after`: seconds; a 503 always has some."""
    status = f"{problem.status} {problem.title}"
    response = Response(problem.model_dump_json(exclude_defaults=True), status, content_type=MEDIA_TYPE)
    if retry_after is None and problem.status == HTTPStatus.SERVICE_UNAVAILABLE:
        retry_after = RETRY_AFTER
    if retry_after is not None:
        response.headers["Retry-After"] = str(retry_after)
    return response


def invalid_request(faults: list[Fault]) -> InvalidRequest:
    """An error with all faults, whose message describes the first one."""
    more = f"; and {len(faults) - 1} more, see errors" if len(faults) > 1 else ""
    return InvalidRequest(f"{faults[0].field}: {faults[0].detail}{more}", faults)


def refuse_invalid(error: ValidationError) -> InvalidRequest:
    """flask-openapi3 calls this when a query or body does not fit its model. Raises InvalidRequest with all faults."""
    if request.method == "POST":
        request.get_json()  # flask-openapi3 ignores JSON that cannot be parsed; this raises an error that says why
    # A fault without a field is about the whole body: for example a list where an object is expected.
    faults = faults_of(error, fields=_fields_of(error.title))
    raise invalid_request([fault if fault.field else replace(fault, field="body") for fault in faults])


def _fields_of(model: str) -> Iterable[str]:
    """The field names of this model, which the view of the current request has as a parameter."""
    view = current_app.view_functions[request.endpoint or ""]
    return next(
        (kind.model_fields for kind in get_type_hints(view).values() if getattr(kind, "__name__", "") == model), ()
    )


def unknown_address(path: str) -> str:
    """What is wrong with an address that no route has."""
    for parent, id_ in pairwise(path.split("/")):
        if id_ and parent in _PARENTS and not _UUID.fullmatch(id_):
            return (
                f"{id_[:60]!r} is not the id of a {_PARENTS[parent]}: "
                "ids are UUIDs, such as 0198c5f2-6a7e-7c3d-9a51-1f0c6b2d4e88"
            )
    return "this address does not exist; the page /docs lists all addresses"


def wrong_method(method: str, allowed: Iterable[str]) -> str:
    """What is wrong with a method that the address does not support."""
    named = sorted({*allowed} - {"HEAD", "OPTIONS"})
    return f"this address does not support {method[:20]}; it supports {' and '.join(named)}"


def _detail_of(error: HTTPException) -> str:
    """werkzeug's own sentences speak of browsers and of URLs typed by hand."""
    if isinstance(error, WerkzeugNotFound):
        return unknown_address(request.path)
    if isinstance(error, MethodNotAllowed):
        return wrong_method(request.method, error.valid_methods or ())
    if isinstance(error, RequestEntityTooLarge):
        limit = request.max_content_length
        return f"the body has more than {limit:,} bytes" if limit else "the request has more bytes than allowed"
    if isinstance(error, RequestedRangeNotSatisfiable):
        return f"Range begins after the end: the result has {error.length:,} bytes"
    if isinstance(error, ClientDisconnected):
        return "the body is not complete: the connection was closed before all of it arrived"
    return vars(error).get("description") or "the request is not valid"  # the class's description is werkzeug's


def _http_error(error: HTTPException) -> Response:
    """werkzeug's own errors: unknown address, wrong method, broken multipart body, too many bytes."""
    original = error.get_response(request.environ)
    status = original.status_code
    if status < HTTPStatus.BAD_REQUEST:  # werkzeug raises redirects too
        return Response(status=status, headers=original.headers)
    response = problem_response(make_problem(status, code_of(status), _detail_of(error)))
    for name in ("Allow", "Content-Range"):
        if name in original.headers:
            response.headers[name] = original.headers[name]
    return response


def _unexpected_error(error: Exception) -> Response:
    log.error("request.failed", error=type(error).__name__, exc_info=error)
    return problem_response(unexpected_problem())
