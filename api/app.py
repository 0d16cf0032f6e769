"""The Flask app: the resources, and what holds for all of them."""

from __future__ import annotations

from typing import cast

from flask import Response, g, redirect, request
from flask_openapi3.models.info import Info
from flask_openapi3.models.server import Server
from flask_openapi3.openapi import OpenAPI

from api import auth, openapi, problems, tracing
from api.context import EXTENSION, Context
from api.dead_letters import dead_letters
from api.docs_page import docs, document
from api.health import health
from api.intake import BatchProblem, BatchView
from api.jobs import jobs
from api.operations import operations
from api.photos import photos
from api.presets import read_presets
from api.spool import SpooledRequest
from api.waits import Waits
from darkroom import __version__
from darkroom.aws import wait_once_for_each_service
from darkroom.owners import read_owners
from darkroom.services import Services
from darkroom.settings import Settings

MIB = 1024 * 1024

FEW_FIELDS = 20
"""Parts of a form beside its photos."""


class DarkroomApi(OpenAPI):
    request_class = SpooledRequest

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
        doc_ui=False,
        # Every operation documents "default", so that the library adds nothing of its own for faults.
        validation_error_status="default",
        validation_error_model=problems.Problem,
        validation_error_callback=problems.refuse,
        static_folder=None,
    )
    app.extensions[EXTENSION] = Context(
        settings, services, read_presets(settings), Waits(settings.api_threads, settings.wait_share), owners
    )
    # werkzeug counts a body of exactly this length as too long.
    app.config["MAX_CONTENT_LENGTH"] = settings.max_request_bytes + 1
    app.config["MAX_FORM_MEMORY_SIZE"] = MIB
    app.config["MAX_FORM_PARTS"] = settings.max_photos + FEW_FIELDS
    app.before_request(_limit_body)
    app.before_request(wait_once_for_each_service)
    app.after_request(_drain_body)
    problems.register(app)
    tracing.register(app)
    auth.register(app, settings, owners)
    for resource in (photos, jobs, dead_letters, operations, health):
        app.register_api(resource)
    app.components_schemas |= openapi.components(BatchView, BatchProblem)
    app.register_blueprint(docs)
    keys_needed = auth.mode(settings, owners) == "keys"
    app.add_url_rule("/", "root", lambda: redirect(f"{settings.base_url}/docs"))
    app.add_url_rule("/openapi.json", "openapi", lambda: document(app, keys_needed))
    return app


def _limit_body() -> None:
    """Only uploads may be large; other bodies are read into memory."""
    if request.endpoint != auth.UPLOAD:
        request.max_content_length = MIB


def _drain_body(response: Response) -> Response:
    # A caller refused before the body was read does not get to send it: gunicorn reads a little more, and hangs up.
    if g.get("admitted", True):
        cast(SpooledRequest, request).drain()
    return response
