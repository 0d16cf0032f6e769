"""Requests that are not HTTP, or whose head is too long: gunicorn refuses them before the app sees them.

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
    """A whole HTTP response, which also closes the connection: the start of the next request is unknown."""
    request_id = str(uuid.uuid4())
    log.warning("request.malformed", status=status, trace=request_id, detail=safe_text(detail))
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
        f"Content-Length: {len(body)}\r\n{HEADER}: {request_id}\r\n\r\n"
    )
    return head.encode() + body
