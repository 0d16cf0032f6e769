"""The Flask app: the resources, and what holds for all of them."""

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
from api.openapi import document as openapi
from api.openapi.webhook_events import webhooks
from api.routes.dead_letters import dead_letters
from api.routes.direct_uploads import AwaitedPhotoView, direct_uploads
from api.routes.docs_page import docs, document
from api.routes.jobs import JobsView, jobs
from api.routes.operations import operations
from api.routes.photos import photos
from api.routes.probes import health
from api.uploads.intake import BatchProblem, BatchView
from api.uploads.spool import FORM_TEXT, SpooledRequest
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

JSON_BODY = 128 * 1024
"""Bytes. Fifty pipelines have a few kilobytes each."""

READ_IN_PASSING = 64 * 1024
"""Bytes of a body that nobody wants, read to keep the connection if they are there already."""

FEW_FIELDS = 20
"""Parts of a form beside its photos."""


class Json(DefaultJSONProvider):
    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        """Raises ValueError for whatever is no JSON that we take."""
        try:
            return super().loads(s, **kwargs)
        except RecursionError:
            raise ValueError("it is nested too deeply") from None


class DarkroomApi(OpenAPI):
    request_class = SpooledRequest
    json_provider_class = Json

    def context(self) -> Context:
        made: Context = self.extensions[EXTENSION]
        return made


def create_app(settings: Settings, services: Services) -> DarkroomApi:
    """Raises SettingsError when the presets, or the owners and their keys, are wrong."""
    owners = read_owners(settings)
    app = DarkroomApi(
        __name__,
        info=Info(title="Darkroom", version=__version__, description="Photos in, results out; the work is queued."),
        servers=[Server(url=".")],  # where the document itself stands, whichever name of ours the caller used
        openapi_extensions={"webhooks": webhooks()},
        doc_ui=False,
        # The library documents this status wherever an operation does not itself; all of ours do. What is wrong with
        # a request is answered by the callback.
        validation_error_status=HTTPStatus.INTERNAL_SERVER_ERROR.value,
        validation_error_model=problems.Problem,
        validation_error_callback=problems.refuse_invalid,
        static_folder=None,
    )
    app.extensions[EXTENSION] = Context(
        settings, services, read_presets(settings), Waits(settings.api_threads, settings.wait_share), owners
    )
    # Or an empty id would make another address of this one: that of one dead letter becomes that of all.
    app.url_map.merge_slashes = False
    # werkzeug counts a body of exactly this length as too long.
    app.config["MAX_CONTENT_LENGTH"] = settings.max_request_bytes + 1
    app.config["MAX_FORM_MEMORY_SIZE"] = FORM_TEXT
    app.config["MAX_FORM_PARTS"] = settings.max_photos + FEW_FIELDS
    app.before_request(_limit_body)
    app.before_request(ask_hanging_services_once)
    app.after_request(_end_body)
    problems.register(app)
    tracing.register(app)
    keys_needed = auth_mode(settings, owners) == "keys"
    if keys_needed:
        auth.register(app, settings, owners)
    for resource in (photos, direct_uploads, jobs, dead_letters, operations, health):
        app.register_api(resource)
    app.components_schemas |= openapi.components(BatchView, BatchProblem, JobsView, PhotoView, AwaitedPhotoView, Event)
    app.register_blueprint(docs)
    app.add_url_rule("/", "root", lambda: redirect(f"{settings.base_url}/docs"))
    app.add_url_rule("/openapi.json", "openapi", lambda: document(app, keys_needed))
    return app


def _limit_body() -> None:
    """Only uploads may be large, and take long; other bodies are read into memory."""
    if request.endpoint == auth.UPLOAD:
        cast(SpooledRequest, request).allow_slow_body()
    else:
        request.max_content_length = JSON_BODY


def _end_body(response: Response) -> Response:
    incoming, uploading = cast(SpooledRequest, request), request.endpoint == auth.UPLOAD
    # A caller refused before the body was read does not get to send it, and nobody needs one with GET.
    if g.get("admitted", True) and request.method not in ("GET", "HEAD"):
        incoming.end_body(context().settings.max_request_bytes if uploading else MIB, wait=True)
    else:
        incoming.end_body(READ_IN_PASSING, wait=False)
    return response
