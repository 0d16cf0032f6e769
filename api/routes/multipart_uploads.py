"""Multipart uploads: a large file goes to S3 in parts, and goes on after a lost connection.

Paths, fields and their spelling are those that Uppy's plugin AwsS3 calls (its "companion" form). The id of an upload is
the id of its photo. From the completion on, the file takes the same way as that of a form.
"""

from __future__ import annotations

import math
import re
from http import HTTPStatus
from typing import Any
from uuid import UUID

import structlog
from flask import Response, g
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag
from pydantic import BaseModel, ConfigDict, Field, RootModel, ValidationError

from api.context import Context, caller, context, json_response, require_own
from api.http.problems import invalid_request
from api.idempotency import KeyHeader, json_content, read_key, run_once
from api.openapi import responses, schemas
from api.openapi.document import VERBATIM
from api.routes.direct_uploads import (
    DirectUploadBody,
    Try,
    count_direct_upload,
    most_bytes,
    read_direct_upload,
    require_present,
)
from api.routes.paths import PhotoPath
from api.uploads.intake import new_record
from api.uploads.parse import Upload
from darkroom.aws.idempotency_store import ReservedIds
from darkroom.aws.upload_parts import MOST_PARTS, SMALLEST_PART, Part
from darkroom.errors import Conflict, Fault, NotFound, TooLarge, Unavailable
from darkroom.filenames import safe_filename
from darkroom.jobs.faults import faults_of
from darkroom.jobs.json_text import NotJson, read_json
from darkroom.jobs.spec import StrictSpec
from darkroom.record.clock import now
from darkroom.record.direct_upload import MULTIPART_TTL, DirectUpload
from darkroom.record.keys import upload_key
from darkroom.record.labels import Text
from darkroom.record.photo import PhotoRecord
from darkroom.record.views import View

log = structlog.get_logger()

multipart_uploads = APIBlueprint(
    "multipart_uploads",
    __name__,
    abp_tags=[Tag(name="photos")],
    abp_responses=responses.COMMON,
)

MIB = 1024 * 1024

OF_UPLOAD = ("jobs", "preset", "size", "reference", "callback_url", "public")
"""Fields of `metadata` that say what to do with the photo, as in POST /v1/uploads."""

JSON_TEXTS = ("jobs", "size", "public")
"""Those that may be text with JSON: a form of a web page has only texts."""

OF_UPPY = ("name", "type", "relativePath")
"""Fields that Uppy itself writes into `metadata`."""

ETAG_OF_PARTS = re.compile(r"[0-9a-f]{32}-[0-9]{1,5}")
"""The ETag of an object that was made of parts: its last number is how many (Amazon S3 User Guide, "Checking object
integrity")."""

ENDED = "the upload was completed, cancelled or has expired"


