"""The Flask app: its resources, and what applies to all of them."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, cast

from flask import Response, g, request
from flask.json.provider import DefaultJSONProvider
from flask_openapi3.models.info import Info
from flask_openapi3.models.server import Server
from flask_openapi3.openapi import OpenAPI
from werkzeug.exceptions import NotFound

from api.access import auth
from api.context import EXTENSION, Context, context
from api.http import cors, problems, tracing
from api.http.body_limits import upload_limits
from api.http.time_limits import TimeLimit
from api.openapi.schemas import components
from api.openapi.webhook_events import webhooks
from api.routes.archives import archives
from api.routes.assets import assets
from api.routes.batches import BatchOutcomeView, BatchProblem, BatchView, batches
from api.routes.dead_letters import dead_letters
from api.routes.direct_uploads import AwaitedPhotoView, direct_uploads
from api.routes.docs_page import docs, openapi_json
from api.routes.embeds import embeds
from api.routes.job_results import results
from api.routes.jobs import JobsView, jobs
from api.routes.live import live
from api.routes.multipart_uploads import (
    LocationView,
    MultipartUploadView,
    NothingView,
    PartsView,
    PartUrlView,
    multipart_uploads,
)
from api.routes.operations import operations
from api.routes.originals import originals
from api.routes.photos import photos
from api.routes.probes import probes
from api.routes.receipts import receipts
from api.routes.upload_tokens import UploadTokenView, upload_tokens
from api.routes.web_page import web_page
from api.routes.work_queue import work_queue
from api.uploads.spool import SpooledRequest, disk_error
from api.waits import Waits
from darkroom import __version__
from darkroom.aws.failures import ask_hanging_services_once
from darkroom.errors import TooLarge
from darkroom.jobs.json_text import read_json
from darkroom.owners import auth_mode, read_owners
from darkroom.presets import read_presets
from darkroom.record.asset_views import AssetView
from darkroom.record.batch_views import CompletedBatchView
from darkroom.record.events import Event
from darkroom.record.receipt import Receipt
from darkroom.record.views import CompletedPhotoView, PhotoView
from darkroom.services import Services
from darkroom.settings import Settings
from darkroom.signed_texts import signer_of

MIB = 1024 * 1024

MAX_JSON_BODY = 128 * 1024
"""Bytes. It holds fifty pipelines of a few kilobytes each."""

MAX_UNREAD_BODY = 64 * 1024
"""Bytes of an unwanted body that are read, if they have arrived, so that the connection can be kept."""

UPLOAD_SECONDS = 60.0
"""For the body of an upload of any size."""

UPLOAD_RATE = 10_000
"""Bytes per second that a larger one must reach."""

BODY_SECONDS = 10.0
"""For the body of a request that is not an upload."""

NO_BODY = ("GET", "HEAD", "OPTIONS")
"""Methods whose bodies mean nothing."""

MAX_FORM_FIELDS = 20
"""Parts of a form besides its photos."""


RESOURCES = (
    photos,
    direct_uploads,
    multipart_uploads,
    upload_tokens,
    jobs,
    results,
    originals,
    embeds,
    live,
    archives,
    batches,
    receipts,
    assets,
    dead_letters,
    work_queue,
    operations,
    probes,
)
"""In the order of the documentation."""


class Json(DefaultJSONProvider):
    def loads(self, s: str | bytes, **_: Any) -> Any:
        """Raises NotJson, which is a ValueError."""
        return read_json(s)


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
    keys_needed = auth_mode(settings, owners) == "keys"
    signer = signer_of(settings, keys_needed)
    app.extensions[EXTENSION] = Context(
        settings, services, read_presets(settings), Waits(settings.api_threads, settings.wait_share), owners, signer
    )
    _ = app.context().embeds  # its settings are wrong at the start, or never
    # Otherwise a path with an empty id would be another path: DELETE of one dead letter would be DELETE of all.
    app.url_map.merge_slashes = False
    # werkzeug refuses a body of exactly this length.
    app.config["MAX_CONTENT_LENGTH"] = settings.max_request_bytes + 1
    app.config["MAX_FORM_PARTS"] = settings.max_photos + MAX_FORM_FIELDS
    app.before_request(_refuse_empty_parts)
    app.before_request(_limit_body)
    app.before_request(ask_hanging_services_once)
    app.after_request(_end_body)
    problems.register(app)
    tracing.register(app)
    cors.register(app, cors.Cors(settings.cors_origins), settings.base_url)
    if keys_needed:
        auth.register(app, settings, owners, signer)
    else:
        auth.register_tokens(app, signer)
    app.before_request(_await_body)  # the last one: it needs to know whether the caller is admitted
    for resource in RESOURCES:
        app.register_api(resource)
    app.components_schemas |= components(
        BatchOutcomeView,
        BatchView,
        BatchProblem,
        JobsView,
        PhotoView,
        AwaitedPhotoView,
        MultipartUploadView,
        PartUrlView,
        PartsView,
        LocationView,
        NothingView,
        UploadTokenView,
        Receipt,
        Event,
        CompletedBatchView,
        CompletedPhotoView,
        AssetView,
    )
    app.register_blueprint(docs)
    app.register_blueprint(web_page)
    app.add_url_rule("/openapi.json", "openapi", openapi_json(app, keys_needed))
    return app


def _refuse_empty_parts() -> None:
    """`//v1/photos` is no other name of `/v1/photos`: werkzeug's routes ignore slashes at the start of a path."""
    if request.path.startswith("//"):
        request.url_rule, request.routing_exception = None, NotFound()


def _limit_body() -> None:
    """Only uploads may be large; other bodies are held in memory."""
    limits = upload_limits(request.endpoint, context().settings)
    request.max_content_length = limits.body + 1 if limits else MAX_JSON_BODY


def _await_body() -> None:
    """Let the server collect the body before the route runs. Everything that the head can show is checked before.

    Raises BodyAwaited, TooLarge, or Unavailable when the disk is full.
    """
    incoming, settings = cast(SpooledRequest, request), context().settings
    if not _expects_body():
        return
    limits = upload_limits(request.endpoint, settings)
    most = limits.body if limits else MAX_JSON_BODY
    size = request.content_length or 0
    if size > most:
        raise TooLarge(f"the request has more than {most:,} bytes")
    is_file = limits is not None and request.mimetype != "multipart/form-data"
    if limits and is_file and size > limits.file:
        return  # the route refuses it without its bytes
    seconds, rate = (UPLOAD_SECONDS, UPLOAD_RATE) if limits else (BODY_SECONDS, 0)
    incoming.await_body(TimeLimit(seconds, settings.silence, rate), most, is_file)
    if incoming.caller and (error := incoming.caller.request.disk_error):
        raise disk_error(error)


def _end_body(response: Response) -> Response:
    incoming, settings = cast(SpooledRequest, request), context().settings
    if not _expects_body():
        incoming.end_body(MAX_UNREAD_BODY)
    elif limits := upload_limits(request.endpoint, settings):
        incoming.end_body(limits.body, TimeLimit(UPLOAD_SECONDS, settings.silence, UPLOAD_RATE))
    else:
        incoming.end_body(MIB, TimeLimit(BODY_SECONDS, settings.silence))
    return response


def _expects_body() -> bool:
    """GET needs no body, nor does an address that does not exist, and no refused caller needs to send one."""
    return bool(g.get("admitted", True)) and request.method not in NO_BODY and request.routing_exception is None
