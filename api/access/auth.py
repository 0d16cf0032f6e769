"""Who calls: nearly every request needs an API key, and the key's owner sees only their own photos.

The key and the caller's limits are checked from the head of a request, before the server collects its body. The app
runs again when the body has arrived; the caller is admitted and counted only the first time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn, cast

import structlog
from flask import Flask, g, request

from api.access.caller_limits import CallerLimits, UploadReservation
from api.context import context
from api.http.body_limits import upload_limits
from api.http.cors import is_preflight
from api.http.request import TOKEN_PARAMETER, ApiRequest, BodyAwaited
from api.token_scope import (
    OPEN_TO_TOKENS,
    WHAT_IT_MAY,
    TokenInvalid,
    TokenScope,
    TokenSpent,
    UploadToken,
    is_token,
    read_token,
)
from darkroom.errors import Unauthorized
from darkroom.owners import DEFAULT_OWNER, ONLY_SENT, Owners, auth_mode, hash_of
from darkroom.settings import PREFIX, Settings
from darkroom.signed_texts import Signer

OPEN = {
    "openapi",
    "docs.page",
    "docs.static",
    "web_page.page",
    "web_page.static",
    "probes.healthz",
    "probes.readyz",
    "embeds.get_embedded",
}
"""Endpoints that need no key: load balancers have none, the docs and the web page ask for one, and an embed link is
signed."""

SCHEME = "apiKey"
TOKEN_SCHEME = "uploadToken"  # noqa: S105 - a name
QUERY_SCHEME = "uploadTokenInQuery"

FORM_SIZE = 256 * 1024
"""Bytes of a form besides its photos, at most, if a token allows no more than these photos."""


@dataclass
class Grant:
    """What a request of this owner holds until it ends. It is an `api.http.connection.Admission`."""

    owner: str
    limits: CallerLimits
    token: UploadToken | None = None
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


def register_tokens(app: Flask, signer: Signer | None) -> None:
    """Where no API key is needed: narrow down the requests that come with an upload token all the same."""

    def narrow() -> None:
        if is_token(text := _credential()):
            g.upload_token = _permitted(read_token(signer, text))

    app.before_request(narrow)


def register(app: Flask, settings: Settings, owners: Owners, signer: Signer | None) -> None:
    """Require an API key, or an upload token, for every endpoint that is not open. Call it after `tracing.register`."""
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
        g.owner, g.limits, g.upload_token = granted.owner, limits, granted.token
        structlog.contextvars.bind_contextvars(owner=granted.owner)
        g.admitted = True

    def admit(incoming: ApiRequest) -> Grant:
        if is_token(credential := _credential()):
            token = read_token(signer, credential)
            if token.owner not in owners.names:
                raise TokenInvalid("the owner of this upload token has no API key any more")
            owner, counted_as = token.owner, token.id
            limits.count_request(f"tokens of {owner}")  # all together may do no more than one key
        else:
            token, counted_as = None, hash_of(credential) if credential else ""
            owner = owners.owner_of(counted_as) or _refuse()
        structlog.contextvars.bind_contextvars(owner=owner)
        limits.count_request(counted_as)
        granted = Grant(owner, limits, token and _permitted(token))
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


def _refuse() -> NoReturn:
    raise Unauthorized


def _credential() -> str:
    """The API key or the upload token of the current request; empty if there is none. Only a token may be in the query:
    addresses end up in logs and histories, and a key never expires."""
    given = request.authorization
    if given and given.type == "bearer" and given.token:
        return given.token
    in_query = cast(ApiRequest, request).query_token
    return in_query if is_token(in_query) else ""


def _permitted(token: UploadToken) -> UploadToken:
    """Raises TokenScope if a token is not enough for the current request, or too small for its body."""
    if request.endpoint not in OPEN_TO_TOKENS:
        raise TokenScope(WHAT_IT_MAY)
    if upload_limits(request.endpoint, context().settings) and (request.content_length or 0) > token.size + FORM_SIZE:
        raise TokenSpent(f"this upload token allows {token.size:,} bytes, and the request has more")
    return token


def describe(document: dict[str, Any], needed: bool) -> None:
    """Write into the OpenAPI document whether a key is needed, and for which operations it is not."""
    if not needed:
        document["components"].pop("securitySchemes", None)
        return
    document["components"]["securitySchemes"] = {
        SCHEME: {"type": "http", "scheme": "bearer", "description": "an API key: `Authorization: Bearer dk_...`"},
        TOKEN_SCHEME: {"type": "http", "scheme": "bearer", "description": "an upload token: `Bearer dt_...`"},
        QUERY_SCHEME: {"type": "apiKey", "in": "query", "name": TOKEN_PARAMETER, "description": "an upload token"},
    }
    document["security"] = [{SCHEME: []}]
    for operation in (named for methods in document["paths"].values() for named in methods.values()):
        if operation["operationId"] in OPEN_TO_TOKENS.values():
            operation["security"] = [{SCHEME: []}, {TOKEN_SCHEME: []}, {QUERY_SCHEME: []}]
    for path in ("/healthz", "/readyz", "/v1/embeds/{link}"):
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
