"""The request id, the log line of each request, and the headers of every response."""

from __future__ import annotations

import re
import time
import uuid

import structlog
from flask import Flask, Response, g, request

log = structlog.get_logger()

HEADER = "X-Request-Id"

PROBES = ("probes.healthz", "probes.readyz")
"""Load balancers call them every few seconds: their log lines have the level debug."""

SECRET = {"link"}
"""Parts of paths that are no ids but signed texts."""

ACCEPTED_ID = "[A-Za-z0-9._:=-]{1,64}"
"""A caller's own request id that the API takes over; it replaces any other."""


def register(app: Flask) -> None:
    """Give each request an id, log it, and set the headers that every response has."""
    app.before_request(_begin)
    app.after_request(_end)


def _begin() -> None:
    given = request.headers.get(HEADER, "")
    g.request_id = given if re.fullmatch(ACCEPTED_ID, given) else str(uuid.uuid4())
    g.begun = time.monotonic()
    structlog.contextvars.clear_contextvars()
    parts = (request.view_args or {}).items()
    ids = {name.removesuffix("_id"): str(value) for name, value in parts if name not in SECRET}
    structlog.contextvars.bind_contextvars(trace=g.request_id, **ids)


def _path() -> str:
    """The path of the request, without what opens something for everyone who reads the log."""
    rule = request.url_rule
    return rule.rule if rule and SECRET & rule.arguments else request.path


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
        path=_path(),
        status=response.status_code,
        seconds=round(time.monotonic() - g.begun, 3),
    )
    return response
