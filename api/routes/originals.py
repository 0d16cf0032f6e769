"""The original of a photo: the file as it was uploaded."""

from __future__ import annotations

from http import HTTPStatus

from flask import Response, request
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag

from api.context import context
from api.openapi import responses
from api.routes.job_results import DownloadQuery
from api.routes.paths import PhotoPath
from darkroom.aws.bucket import attachment, inline
from darkroom.errors import Conflict, NotFound

originals = APIBlueprint(
    "originals",
    __name__,
    abp_tags=[Tag(name="photos", description="Uploaded photos and their state")],
    abp_responses=responses.COMMON,
)


@originals.get(
    "/v1/photos/<uuid:photo_id>/original",
    operation_id="getOriginal",
    summary="Fetch the file that was uploaded",
    description="HEAD describes the file: its type, length, ETag and file name. It never redirects.",
    responses={
        302: {
            "description": "A redirect to the file",
            "headers": responses.location(always=True, description="a presigned URL that is valid for a limited time"),
        },
        404: responses.problem(
            "The photo does not exist, was deleted or has expired, or its original has been removed from the bucket"
        ),
        409: responses.problem("The photo's file has not arrived, or was rejected"),
        422: responses.INVALID,
    },
)
def get_original(path: PhotoPath, query: DownloadQuery) -> Response:
    ctx = context()
    original = ctx.photo(path.photo_id).original
    if original is None:
        raise Conflict(f"photo {path.photo_id} has no original: its file has not arrived, or was rejected")
    bucket = ctx.services.bucket
    # The bucket's lifecycle may remove originals before the record expires.
    if not bucket.exists(original.key):
        raise NotFound("the original has been removed from the bucket")
    disposition = (attachment if query.download else inline)(original.filename)
    if request.method == "HEAD":
        response = Response(content_type=original.content_type)
        response.headers["Content-Disposition"] = disposition
        response.content_length = original.size
        response.set_etag(original.sha256)
    else:
        response = Response(status=HTTPStatus.FOUND)
        response.headers["Location"] = bucket.link(original.key, disposition)
    response.headers["Cache-Control"] = "no-store"
    return response
