"""The API as a Lambda function behind API Gateway: the app that gunicorn serves, given events instead of connections.

`lambda_handler` accepts the gateway's payload formats 1.0 (REST APIs) and 2.0 (HTTP APIs, function URLs). A REST API
must list multipart/form-data, application/octet-stream and image/* in its `binaryMediaTypes`, as
deploy/aws/gateway.yaml does; otherwise it damages photos. The API refuses bodies that arrive as text: a photo that is
the body itself needs a Content-Type there. `authorize` is for routes that the gateway answers without the app.

What differs from gunicorn:
- A request has at most 4 MB: Lambda accepts 6 MB, and base64 makes 4 bytes of 3. Larger photos: POST /v1/uploads.
- `?wait=` ends after 25 s, because the gateway closes the connection after 29.
- Each execution environment counts the limits of one caller (api/access/caller_limits.py) for itself, and in full.
- A setting must say whether callers need keys: there is no address that shows who can reach the API.
- The gateway handles slow callers, malformed requests and connections.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes, urlsplit

from apig_wsgi import make_lambda_handler
from flask import request
from werkzeug.datastructures import Authorization, Headers
from werkzeug.exceptions import UnsupportedMediaType

from api.app import create_app
from api.bootstrap import prepare
from api.context import context
from api.http.body_limits import upload_limits
from api.uploads.by_url import is_by_url
from darkroom.errors import RequestTooLarge, SettingsError
from darkroom.logs import set_up_logs
from darkroom.owners import DEFAULT_OWNER, HOW_KEYS_ARE_MADE, Owners, auth_mode, hash_of, read_owners
from darkroom.settings import MIB, PREFIX, Settings, read_settings

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

Event = dict[str, Any]

MAX_REQUEST = 4 * MIB

MAX_WAIT = 25.0
"""Seconds."""

AWS_TIMEOUT = 8.0
"""Seconds. Three tries of a call end before the gateway closes the connection, so that the caller gets a 503 with
Retry-After."""


BY_URL = "photos.upload_photos"
"""The endpoint that takes photos, or the URL of one as JSON."""


def lambda_handler(event: Event, context: Any) -> Event:
    """Answer a request. The first request of an execution environment builds the app."""
    return _handler()(event, context)


def authorize(event: Event, context: Any) -> Event:  # noqa: ARG001 - Lambda gives it
    """A REQUEST authorizer (payload format 1.0) for the gateway, with Darkroom's own API keys.

    It allows the whole stage, because the gateway caches the result for other requests with the same key.
    """
    settings, owners = _settings()
    owner: str | None = DEFAULT_OWNER
    if auth_mode(settings, owners) == "keys":
        given = Authorization.from_header(Headers(event.get("headers") or {}).get("Authorization"))
        owner = owners.owner_of(hash_of(given.token)) if given and given.type == "bearer" and given.token else None
    if owner is None:
        raise Exception("Unauthorized")  # the gateway answers 401 to exactly this message
    api, stage, *_ = event["methodArn"].split("/")
    allowed = {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": f"{api}/{stage}/*"}
    return {"principalId": owner, "policyDocument": {"Version": "2012-10-17", "Statement": [allowed]}}


@cache
def _handler() -> Callable[[Event, Any], Event]:
    settings, owners = _settings()
    app = create_app(settings, prepare(settings, owners, "the gateway"))
    app.before_request(_refuse_large_files)
    app.before_request(_refuse_text)
    # All responses are text, even the icon of /docs: callers fetch results from S3. A REST API would decode base64 only
    # for callers whose Accept header begins with one of its binary types.
    return make_lambda_handler(
        _behind_gateway(app, urlsplit(settings.base_url).path), non_binary_content_type_prefixes=("",)
    )


@cache
def _settings() -> tuple[Settings, Owners]:
    """Raises SettingsError; Lambda logs its message."""
    settings = read_settings()
    set_up_logs(settings, "api")
    owners = read_owners(settings)
    if settings.auth is None and not owners.keys:
        raise SettingsError(
            f"every caller of the gateway could do everything, because there are no API keys: {HOW_KEYS_ARE_MADE}; "
            f"or set {PREFIX}AUTH=off if the gateway itself checks its callers"
        )
    auth_mode(settings, owners)
    bounded = {
        "max_wait": min(settings.max_wait, MAX_WAIT),
        "aws_timeout": min(settings.aws_timeout, AWS_TIMEOUT),
        "api_processes": 1,  # an execution environment counts limits in full, not its share of a machine's
    }
    return settings.model_copy(update=bounded), owners


def _refuse_large_files() -> None:
    if upload_limits(request.endpoint, context().settings) and (request.content_length or 0) > MAX_REQUEST:
        raise RequestTooLarge(
            f"the request has more than {MAX_REQUEST:,} bytes, the limit of this gateway; "
            "use POST /v1/uploads for larger photos"
        )


def _refuse_text() -> None:
    """A REST API passes bodies that are not of a binary type as text, with most bytes replaced. Some photos can still
    be decoded after that, with wrong pixels. JSON is text, so a photo by URL stays as it was sent."""
    event = request.environ["apig_wsgi.full_event"]
    text = event.get("body") and not event.get("isBase64Encoded")
    by_url = request.endpoint == BY_URL and is_by_url()
    if text and not by_url and upload_limits(request.endpoint, context().settings):
        raise UnsupportedMediaType(
            "the gateway took this for text, which damaged the file: send multipart/form-data, "
            "or the file itself with a Content-Type such as image/jpeg or application/octet-stream"
        )


def _behind_gateway(app: WSGIApplication, public_path: str) -> WSGIApplication:
    """The app behind the gateway: without the gateway's prefix in the path, and with the gateway's request id."""

    def serve(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        event = environ["apig_wsgi.full_event"]
        # An HTTP API decodes the path, a REST API does not. WSGI needs the decoded bytes as Latin-1.
        environ["PATH_INFO"] = unquote_to_bytes(_path(event, public_path)).decode("latin-1")
        if whole := environ.get("HTTP_CONTENT_TYPE"):  # CONTENT_TYPE may have been cut at a comma in the boundary
            environ["CONTENT_TYPE"] = whole
        environ.pop("HTTP_TRANSFER_ENCODING", None)  # the gateway has joined the chunks
        environ.setdefault("HTTP_X_REQUEST_ID", event["requestContext"].get("requestId", ""))
        return app(environ, start_response)

    return serve


def _path(event: Event, public_path: str) -> str:
    """The path without its prefix: the stage of an HTTP API, or the path that a custom domain maps."""
    context = event["requestContext"]
    stage = f"/{context.get('stage', '')}"
    path: str
    if event.get("version") == "2.0":
        path, prefixes = event["rawPath"], [stage]
    elif context.get("path", event["path"]) != event["path"]:  # a REST API has removed it
        path, prefixes = event["path"], []
    else:
        path, prefixes = event["path"], [public_path, stage] if "version" in event else [public_path]
    found = next((prefix for prefix in prefixes if prefix and f"{path}/".startswith(f"{prefix}/")), "")
    return path[len(found) :] or "/"
