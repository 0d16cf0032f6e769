"""What routes need to do their work: the context of the app, the caller, and simple responses."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from http import HTTPStatus
from typing import cast
from uuid import UUID

from flask import Response, current_app, g
from pydantic import BaseModel

from api.live.changes import ViewsOf
from api.live.watcher import Watcher
from api.queue_numbers import QueueCounter, count_queue
from api.token_scope import current_token
from api.waits import Waits
from api.zip_files import ArchivePlaces
from darkroom.embed_links import EmbedLinks
from darkroom.errors import NotFound
from darkroom.owners import DEFAULT_OWNER, Owners
from darkroom.presets import Presets
from darkroom.record.job import JobRecord
from darkroom.record.photo import PhotoRecord
from darkroom.record.photo_batch import Batch
from darkroom.record.views import JobView, PhotoView, job_view, photo_view
from darkroom.services import Services
from darkroom.settings import Settings
from darkroom.signed_texts import Signer

EXTENSION = "darkroom"
"""The name under which the Flask app keeps the context."""

RETRY_SOON = 1
"""Seconds after which to ask again for work that is queued or running."""

BUSY_RETRY = 2
"""Seconds after which to ask again when too many requests are waiting already."""


@dataclass(frozen=True)
class Context:
    """What create_app makes once for each process."""

    settings: Settings
    services: Services
    presets: Presets
    waits: Waits
    owners: Owners = field(default_factory=Owners)
    signer: Signer | None = None
    """None: nothing can be signed (darkroom/signed_texts.py)."""

    @cached_property
    def embeds(self) -> EmbedLinks:
        return EmbedLinks(self.settings, self.signer)

    @cached_property
    def watcher(self) -> Watcher:
        return Watcher(self.services.table, ViewsOf(self.view_for_all, self.job_view))

    @cached_property
    def queue_counter(self) -> QueueCounter:
        return QueueCounter(lambda: count_queue(self.services))

    def photo_view(self, photo: PhotoRecord) -> PhotoView:
        """The photo as the current caller may see it."""
        if current_token():
            return self.view_for_all(photo)
        return photo_view(photo, self.settings.base_url, self.embeds.link)

    def view_for_all(self, photo: PhotoRecord) -> PhotoView:
        """The photo without the owner's callback URL, which may hold a secret: for tokens, and for events."""
        view = photo_view(photo, self.settings.base_url, self.embeds.link)
        return view.model_copy(update={"callback": None})

    def job_view(self, photo: PhotoRecord, job: JobRecord) -> JobView:
        return job_view(photo, job, self.settings.base_url, self.embeds.link)

    @cached_property
    def archive_places(self) -> ArchivePlaces:
        return ArchivePlaces(self.settings.api_threads, self.settings.wait_share)

    def batch(self, batch_id: UUID) -> Batch:
        """The caller's batch. Raises NotFound when it is unknown or another owner's."""
        batch, token = self.services.batches.get(str(batch_id)), current_token()
        if batch is None or batch.owner != caller() or (token and batch.upload_token != token.id):
            raise NotFound(f"there is no batch {batch_id}")
        return batch

    def photo(self, photo_id: UUID) -> PhotoRecord:
        """The caller's photo. Raises NotFound when it is unknown, deleted, expired or another owner's."""
        return require_own(self.services.table.get(str(photo_id)), photo_id)


def context() -> Context:
    """The current app's context."""
    return cast(Context, current_app.extensions[EXTENSION])


def caller() -> str:
    """The owner that the current request acts for."""
    return cast(str, g.get("owner", DEFAULT_OWNER))


def owners_share() -> bool:
    """Whether callers have API keys: then each owner may use a share of what there is, and no more."""
    return "limits" in g


def principal() -> str:
    """The caller, as one who shares no Idempotency-Keys with others: an owner, or an upload token of an owner."""
    token = current_token()
    return f"{caller()}#{token.id}" if token else caller()


def require_own(photo: PhotoRecord | None, photo_id: UUID) -> PhotoRecord:
    """The record, if the caller may see it.

    Raises NotFound in the same words in every other case, so that callers cannot find out the ids of other owners.
    """
    token = current_token()
    foreign = photo is None or photo.owner != caller() or (token is not None and photo.upload_token != token.id)
    if foreign or photo is None or photo.deleted_or_expired:
        raise NotFound(f"there is no photo {photo_id}")
    return photo


def json_response(body: BaseModel, status: int = HTTPStatus.OK, retry_after: int | None = None) -> Response:
    """`retry_after`: seconds."""
    response = Response(body.model_dump_json(), status, content_type="application/json")
    if retry_after is not None:
        response.headers["Retry-After"] = str(retry_after)
    return response


def no_content() -> Response:
    response = Response(status=HTTPStatus.NO_CONTENT)
    del response.headers["Content-Type"]  # there is no content
    return response
