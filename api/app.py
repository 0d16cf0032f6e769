"""The Flask app: its resources, and what applies to all of them."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, cast

from flask import Response, g, redirect, request
from flask.json.provider import DefaultJSONProvider
from flask_openapi3.models.info import Info
from flask_openapi3.models.server import Server
from flask_openapi3.openapi import OpenAPI

from api.access import auth
from api.context import EXTENSION, Context, context
from api.http import problems, tracing
from api.openapi.schemas import components
from api.openapi.webhook_events import webhooks
from api.routes.batches import BatchProblem, BatchView
from api.routes.dead_letters import dead_letters
from api.routes.direct_uploads import AwaitedPhotoView, direct_uploads
from api.routes.docs_page import docs, openapi_json
from api.routes.jobs import JobsView, jobs
from api.routes.operations import operations
from api.routes.photos import photos
from api.routes.probes import probes
from api.uploads.spool import MAX_FORM_TEXT, SpooledRequest
from api.waits import Waits
from darkroom import __version__
from darkroom.aws.failures import ask_hanging_services_once
from darkroom.owners import auth_mode, read_owners
from darkroom.presets import read_presets
from darkroom.record.events import Event
from darkroom.record.views import PhotoView
from darkroom.services import Services
from darkroom.settings import Settings

MIB = 1024 * 1024

MAX_JSON_BODY = 128 * 1024
"""Bytes. It holds fifty pipelines of a few kilobytes each."""

MAX_UNREAD_BODY = 64 * 1024
"""Bytes of an unwanted body that are read, if they have arrived, so that the connection can be kept."""

MAX_FORM_FIELDS = 20
"""Parts of a form besides its photos."""


class Json(DefaultJSONProvider):
    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        """Raises ValueError for anything that is not valid JSON, or is nested too deeply."""
        try:
            return super().loads(s, **kwargs)
        except RecursionError:
            raise ValueError("it is nested too deeply") from None


class DarkroomApi(OpenAPI):
    request_class = SpooledRequest
    json_provider_class = Json

    def context(self) -> Context:
        return cast(Context, self.extensions[EXTENSION])


def create_app(settings: Settings, services: Services) -> DarkroomApi:
    """Raises SettingsError when the presets, or the owners and their keys, are wrong."""
    owners = read_owners(settings)
    app = DarkroomApi(
        __name__,
        info=Info(
            title="Darkroom", version=__version__, description="Upload photos; workers process them from a queue."
        ),
        servers=[Server(url=".")],  # relative to the document: the API may have several host names
        openapi_extensions={"webhooks": webhooks()},
        doc_ui=False,
        # The library documents this status for each operation that does not; all of ours do. The callback answers
        # invalid requests.
        validation_error_status=HTTPStatus.INTERNAL_SERVER_ERROR.value,
        validation_error_model=problems.Problem,
        validation_error_callback=problems.refuse_invalid,
        static_folder=None,
    )
    app.extensions[EXTENSION] = Context(
        settings, services, read_presets(settings), Waits(settings.api_threads, settings.wait_share), owners
    )
    # Otherwise a path with an empty id would be another path: DELETE of one dead letter would be DELETE of all.
    app.url_map.merge_slashes = False
    # werkzeug refuses a body of exactly this length.
    app.config["MAX_CONTENT_LENGTH"] = settings.max_request_bytes + 1
    app.config["MAX_FORM_MEMORY_SIZE"] = MAX_FORM_TEXT
    app.config["MAX_FORM_PARTS"] = settings.max_photos + MAX_FORM_FIELDS
    app.before_request(_limit_body)
    app.before_request(ask_hanging_services_once)
    app.after_request(_end_body)
    problems.register(app)
    tracing.register(app)
    keys_needed = auth_mode(settings, owners) == "keys"
    if keys_needed:
        auth.register(app, settings, owners)
    for resource in (photos, direct_uploads, jobs, dead_letters, operations, probes):
        app.register_api(resource)
    app.components_schemas |= components(BatchView, BatchProblem, JobsView, PhotoView, AwaitedPhotoView, Event)
    app.register_blueprint(docs)
    app.add_url_rule("/", "root", lambda: redirect(f"{settings.base_url}/docs"))
    app.add_url_rule("/openapi.json", "openapi", lambda: openapi_json(app, keys_needed))
    return app


def _limit_body() -> None:
    """Only uploads may be large and slow; other bodies are held in memory."""
    if request.endpoint == auth.UPLOAD:
        cast(SpooledRequest, request).allow_slow_body()
    else:
        request.max_content_length = MAX_JSON_BODY


def _end_body(response: Response) -> Response:
    incoming, uploading = cast(SpooledRequest, request), request.endpoint == auth.UPLOAD
    # A caller who was refused before the body was read need not send the rest. GET needs no body.
    if g.get("admitted", True) and request.method not in ("GET", "HEAD"):
        incoming.end_body(context().settings.max_request_bytes if uploading else MIB, wait=True)
    else:
        incoming.end_body(MAX_UNREAD_BODY, wait=False)
    return response