class MultipartBody(StrictSpec):
    """What Uppy sends when it begins to upload a file."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"filename": "panorama.jpg", "type": "image/jpeg", "metadata": {"preset": "web"}},
        }
    )

    filename: Text | None = Field(None, max_length=1024, description="the photo's file name")
    type: Text | None = Field(None, max_length=255, description="not used: a worker finds out the type from the file")
    metadata: dict[str, Any] | None = Field(
        None,
        description=f"`{'`, `'.join(OF_UPLOAD)}` mean the same as in POST /v1/uploads; "
        f"`{'`, `'.join(JSON_TEXTS)}` may be JSON as text. `{'`, `'.join(OF_UPPY)}` are left out. All other fields "
        "become the photo's metadata",
    )


class MultipartUploadView(View):
    """A multipart upload that has begun."""

    model_config = ConfigDict(serialize_by_alias=True)

    upload_id: str = Field(alias="uploadId", description="the id of the photo, which waits for its file")
    key: str = Field(description="where S3 stores the file; Uppy sends it with each request, and it is not used")
    location: str = Field(description="the address of the photo")
    max_bytes: int = Field(description="the most bytes that all parts may have together")
    part_bytes: int = Field(description="a good size for the parts; all but the last need at least 5 MiB")


class PartPath(PhotoPath):
    part_number: int = Field(ge=1, le=MOST_PARTS, description="the number of the part, from 1")


class PartUrlView(View):
    url: str = Field(description="send the part there by PUT; S3 answers with its ETag")
    expires_in: int = Field(description="seconds for which the URL is valid")


class PartView(BaseModel):
    """A part that S3 has."""

    model_config = ConfigDict(serialize_by_alias=True, validate_by_name=True)

    number: int = Field(alias="PartNumber")
    size: int | None = Field(alias="Size", description="bytes; null when the upload was completed")
    etag: str = Field(alias="ETag", description="of the part; of the whole file when the upload was completed")


class PartsView(RootModel[list[PartView]]):
    """The parts that S3 has, by number."""


class SentPart(StrictSpec):
    number: int = Field(alias="PartNumber", ge=1, le=MOST_PARTS)
    etag: Text = Field(alias="ETag", max_length=200, description="S3's answer to the part, with or without quotes")


class CompleteBody(StrictSpec):
    parts: list[SentPart] = Field(min_length=1, max_length=MOST_PARTS)


class LocationView(View):
    location: str = Field(description="the address of the photo")


class NothingView(View):
    """An empty object: Uppy expects JSON."""


@multipart_uploads.post(
    "/v1/s3/multipart",
    operation_id="createMultipartUpload",
    openapi_extensions={VERBATIM: {"requestBody": schemas.json_body(MultipartBody)}},
    summary="Begin to upload a large photo in parts",
    description="The photo is `awaiting_upload` until the upload is completed, for a day at most. Sign each part, send "
    "it to S3 by PUT, and complete the upload with the ETags that S3 has answered.",
    responses={
        200: responses.success(
            schemas.ref(MultipartUploadView),
            "A repeated request whose first try did not end",
            responses.location(always=True) | responses.REPLAYED,
        ),
        201: responses.success(
            schemas.ref(MultipartUploadView),
            "The upload",
            responses.location(always=True) | responses.REPLAYED,
        ),
        400: responses.problem(f"{responses.BAD_KEY}, or the body is not valid JSON"),
        404: responses.problem("The photo made with this Idempotency-Key was deleted or has expired"),
        409: responses.problem(responses.IN_FLIGHT, headers=responses.retry_after(always=True)),
        413: responses.problem("The photo, or the request, is too large"),
        415: responses.NOT_JSON,
        422: responses.INVALID_OR_REUSED,
    },
)
def begin_upload(header: KeyHeader, body: MultipartBody) -> Response:
    ctx, wanted, key = context(), _wanted(body), read_key(header.key)
    upload, max_bytes = read_direct_upload(ctx, wanted), most_bytes(ctx, wanted)

    def act(reserved: ReservedIds) -> Response:
        photo = ctx.services.table.get(reserved.ids[0]) if reserved.reused else None
        with count_direct_upload(ctx, wanted.size, max_bytes, Try(key, reserved, photo is not None)):
            if photo is not None:
                return _upload_response(ctx, require_present(photo), max_bytes, HTTPStatus.OK)
            photo = _begin(ctx, reserved.ids[0], upload, safe_filename(wanted.filename), max_bytes)
            return _upload_response(ctx, photo, max_bytes, HTTPStatus.CREATED)

    return run_once(key, json_content(), 1, act, _replay)


@multipart_uploads.get(
    "/v1/s3/multipart/<uuid:photo_id>/<int:part_number>",
    operation_id="signPart",
    summary="Sign a part of a large photo",
    responses={
        200: responses.success(schemas.ref(PartUrlView), "The URL of the part"),
        404: responses.NOT_FOUND,
        409: responses.problem(ENDED),
        413: responses.problem("The parts before this one have as many bytes as the photo may have"),
        422: responses.problem("The number of the part is not one from 1 to 10,000"),
    },
)
def sign_part(path: PartPath) -> Response:
    ctx = context()
    upload = _open_upload(ctx.photo(path.photo_id))
    most = _max_bytes(ctx, upload)
    if (path.part_number - 1) * SMALLEST_PART >= most:
        raise TooLarge(f"parts: all together may have {most:,} bytes, and each but the last has at least 5 MiB")
    url, seconds = ctx.services.multipart.sign_part(str(path.photo_id), str(upload.multipart_id), path.part_number)
    return json_response(PartUrlView(url=url, expires_in=seconds))


@multipart_uploads.get(
    "/v1/s3/multipart/<uuid:photo_id>",
    operation_id="listParts",
    summary="List the parts of a large photo that have arrived",
    description="Of a completed upload these are all parts: a caller whose request to complete it had no answer sends "
    "that request again.",
    responses={
        200: responses.success(schemas.ref(PartsView), "The parts, by number"),
        404: responses.NOT_FOUND,
        409: responses.problem(ENDED),
    },
)
def list_parts(path: PhotoPath) -> Response:
    ctx = context()
    photo = ctx.photo(path.photo_id)
    if etag := _etag_of_completed(ctx, photo):
        count = range(1, int(etag.rpartition("-")[2]) + 1)
        return json_response(PartsView([PartView(number=number, size=None, etag=etag) for number in count]))
    upload = _open_upload(photo)
    parts = ctx.services.multipart.parts(photo.id, str(upload.multipart_id))
    return json_response(PartsView([PartView(number=part.number, size=part.size, etag=part.etag) for part in parts]))


@multipart_uploads.post(
    "/v1/s3/multipart/<uuid:photo_id>/complete",
    operation_id="completeMultipartUpload",
    openapi_extensions={VERBATIM: {"requestBody": schemas.json_body(CompleteBody)}},
    summary="Complete the upload of a large photo",
    description="S3 puts the parts together, and a worker continues as after any direct upload. May be repeated.",
    responses={
        200: responses.success(schemas.ref(LocationView), "The upload is complete"),
        400: responses.problem("The body is not valid JSON"),
        404: responses.NOT_FOUND,
        409: responses.problem("A part is missing or too small, or the photo was cancelled"),
        413: responses.problem("The request is too large; or the parts are, and the photo was deleted"),
        415: responses.NOT_JSON,
        422: responses.problem("The list of parts is not valid"),
    },
)
def complete_upload(path: PhotoPath, body: CompleteBody) -> Response:
    ctx = context()
    photo = ctx.photo(path.photo_id)
    if photo.upload is None:  # a worker has accepted the file since
        return _completed(ctx, photo)
    upload = _multipart(photo)
    if photo.pending_upload is None:
        raise Conflict(f"photo {photo.id} is {photo.status}: {ENDED}")
    try:
        parts = _sent_parts(ctx.services.multipart.parts(photo.id, str(upload.multipart_id)), body.parts)
        if sum(part.size for part in parts) > _max_bytes(ctx, upload):
            _delete(ctx, path.photo_id)
            raise TooLarge(f"parts: all together may have {_max_bytes(ctx, upload):,} bytes; the upload was removed")
        ctx.services.multipart.complete(photo.id, str(upload.multipart_id), parts)
    except NotFound:
        if not ctx.services.bucket.exists(upload_key(photo.id)) and ctx.photo(path.photo_id).upload:
            raise
    seconds = ctx.settings.resend_after
    photo, _ = ctx.services.table.update(photo.id, lambda record: record.complete_upload(seconds))
    log.info("upload.completed", photo=photo.id)
    return _completed(ctx, photo)


@multipart_uploads.delete(
    "/v1/s3/multipart/<uuid:photo_id>",
    operation_id="abortMultipartUpload",
    summary="Abort the upload of a large photo",
    description="Its parts and its photo are deleted. A completed upload has become a photo: delete that one.",
    responses={
        200: responses.success(schemas.ref(NothingView), "The upload was removed"),
        404: responses.NOT_FOUND,
        409: responses.problem(ENDED),
    },
)
def abort_upload(path: PhotoPath) -> Response:
    ctx = context()
    _open_upload(ctx.photo(path.photo_id))
    _delete(ctx, path.photo_id)
    return json_response(NothingView())


# --- inside -----------------------------------------------------------------------------------------------------------


def _wanted(body: MultipartBody) -> DirectUploadBody:
    """The body as that of a direct upload. Raises InvalidRequest."""
    given = body.metadata or {}
    fields = {name: given[name] for name in OF_UPLOAD if given.get(name) not in (None, "")}
    for name in JSON_TEXTS:
        if isinstance(text := fields.get(name), str):
            try:
                fields[name] = read_json(text)
            except NotJson as error:
                fault = Fault(f"metadata.{name}", "this text is not valid JSON", "json_invalid")
                raise invalid_request([fault]) from error
    own = {name: value for name, value in given.items() if name not in (*OF_UPLOAD, *OF_UPPY)}
    try:
        return DirectUploadBody.model_validate(fields | {"filename": body.filename, "metadata": own or None})
    except ValidationError as error:
        raise invalid_request(faults_of(error, "metadata")) from error


def _begin(ctx: Context, photo_id: str, upload: Upload, filename: str, max_bytes: int) -> PhotoRecord:
    photo = new_record(ctx, photo_id, caller(), upload)
    photo.upload = DirectUpload(filename=filename, until=photo.created_at + MULTIPART_TTL, max_bytes=max_bytes)
    photo.add_order(upload.jobs, ctx.settings.resend_after, g.request_id)
    photo.upload.multipart_id = ctx.services.multipart.begin(photo_id)
    log.info("upload.begun", photo=photo_id, jobs=len(photo.jobs), max_bytes=max_bytes)
    return ctx.services.table.create(photo)


def _upload_response(ctx: Context, photo: PhotoRecord, max_bytes: int, status: HTTPStatus) -> Response:
    size = max(8 * MIB, math.ceil(max_bytes / MOST_PARTS / MIB) * MIB)
    location = ctx.photo_view(photo).links["self"]
    view = MultipartUploadView(
        uploadId=photo.id, key=upload_key(photo.id), location=location, max_bytes=max_bytes, part_bytes=size
    )
    response = json_response(view, status)
    response.headers["Location"] = location
    return response


def _replay(body: Any) -> Any:
    """Raises PhotoGone."""
    require_present(context().services.table.get(body["uploadId"]))
    return body


def _multipart(photo: PhotoRecord) -> DirectUpload:
    """Raises NotFound for a photo that has, or waits for, a file that was sent in another way."""
    if photo.upload is None or photo.upload.multipart_id is None:
        raise NotFound(f"photo {photo.id} has no multipart upload")
    return photo.upload


def _open_upload(photo: PhotoRecord) -> DirectUpload:
    """The upload, while it takes parts. Raises NotFound and Conflict."""
    upload = photo.pending_upload
    if upload is None or upload.until <= now():
        raise Conflict(f"photo {photo.id} is {photo.status}: {ENDED}")
    return _multipart(photo)


def _etag_of_completed(ctx: Context, photo: PhotoRecord) -> str:
    """The ETag of the file that S3 has made of the parts; empty if it has not.

    It ends with the number of parts, as in "d41d8cd98f00b204e9800998ecf8427e-3".
    """
    if photo.original:
        etag = photo.original.key.rpartition("/")[2]  # darkroom.record.keys.original_key
    else:
        etag = (photo.pending_upload and ctx.services.bucket.etag(upload_key(photo.id))) or ""
    return etag if ETAG_OF_PARTS.fullmatch(etag) else ""


def _max_bytes(ctx: Context, upload: DirectUpload) -> int:
    return upload.max_bytes or ctx.settings.max_upload_bytes


def _sent_parts(stored: list[Part], sent: list[SentPart]) -> list[Part]:
    """The stored parts that the caller names, by number. Raises Conflict if S3 has not all of them."""
    by_number = {part.number: part for part in stored}
    named = {part.number: part.etag.strip('"') for part in sent}
    missing = [
        number for number, etag in named.items() if number not in by_number or by_number[number].etag.strip('"') != etag
    ]
    if missing:
        numbers = ", ".join(map(str, sorted(missing)[:20]))
        raise Conflict(f"S3 has no part with this number and ETag: {numbers}; list the parts, and send what is missing")
    return [by_number[number] for number in sorted(named)]


def _completed(ctx: Context, photo: PhotoRecord) -> Response:
    return json_response(LocationView(location=ctx.photo_view(photo).links["self"]))


def _delete(ctx: Context, photo_id: UUID) -> None:
    """Delete the photo and its parts. Raises NotFound, and Conflict when its file has arrived since."""

    def delete(record: PhotoRecord) -> None:
        _open_upload(require_own(record, photo_id))
        record.delete()

    photo, _ = ctx.services.table.update(str(photo_id), delete)
    try:
        ctx.services.cleanup.clean_up(photo)
    except Unavailable as error:
        log.warning("photo.objects_not_removed", photo=photo.id, detail=error.detail)  # the sweep completes it
