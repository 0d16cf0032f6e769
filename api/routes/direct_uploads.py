"""Direct uploads: a form with which a browser, or curl, sends one photo straight to S3.

The record comes first and waits for the file. When the file has arrived, S3 notifies the ingest queue, and a worker
continues.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Annotated, Any, Literal

import structlog
from flask import Response, g
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag
from pydantic import AfterValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from api.access.caller_limits import CallerLimits
from api.context import Context, caller, context, json_response
from api.http.problems import invalid_request
from api.idempotency import KeyHeader, json_content, read_key, run_once
from api.openapi import responses, schemas
from api.openapi.document import VERBATIM
from api.token_scope import counted, wanted_jobs
from api.uploads.asset_check import check_assets
from api.uploads.fields import CallbackUrl, check_callback, check_public, choose_jobs, one_choice
from api.uploads.intake import GONE_DETAIL, new_record
from api.uploads.parse import Upload
from darkroom.aws.idempotency_store import ReservedIds
from darkroom.errors import PhotoGone, TooLarge
from darkroom.filenames import safe_filename
from darkroom.jobs.job_types import Jobs
from darkroom.jobs.spec import StrictSpec
from darkroom.record.clock import now
from darkroom.record.direct_upload import DirectUpload
from darkroom.record.keys import upload_key
from darkroom.record.labels import MAX_METADATA, MAX_REFERENCE, Metadata, Text
from darkroom.record.photo import PhotoRecord
from darkroom.record.views import PhotoView, UploadView
from darkroom.sniff import INPUT_FORMATS

log = structlog.get_logger()

direct_uploads = APIBlueprint(
    "direct_uploads",
    __name__,
    abp_tags=[Tag(name="photos")],
    abp_responses=responses.COMMON,
)

FORM_EXPIRED = "the form of this request has expired before a file arrived; send the request with a new Idempotency-Key"

ANY_TYPE = "application/octet-stream"
CONTENT_TYPES = [*INPUT_FORMATS.values(), ANY_TYPE]


def _known_type(given: str) -> str:
    if given not in CONTENT_TYPES:
        raise PydanticCustomError("content_type", "expected one of {known}", {"known": ", ".join(CONTENT_TYPES)})
    return given


class DirectUploadBody(StrictSpec):
    """The jobs, and what the caller knows about the photo before it is uploaded."""

    model_config = ConfigDict(
        json_schema_extra={
            "not": {"required": ["jobs", "preset"]},
            "example": {"preset": "web", "filename": "cat.jpg", "reference": "order-4711"},
        }
    )

    jobs: Jobs | None = Field(None, description="without jobs and preset, the default preset applies")
    preset: str | None = Field(
        None, description="the name of a list of jobs, instead of jobs; GET /v1/operations shows the presets"
    )
    filename: Text | None = Field(None, max_length=1024, description="the photo's file name")
    content_type: Annotated[str, AfterValidator(_known_type), Field(json_schema_extra={"enum": [*CONTENT_TYPES]})] = (
        Field(ANY_TYPE, description="the Content-Type of the form; a worker checks the file itself")
    )
    size: int | None = Field(
        None,
        ge=1,
        description="size of the file in bytes: S3 then refuses a larger one, and only these bytes count as uploaded",
    )
    reference: Text | None = Field(
        None,
        max_length=MAX_REFERENCE,
        description="your own id of the photo; Darkroom stores it and sends it in events",
    )
    metadata: Metadata | None = Field(
        None,
        description="a JSON object of your own; Darkroom stores it and sends it in events; "
        f"at most {MAX_METADATA} bytes as JSON",
    )
    callback_url: CallbackUrl | None = Field(
        None,
        description="an https URL that gets a webhook when all jobs have ended, as with POST /v1/photos",
    )
    public: bool | None = Field(None, description="true: embed links never expire, as with POST /v1/photos")


class UploadFormView(UploadView):
    """A form that uploads the file: send its fields, and `file` as the last one."""

    url: str
    method: Literal["POST"] = "POST"
    fields: dict[str, str] = Field(description="send them unchanged, as multipart/form-data")
    max_bytes: int = Field(description="S3 refuses larger files, and empty ones")


class AwaitedPhotoView(PhotoView):
    """A photo whose file has not arrived yet."""

    upload: UploadFormView


@direct_uploads.post(
    "/v1/uploads",
    operation_id="uploadDirectly",
    openapi_extensions={VERBATIM: {"requestBody": schemas.json_body(DirectUploadBody)}},
    summary="Upload a photo straight to S3",
    description="For photos that are too large for a gateway in front of the API, and for browsers. The response "
    "holds a form for one photo:\n\n"
    "```\n"
    """curl -s $API/v1/uploads --json '{"preset": "web", "filename": "cat.jpg"}' > upload.json\n"""
    """jq -r '.upload.fields | to_entries[] | "form-string=\\"\\(.key)=\\(.value)\\""' upload.json > form\n"""
    "curl -f --config form -F file=@cat.jpg $(jq -r .upload.url upload.json)\n"
    "```\n\n"
    "The photo is `awaiting_upload` until the file has arrived. Then a worker checks the file: if it is not a photo, "
    "the jobs fail with that reason. If the form is not used in time, the photo expires.",
    responses={
        200: responses.success(
            schemas.ref(PhotoView),
            "A repeated request whose file has arrived, or whose photo was cancelled: the form is not needed any more",
            responses.location(always=True) | responses.REPLAYED,
        ),
        201: responses.success(
            schemas.ref(AwaitedPhotoView),
            "The photo, which waits for its file",
            responses.location(always=True) | responses.REPLAYED,
        ),
        400: responses.problem(f"{responses.BAD_KEY}, or the body is not valid JSON"),
        404: responses.problem(
            "The photo made with this Idempotency-Key was deleted or has expired, or its form has expired"
        ),
        409: responses.problem(responses.IN_FLIGHT, headers=responses.retry_after(always=True)),
        413: responses.problem("The photo, or the request, is too large"),
        415: responses.NOT_JSON,
        422: responses.INVALID_OR_REUSED,
    },
)
def upload_directly(header: KeyHeader, body: DirectUploadBody) -> Response:
    ctx, key = context(), read_key(header.key)
    upload, max_bytes = read_direct_upload(ctx, body), most_bytes(ctx, body)

    def act(reserved: ReservedIds) -> Response:
        earlier = ctx.services.table.get(reserved.ids[0]) if reserved.reused else None
        with count_direct_upload(ctx, body.size, max_bytes, Try(key, reserved, earlier is not None)):
            photo = earlier or _create(ctx, upload, safe_filename(body.filename), reserved)
            return _form_response(ctx, photo, body.content_type, max_bytes)

    return run_once(key, json_content(), 1, act, _replay)


def read_direct_upload(ctx: Context, body: DirectUploadBody) -> Upload:
    """What the caller wants done with the file. Raises InvalidRequest and TokenScope."""
    wanted = wanted_jobs(body.jobs, body.preset, body.callback_url, body.public)
    jobs, faults = choose_jobs(wanted.jobs, wanted.preset, ctx.presets, ctx.settings.default_preset)
    callback_url, wrong = check_callback(wanted.callback_url, ctx.settings)
    wrong += check_assets(ctx, jobs, None if wanted.jobs else wanted.preset or ctx.settings.default_preset)
    wrong += check_public(body.public, caller(), ctx.settings)
    if faults := one_choice(body.model_dump(exclude_none=True)) + faults + wrong:
        raise invalid_request(faults)
    return Upload(
        [],
        jobs,
        body.reference,
        body.metadata or {},
        dedupe=False,
        callback_url=callback_url,
        public=bool(body.public),
        token_id=wanted.token_id,
    )


def most_bytes(ctx: Context, body: DirectUploadBody) -> int:
    """How many bytes the file may have. Raises TooLarge for a larger `size`."""
    most = ctx.settings.max_upload_bytes
    if body.size and body.size > most:
        raise TooLarge(f"size: a photo may have at most {most:,} bytes")
    return body.size or most


@dataclass(frozen=True)
class Try:
    """A try of a request. `made`: an earlier try with the same Idempotency-Key has made the photo."""

    key: str | None
    reserved: ReservedIds
    made: bool


@contextmanager
def count_direct_upload(ctx: Context, size: int | None, max_bytes: int, attempt: Try) -> Iterator[None]:
    """Count the upload's bytes once for its owner and its upload token, unless the form cannot be made."""
    limits: CallerLimits | None = g.get("limits")
    hint = "" if size else f"; without size the largest photo counts, {max_bytes:,} bytes"
    of_owner = limits.direct_upload(caller(), max_bytes, hint) if limits and not attempt.made else nullcontext()
    with of_owner, counted(ctx.services.token_uses, 1, max_bytes, attempt.key, attempt.reserved):
        yield


