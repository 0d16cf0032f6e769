"""Archives: the results of a photo, of a batch, or of photos that the caller names, as one zip file."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import cast
from uuid import UUID

from flask import Response, request
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag
from pydantic import Field

from api.access.limit_errors import TooManyRequests
from api.context import caller, context, owners_share, require_own
from api.http.request import ApiRequest
from api.openapi import responses
from api.routes.paths import BatchPath, PhotoPath
from api.zip_files import MAX_FILES, files_of, write
from darkroom.aws.bucket import attachment
from darkroom.errors import Conflict, NotConfigured
from darkroom.jobs.spec import Spec
from darkroom.record.photo import PhotoRecord

archives = APIBlueprint(
    "archives",
    __name__,
    abp_tags=[Tag(name="results")],
    abp_responses=responses.COMMON
    | {"501": responses.problem("This installation cannot send long responses, as on AWS Lambda: fetch each result")},
)

MAX_CHOSEN = 50
"""Photos that one request may name. Their ids have to fit into a request line, of which gunicorn takes 4,094 bytes."""


class ArchiveQuery(Spec):
    photo: list[UUID] = Field(
        min_length=1, max_length=MAX_CHOSEN, description="the id of a photo; give it once for each photo"
    )


RETRY_LATER = 10
"""Seconds. An estimate: when another download ends is unknown."""

_ZIP = {
    "description": "A zip file with the results of all jobs that have succeeded",
    "content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}},
    "headers": responses.header("Content-Disposition", "a file name for the archive", {"type": "string"}, always=True),
}
_HOW = (
    "The files have the names of the results. Nothing is stored for it: it is written while it is sent, and its length "
    "is known from the start, so a download that ends early is seen as broken."
)


@archives.get(
    "/v1/photos/<uuid:photo_id>/archive",
    operation_id="getPhotoArchive",
    summary="Download all results of a photo as a zip file",
    description=_HOW,
    responses={200: _ZIP, 404: responses.NOT_FOUND, 409: responses.problem("No job has a result")},
)
def get_photo_archive(path: PhotoPath) -> Response:
    photo = context().photo(path.photo_id)
    name = photo.original.filename.rpartition(".")[0] if photo.original else ""
    return _archive([photo], f"{name or photo.id}.zip")


@archives.get(
    "/v1/batches/<uuid:batch_id>/archive",
    operation_id="getBatchArchive",
    summary="Download all results of a batch as a zip file",
    description=_HOW,
    responses={200: _ZIP, 404: responses.NO_BATCH, 409: responses.problem("No job has a result, or too many have one")},
)
def get_batch_archive(path: BatchPath) -> Response:
    ctx = context()
    batch = ctx.batch(path.batch_id)
    photos = [photo for photo in ctx.services.table.get_many(batch.photos) if not photo.deleted_or_expired]
    return _archive(photos, f"batch-{batch.id}.zip")


@archives.get(
    "/v1/archive",
    operation_id="getArchive",
    summary="Download the results of several photos as a zip file",
    description=f"Of the photos that you name, also when they were not uploaded together. {_HOW}",
    responses={
        200: _ZIP,
        404: responses.problem("You have no photo with one of these ids"),
        409: responses.problem("No job has a result, or too many have one"),
        422: responses.INVALID,
    },
)
def get_archive(query: ArchiveQuery) -> Response:
    ids = dict.fromkeys(query.photo)
    found = {photo.id: photo for photo in context().services.table.get_many([str(photo_id) for photo_id in ids])}
    return _archive([require_own(found.get(str(photo_id)), photo_id) for photo_id in ids], "photos.zip")


def _archive(photos: Iterable[PhotoRecord], name: str) -> Response:
    """Raises Conflict, NotConfigured, TooManyRequests."""
    ctx = context()
    if cast(ApiRequest, request).caller is None:
        raise NotConfigured("this installation cannot send long responses: fetch each result by its link")
    files = files_of(photos)
    if not files:
        raise Conflict("no job has a result yet")
    if len(files) > MAX_FILES:
        raise Conflict(
            f"there are {len(files):,} results, and an archive has at most {MAX_FILES:,}: fetch them one by one"
        )
    content, size = write(files, ctx.services.bucket)
    response = Response(content_type="application/zip")
    response.headers["Content-Disposition"] = attachment(name)
    response.content_length = size
    if request.method == "HEAD":
        return response
    owner = caller()
    if refused := ctx.archive_places.take(owner, owners_share()):
        raise TooManyRequests(refused, RETRY_LATER)
    response.response = content
    response.call_on_close(partial(ctx.archive_places.give_back, owner))
    return response
