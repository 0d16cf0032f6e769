"""Who calls: nearly every request needs an API key, and the key's owner sees only their own photos.

The key and the caller's limits are checked from the head of a request, before the server collects its body. The app
runs again when the body has arrived; the caller is admitted and counted only the first time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import structlog
from flask import Flask, g, request

from api.access.caller_limits import CallerLimits, UploadReservation
from api.http.body_limits import upload_limits
from api.http.cors import is_preflight
from api.http.request import ApiRequest, BodyAwaited
from darkroom.errors import Unauthorized
from darkroom.owners import DEFAULT_OWNER, ONLY_SENT, Owners, auth_mode, hash_of
from darkroom.settings import PREFIX, Settings

OPEN = {"root", "openapi", "docs.page", "docs.static", "probes.healthz", "probes.readyz"}
"""Endpoints that need no key: load balancers have none, and the docs describe how to send one."""

SCHEME = "apiKey"


@dataclass
class Grant:
    """What a request of this owner holds until it ends. It is an `api.http.connection.Admission`."""

    owner: str
    limits: CallerLimits
    upload: UploadReservation | None = None
    body: bool = False
    """One of the owner's places for bodies that are being received."""

    def release(self, received: int) -> None:
        self.end_body()
        if self.upload:
            self.limits.end_upload(self.upload, received)
            self.upload = None

    def end_body(self) -> None:
        if self.body:
            self.limits.end_body(self.owner)
            self.body = False


def register(app: Flask, settings: Settings, owners: Owners) -> None:
    """Require an API key for every endpoint that is not open. Call it after `tracing.register`."""
    limits = CallerLimits(settings)

    def identify() -> None:
        g.admitted = False  # until the caller is known, no body is awaited
        incoming = cast(ApiRequest, request)
        if request.endpoint in OPEN or is_preflight(request):
            return
        if not isinstance(granted := incoming.admission, Grant):
            granted = incoming.admission = admit(incoming)
        elif granted.body:
            granted.end_body()  # it has arrived, or the caller was too slow
        g.owner, g.limits = granted.owner, limits
        structlog.contextvars.bind_contextvars(owner=granted.owner)
        g.admitted = True

    def admit(incoming: ApiRequest) -> Grant:
        given = request.authorization
        token = given.token if given and given.type == "bearer" else None
        key = hash_of(token) if token else ""
        owner = owners.owner_of(key)
        if owner is None:
            raise Unauthorized
        structlog.contextvars.bind_contextvars(owner=owner)
        limits.count_request(key)
        granted = Grant(owner, limits)
        if upload_limits(request.endpoint, settings):
            granted.upload = limits.begin_upload(owner, request.content_length)
        elif request.method not in ("GET", "HEAD") and not incoming.body_arrived:
            limits.begin_body(owner)
            granted.body = True
        return granted

    def end(error: BaseException | None) -> None:
        incoming = cast(ApiRequest, request)
        if incoming.admission and not isinstance(error, BodyAwaited):
            incoming.admission.release(incoming.body.size)
            incoming.admission = None

    app.before_request(identify)
    app.teardown_request(end)


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