def _create(ctx: Context, upload: Upload, filename: str, reserved: ReservedIds) -> PhotoRecord:
    """A new record under the reserved id, or the one that another try has written under it."""
    photo = new_record(ctx, reserved.ids[0], caller(), upload)
    photo.upload = DirectUpload(filename=filename, until=photo.created_at + timedelta(seconds=ctx.settings.upload_ttl))
    photo.add_order(upload.jobs, ctx.settings.resend_after, g.request_id)
    return ctx.services.table.create(photo)


def _form_response(ctx: Context, photo: PhotoRecord, content_type: str, max_bytes: int) -> Response:
    """The photo with its form; without a form when the file has arrived."""
    view = ctx.photo_view(require_present(photo))
    pending = _usable_upload(ctx, photo)
    if pending is None:
        return _photo_response(view, HTTPStatus.OK)
    form = ctx.services.bucket.upload_form(photo.id, content_type, max_bytes, pending.until)
    log.info("upload.offered", photo=photo.id, jobs=len(photo.jobs), max_bytes=max_bytes)
    upload = UploadFormView(
        filename=pending.filename, until=pending.until, url=form.url, fields=form.fields, max_bytes=max_bytes
    )
    return _photo_response(AwaitedPhotoView.model_construct(**dict(view) | {"upload": upload}), HTTPStatus.CREATED)


def _replay(body: Any) -> Any:
    """The stored response with its form while the form is usable, then the photo as it is now. Raises PhotoGone."""
    ctx = context()
    photo = require_present(ctx.services.table.get(body["id"]))
    if _usable_upload(ctx, photo):
        return body
    return _photo_response(ctx.photo_view(photo), HTTPStatus.OK)


def _photo_response(view: PhotoView, status: HTTPStatus) -> Response:
    response = json_response(view, status)
    response.headers["Location"] = view.links["self"]
    return response


def require_present(photo: PhotoRecord | None) -> PhotoRecord:
    if photo is None or photo.deleted_or_expired:
        raise PhotoGone(GONE_DETAIL)
    return photo


def _usable_upload(ctx: Context, photo: PhotoRecord) -> DirectUpload | None:
    """The upload that the form still works for. None when the file has arrived, even if no worker has seen it yet.

    Raises PhotoGone when the form has expired without a file.
    """
    pending = photo.pending_upload
    if pending is None or pending.until > now():
        return pending
    if not ctx.services.bucket.exists(upload_key(photo.id)):
        raise PhotoGone(FORM_EXPIRED)
    return None
