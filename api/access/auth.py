"""Who calls: every request but a few needs an API key, and the key's owner sees nothing but their own photos.

It is settled before the first byte of a body is read, and so are the caller's limits. Bodies that are no uploads are
read here too, so that one caller's slow ones do not hold the threads of all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import structlog
from flask import Flask, g, request

from api.access.caller_limits import CallerLimits
from api.uploads.spool import SpooledRequest
from darkroom.errors import Unauthorized
from darkroom.owners import DEFAULT_OWNER, ONLY_SENT, Owners, auth_mode, hash_of
from darkroom.settings import PREFIX, Settings

UPLOAD = "photos.upload"

OPEN = {"root", "openapi", "docs.page", "docs.static", "health.healthz", "health.readyz"}
"""Endpoints that need no key: what balances load has none, and the docs say how one is sent."""

SCHEME = "apiKey"


def register(app: Flask, settings: Settings, owners: Owners) -> None:
    """Ask every caller for a key. Comes after what gives the request its id."""
    limits = CallerLimits(settings)

    def identify() -> None:
        g.admitted = False  # as long as nobody knows who calls, no body is read
        if request.endpoint in OPEN:
            return
        given = request.authorization
        token = given.token if given and given.type == "bearer" else None
        key = hash_of(token) if token else ""
        owner = owners.owner_of(key)
        if owner is None:
            raise Unauthorized
        g.owner, g.limits = owner, limits
        structlog.contextvars.bind_contextvars(owner=owner)
        limits.count_request(key)
        if request.endpoint == UPLOAD:
            g.upload = limits.begin_upload(owner, request.content_length)
        elif _has_body():
            with limits.body(owner):
                request.get_data()  # kept for whoever reads it as JSON
        g.admitted = True

    def end_upload(_: BaseException | None) -> None:
        if reservation := g.pop("upload", None):
            limits.end_upload(reservation, cast(SpooledRequest, request).body.size)

    app.before_request(identify)
    app.teardown_request(end_upload)


def _has_body() -> bool:
    if request.method in ("GET", "HEAD"):
        return False
    return bool(request.content_length) or "Transfer-Encoding" in request.headers


def describe(document: dict[str, Any], needed: bool) -> None:
    """Say in the OpenAPI document whether a key is needed, and where not."""
    if not needed:
        document["components"].pop("securitySchemes", None)
        return
    document["components"]["securitySchemes"] = {
        SCHEME: {"type": "http", "scheme": "bearer", "description": "an API key: `Authorization: Bearer dk_...`"}
    }
    document["security"] = [{SCHEME: []}]
    for path in ("/healthz", "/readyz"):
        for operation in document["paths"][path].values():
            operation["security"] = []


def warn_if_off(settings: Settings, owners: Owners, environ: Mapping[str, str], reached_at: str) -> None:
    """A line in the log: nobody should run an open service without having read it."""
    if auth_mode(settings, owners) == "off":
        misplaced = f"; {PREFIX}API_KEY does not change that, {ONLY_SENT}" if environ.get(f"{PREFIX}API_KEY") else ""
        structlog.get_logger().warning(
            "auth.off",
            detail=f"there are no API keys: whoever reaches {reached_at} may do everything, "
            f"as the owner `{DEFAULT_OWNER}`{misplaced}",
        )
