"""Requests that are no HTTP, or too much of it: gunicorn refuses them before the app sees them.

Its own answers are pages of HTML; these are problems like all the others.
"""

from __future__ import annotations

import uuid
from socket import socket

import structlog
from gunicorn import util  # type: ignore[import-untyped]

from api.http import phrases
from api.http.problems import MEDIA_TYPE, Problem, bounded, code_of
from api.http.tracing import HEADER

log = structlog.get_logger()


def answer_with_problems() -> None:
    """Have gunicorn answer in our form. It has no setting for that."""
    util.write_error = write_problem


def write_problem(caller: socket, status: int, _: str, detail: str) -> None:
    """Answer, and have the connection closed: nobody knows where the next request would begin."""
    request_id = str(uuid.uuid4())
    phrase = phrases.phrase(status)
    log.warning("request.malformed", status=status, trace=request_id, detail=bounded(detail))
    told = Problem(
        type=f"urn:darkroom:problem:{code_of(status)}",
        title=phrase,
        status=status,
        detail=bounded(detail or f"an unexpected error; it is in the logs under the request id {request_id}"),
        instance="/",  # the address may be what could not be read
        request_id=request_id,
    )
    body = told.model_dump_json(exclude_defaults=True).encode()
    head = (
        f"HTTP/1.1 {status} {phrase}\r\nConnection: close\r\nContent-Type: {MEDIA_TYPE}\r\n"
        f"Content-Length: {len(body)}\r\n{HEADER}: {request_id}\r\n\r\n"
    )
    util.write_nonblock(caller, head.encode() + body)
