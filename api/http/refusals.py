"""Responses to requests that the app never sees: they are not HTTP, or there are too many of them.

gunicorn's own responses are HTML pages; these are problems, like every other error.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from http import HTTPStatus

import structlog

from api.http.problems import MEDIA_TYPE, Problem, code_of, unexpected_detail
from api.http.tracing import HEADER
from darkroom.status_phrases import error_phrase

log = structlog.get_logger()


Headers = Mapping[str, str]


def malformed_response(status: int, detail: str, headers: Headers) -> bytes:
    """The response to a request that is not valid HTTP. `detail` repeats nothing of the request."""
    request_id = str(uuid.uuid4())
    log.warning("request.malformed", status=int(status), trace=request_id, detail=detail)
    return _response(request_id, status, detail, headers)


def refusal(status: int, detail: str, retry_after: int, headers: Headers) -> bytes:
    """The response to a request or connection that is one too many. `retry_after`: seconds."""
    request_id = str(uuid.uuid4())
    log.warning("request.refused", status=int(status), trace=request_id, detail=detail)
    return _response(request_id, status, detail, {"Retry-After": str(retry_after), **headers})


def error_response(error: BaseException, headers: Headers) -> bytes:
    """The response to a request that failed outside the app."""
    request_id = str(uuid.uuid4())
    log.error("request.failed", trace=request_id, error=type(error).__name__, exc_info=error)
    return _response(request_id, HTTPStatus.INTERNAL_SERVER_ERROR, unexpected_detail(request_id), headers)


def _response(request_id: str, status: int, detail: str, headers: Headers) -> bytes:
    """A whole HTTP response, which also closes the connection: the start of the next request is unknown."""
    problem = Problem(
        type=f"urn:darkroom:problem:{code_of(status)}",
        title=error_phrase(status),
        status=status,
        detail=detail,
        instance="/",  # the path may be what could not be read
        request_id=request_id,
    )
    body = problem.model_dump_json(exclude_defaults=True).encode()
    all_headers = {
        "Connection": "close",
        "Content-Type": MEDIA_TYPE,
        "Content-Length": str(len(body)),
        HEADER: request_id,
        **headers,
    }
    lines = [f"HTTP/1.1 {status} {problem.title}", *(f"{name}: {value}" for name, value in all_headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body
