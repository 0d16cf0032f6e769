"""Cross-origin resource sharing (Fetch standard): which web pages may call the API from a browser.

DARKROOM_CORS_ORIGINS lists them. Callers have API keys and no cookies, so `Access-Control-Allow-Credentials` is never
needed. flask-cors answers for the app; `Cors.refusal_headers` serves the few responses that the app does not make.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from urllib.parse import urlsplit

import structlog
from flask import Flask, Request, Response, request
from flask_cors import CORS

from darkroom.setting_fields.origins import ALL, pattern_of
from darkroom.settings import PREFIX

log = structlog.get_logger()

METHODS = ["GET", "HEAD", "POST", "DELETE"]

EXPOSED = [
    "Content-Disposition",
    "ETag",
    "Idempotent-Replayed",
    "Location",
    "Retry-After",
    "WWW-Authenticate",
    "X-Request-Id",
]
"""Headers of responses that a page may read, beside those that it always may."""

PREFLIGHT_SECONDS = 7200
"""For which a browser remembers a preflight; Chromium remembers none for longer."""

MINUTE = 60.0
MAX_LOGGED = 100
"""Origins that a process logs as refused in a minute, each once."""


@dataclass(frozen=True)
class Cors:
    origins: tuple[str, ...]
    """As DARKROOM_CORS_ORIGINS lists them."""

    def allows(self, origin: str) -> bool:
        return any(pattern_of(allowed).match(origin) for allowed in self.origins)

    def refusal_headers(self, origin: str) -> dict[str, str]:
        """The headers of a response without Flask to a page of this origin; empty: it may not read the response."""
        if not origin or not self.allows(origin):
            return {}
        exposed = {"Access-Control-Expose-Headers": ", ".join(EXPOSED)}
        if ALL in self.origins:
            return {"Access-Control-Allow-Origin": ALL} | exposed
        return {"Access-Control-Allow-Origin": origin, "Vary": "Origin"} | exposed


def is_preflight(incoming: Request) -> bool:
    """Whether a browser asks whether a page may send a request. It sends no API key with this question."""
    return incoming.method == "OPTIONS" and "Access-Control-Request-Method" in incoming.headers


def register(app: Flask, cors: Cors, base_url: str) -> None:
    """Answer preflights, and let the pages of these origins read every response. `base_url`: the API's own address."""
    own_host = urlsplit(base_url).netloc
    refused = RefusedOrigins()

    def finish(response: Response) -> Response:
        if cors.origins and ALL not in cors.origins:
            response.vary.add("Origin")  # of every response: a cache may not give one page's to another
        origin = request.headers.get("Origin", "")
        allowed = "Access-Control-Allow-Origin" in response.headers
        # Browsers send `Origin` with each POST of the API's own pages, too.
        if origin and not allowed and urlsplit(origin).netloc not in {request.host, own_host}:
            refused.log(origin)
        return response

    app.after_request(finish)  # Flask calls it after flask-cors's, which is registered later
    if cors.origins:
        CORS(
            app,
            origins=ALL if ALL in cors.origins else [pattern_of(origin) for origin in cors.origins],
            send_wildcard=True,
            methods=METHODS,
            allow_headers=ALL,
            expose_headers=EXPOSED,
            max_age=PREFLIGHT_SECONDS,
            vary_header=False,
            intercept_exceptions=False,  # our error handlers make responses, which after_request sees
        )


class RefusedOrigins:
    """Logs the origins that may not call, each once a minute at most."""

    def __init__(self) -> None:
        self._logged: set[str] = set()
        self._until = 0.0

    def log(self, origin: str) -> None:
        if (at := time.monotonic()) >= self._until:
            self._logged, self._until = set(), at + MINUTE
        if origin in self._logged or len(self._logged) >= MAX_LOGGED:
            return
        self._logged.add(origin)
        log.warning(
            "cors.refused",
            origin=origin[:200],
            detail="a page of this origin called the API, and its browser lets it read no response: "
            f"{PREFIX}CORS_ORIGINS does not list the origin",
        )
