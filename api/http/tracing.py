"""A request's id, its line in the log, and the headers that every answer has."""

from __future__ import annotations

import re
import time
import uuid

import structlog
from flask import Flask, Response, g, request

log = structlog.get_logger()

HEADER = "X-Request-Id"

PROBES = ("health.healthz", "health.readyz")
"""Asked every few seconds; their lines are for debugging only."""

SANE = "[A-Za-z0-9._:=-]{1,64}"
"""A caller's own id that is taken over; any other is replaced."""


def register(app: Flask) -> None:
    app.before_request(_begin)
    app.after_request(_end)


def _begin() -> None:
    given = request.headers.get(HEADER, "")
    g.request_id = given if re.fullmatch(SANE, given) else str(uuid.uuid4())
    g.begun = time.monotonic()
    structlog.contextvars.clear_contextvars()
    ids = {name.removesuffix("_id"): str(value) for name, value in (request.view_args or {}).items()}
    structlog.contextvars.bind_contextvars(trace=g.request_id, **ids)


def _end(response: Response) -> Response:
    response.headers[HEADER] = g.request_id
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers.setdefault("Referrer-Policy", "no-referrer")
    response.headers.setdefault("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
    response.headers.setdefault("Cache-Control", "no-store")
    level = "debug" if request.endpoint in PROBES else "info"
    getattr(log, level)(
        "request.answered",
        method=request.method,
        path=request.path,
        status=response.status_code,
        seconds=round(time.monotonic() - g.begun, 3),
    )
    return response
