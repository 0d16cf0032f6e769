"""Responses to requests that the app never sees: they are not HTTP, or there are too many of them.

gunicorn's own responses are HTML pages; these are problems, like every other error.
"""

from __future__ import annotations

import uuid

import structlog

from api.http.problems import MEDIA_TYPE, Problem, code_of, safe_text, unexpected_detail
from api.http.tracing import HEADER
from darkroom.status_phrases import error_phrase

log = structlog.get_logger()


def malformed_response(status: int, detail: str) -> bytes:
    """The response to a request that is not valid HTTP."""
    return _response("request.malformed", status, detail)


def refusal(status: int, detail: str, retry_after: int) -> bytes:
    """The response to a request or connection that is one too many. `retry_after`: seconds."""
    return _response("request.refused", status, detail, f"Retry-After: {retry_after}\r\n")


def _response(action: str, status: int, detail: str, headers: str = "") -> bytes:
    """A whole HTTP response, which also closes the connection: the start of the next request is unknown."""
    request_id = str(uuid.uuid4())
    log.warning(action, status=status, trace=request_id, detail=safe_text(detail))
    problem = Problem(
        type=f"urn:darkroom:problem:{code_of(status)}",
        title=error_phrase(status),
        status=status,
        detail=safe_text(detail or unexpected_detail(request_id)),
        instance="/",  # the path may be what could not be read
        request_id=request_id,
    )
    body = problem.model_dump_json(exclude_defaults=True).encode()
    head = (
        f"HTTP/1.1 {status} {problem.title}\r\nConnection: close\r\nContent-Type: {MEDIA_TYPE}\r\n"
        f"Content-Length: {len(body)}\r\n{HEADER}: {request_id}\r\n{headers}\r\n"
    )
    return head.encode() + body
