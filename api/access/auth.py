"""Who calls: nearly every request needs an API key, and the key's owner sees only their own photos.

The key and the caller's limits are checked before the first byte of a body is read. Bodies that are not uploads are
read here too, so that the slow bodies of one caller do not hold all threads.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import structlog
from flask import Flask, g, request

from api.access.caller_limits import CallerLimits
from api.http.request import ApiRequest
from darkroom.errors import Unauthorized
from darkroom.owners import DEFAULT_OWNER, ONLY_SENT, Owners, auth_mode, hash_of
from darkroom.settings import PREFIX, Settings

UPLOAD = "photos.upload_photos"

OPEN = {"root", "openapi", "docs.page", "docs.static", "probes.healthz", "probes.readyz"}
"""Endpoints that need no key: load balancers have none, and the docs describe how to send one."""

SCHEME = "apiKey"


def register(app: Flask, settings: Settings, owners: Owners) -> None:
    """Require an API key for every endpoint that is not open. Call it after `tracing.register`."""
    limits = CallerLimits(settings)

    def identify() -> None:
        g.admitted = False  # until the caller is known, no body is read
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
                request.get_data()  # Flask keeps it for the route
        g.admitted = True

    def end_upload(_: BaseException | None) -> None:
        if reservation := g.pop("upload", None):
            limits.end_upload(reservation, cast(ApiRequest, request).body.size)

    app.before_request(identify)
    app.teardown_request(end_upload)


def describe(document: dict[str, Any], needed: bool) -> None:
    """Write into the OpenAPI document whether a key is needed, and for which operations it is not."""
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
    """Log a warning when the API runs without keys. `reached_at`: the API's address, for people."""
    if auth_mode(settings, owners) == "off":
        misplaced = f"; {PREFIX}API_KEY does not change that, {ONLY_SENT}" if environ.get(f"{PREFIX}API_KEY") else ""
        structlog.get_logger().warning(
            "auth.off",
            detail=f"there are no API keys: every caller who reaches {reached_at} may do everything, "
            f"as the owner `{DEFAULT_OWNER}`{misplaced}",
        )


def _has_body() -> bool:
    if request.method in ("GET", "HEAD"):
        return False
    return bool(request.content_length) or "Transfer-Encoding" in request.headers
