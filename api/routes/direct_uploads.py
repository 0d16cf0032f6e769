"""Uploads past the API: a form with which a browser, or curl, sends one photo straight to S3.

The record comes first and waits for the file. S3 notifies the ingest queue when it is there, and a worker goes on.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
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
from api.context import Context, context, json_answer
from api.http.problems import invalid_request
from api.idempotency import KeyHeader, content_of_json, once, read_key
from api.openapi import document as openapi
from api.uploads.fields import callback_asked_for, jobs_asked_for, one_choice
from api.uploads.intake import GONE, new_record
from api.uploads.parse import Upload
from darkroom.aws.idempotency_store import ReservedIds
from darkroom.errors import PhotoGone, TooLarge
from darkroom.filenames import safe_filename
from darkroom.jobs.job_types import Jobs
from darkroom.jobs.spec import Spec
from darkroom.record.clock import now
from darkroom.record.direct_upload import DirectUpload
from darkroom.record.keys import upload_key
from darkroom.record.labels import MAX_METADATA, MAX_REFERENCE, Metadata, Text
from darkroom.record.photo import PhotoRecord
from darkroom.record.views import PhotoView, UploadView, photo_view
from darkroom.sniff import INPUT_FORMATS
from darkroom.webhooks.callback import MAX_URL

log = structlog.get_logger()

direct_uploads = APIBlueprint(
    "direct_uploads",
    __name__,
    abp_tags=[Tag(name="photos")],
    abp_responses=openapi.COMMON,
)

FORM_ENDED = "the form that this request made has run out, and no file came; another Idempotency-Key makes another one"

ANY_TYPE = "application/octet-stream"
CONTENT_TYPES = [*INPUT_FORMATS.values(), ANY_TYPE]


def _known_type(given: str) -> str:
    if given not in CONTENT_TYPES:
        raise PydanticCustomError("content_type", "give one of {known}", {"known": ", ".join(CONTENT_TYPES)})
    return given


class DirectUploadBody(Spec):
    """What is asked for, and what is known of the photo before it comes."""

    model_config = ConfigDict(json_schema_extra={"not": {"required": ["jobs", "preset"]}})

    jobs: Jobs | None = Field(None, description="without jobs and preset the default preset is used")
    preset: str | None = Field(None, description="a named list of jobs instead, as GET /v1/operations lists them")
    filename: Text | None = Field(None, max_length=1024, description="the photo's file name")
    content_type: Annotated[str, AfterValidator(_known_type), Field(json_schema_extra={"enum": [*CONTENT_TYPES]})] = (
        Field(ANY_TYPE, description="what the form says that the file is; a worker looks for itself")
    )
    size: int | None = Field(
        None, ge=1, description="bytes of the file: no more are taken then, and no more are counted as uploaded"
    )
    reference: Text | None = Field(
        None, max_length=MAX_REFERENCE, description="the caller's own id, kept and sent with events"
    )
    metadata: Metadata | None = Field(
        None, description=f"the caller's, kept and sent with events; at most {MAX_METADATA} bytes as JSON"
    )
    callback_url: Text | None = Field(
        None,
        max_length=MAX_URL,
        description="https address that is told when all jobs have ended, as with POST /v1/photos",
    )


class UploadFormView(UploadView):
    """A form that uploads the file: its fields, and as the last one `file`."""

    url: str
    method: Literal["POST"] = "POST"
    fields: dict[str, str] = Field(description="to be sent as they are, as multipart/form-data")
    max_bytes: int = Field(description="S3 refuses larger files, and empty ones")


class AwaitedPhotoView(PhotoView):
    """A photo whose file is still to come."""

    upload: UploadFormView


@direct_uploads.post(
    "/v1/uploads",
    operation_id="uploadDirectly",
    openapi_extensions={openapi.AS_WRITTEN: {"requestBody": openapi.json_body(DirectUploadBody)}},
    summary="Upload a photo straight to S3",
    description="For photos that are larger than a gateway before the API lets through, and for browsers. The answer "
    "holds a form for one photo:\n\n"
    "```\n"
    """curl -s $API/v1/uploads --json '{"preset": "web", "filename": "cat.jpg"}' > upload.json\n"""
    """jq -r '.upload.fields | to_entries[] | "form-string=\\"\\(.key)=\\(.value)\\""' upload.json > form\n"""
    "curl -f --config form -F file=@cat.jpg $(jq -r .upload.url upload.json)\n"
    "```\n\n"
    "The photo is `awaiting_upload` until the file has arrived. It is looked into then: if it is no photo, its jobs "
    "fail for that reason. When the form is not used in time, the photo expires.",
    responses={
        200: openapi.answer(
            openapi.ref(PhotoView),
            "A repetition, whose file has come already, or which was cancelled: there is no form any more",
            openapi.location(always=True, description="where to follow the work") | openapi.REPLAYED,
        ),
        201: openapi.answer(
            openapi.ref(AwaitedPhotoView),
            "The photo waits for its file",
            openapi.location(always=True, description="where to follow the work") | openapi.REPLAYED,
        ),
        400: openapi.problem(f"{openapi.BAD_KEY}, or the body no JSON"),
        404: openapi.problem(
            "The photo that was made under this Idempotency-Key was deleted, or has expired, or its form has run out"
        ),
        409: openapi.problem(openapi.IN_FLIGHT, headers=openapi.retry_after(always=True)),
        413: openapi.problem("The photo is larger than is allowed, or the request is"),
        415: openapi.NOT_JSON,
        422: openapi.problem(f"Something in the request is wrong; `errors` names each field. Or {openapi.REUSED}"),
    },
)
def upload_directly(header: KeyHeader, body: DirectUploadBody) -> Response:
    here = context()
    asked, most = _asked(here, body), body.size or here.settings.max_upload_bytes
    if most > here.settings.max_upload_bytes:
        raise TooLarge(f"size: a photo has at most {here.settings.max_upload_bytes:,} bytes")

    def act(reserved: ReservedIds) -> Response:
        earlier = here.services.table.get(reserved.ids[0]) if reserved.reused else None
        with _announced(body.size, most) if earlier is None else nullcontext():
            photo = earlier or _awaited(here, asked, safe_filename(body.filename), reserved)
            return _form_answer(here, photo, body.content_type, most)

    return once(read_key(header.key), content_of_json(), 1, act, _again)


def _asked(here: Context, body: DirectUploadBody) -> Upload:
    """Raises InvalidRequest."""
    jobs, faults = jobs_asked_for(body.jobs, body.preset, here.presets, here.settings.default_preset)
    callback_url, wrong = callback_asked_for(body.callback_url, here.settings)
    if faults := one_choice(body.model_dump(exclude_none=True)) + faults + wrong:
        raise invalid_request(faults)
    return Upload([], jobs, body.reference, body.metadata or {}, dedupe=False, callback_url=callback_url)


def _announced(size: int | None, most: int) -> AbstractContextManager[None]:
    """Counts the upload among its owner's bytes, unless it comes to nothing."""
    limits: CallerLimits | None = g.get("limits")
    if limits is None:
        return nullcontext()
    hint = "" if size else f"; without size the largest photo counts, {most:,} bytes"
    return limits.direct_upload(g.owner, most, hint)


def _awaited(here: Context, asked: Upload, filename: str, reserved: ReservedIds) -> PhotoRecord:
    """A new record under the id reserved, or the one that another try has left there."""
    photo = new_record(here, reserved.ids[0], asked)
    photo.upload = DirectUpload(filename=filename, until=photo.created_at + timedelta(seconds=here.settings.upload_ttl))
    photo.add_order(asked.jobs, here.settings.resend_after, g.request_id)
    return here.services.table.create(photo)


def _form_answer(here: Context, photo: PhotoRecord, content_type: str, most: int) -> Response:
    """The photo with its form, or without one if its file has come."""
    view = photo_view(_there(photo), here.settings.base_url)
    awaited = _offered(photo)
    if awaited is None:
        return _answer(view, HTTPStatus.OK)
    form = here.services.bucket.upload_form(photo.id, content_type, most, awaited.until)
    log.info("upload.offered", photo=photo.id, jobs=len(photo.jobs), max_bytes=most)
    upload = UploadFormView(**awaited.model_dump(), url=form.url, fields=form.fields, max_bytes=most)
    return _answer(AwaitedPhotoView.model_construct(**dict(view) | {"upload": upload}), HTTPStatus.CREATED)


def _again(said: Any) -> Any:
    """The same form as long as it can be used, then the photo as it is now. Raises PhotoGone."""
    here = context()
    photo = _there(here.services.table.get(said["id"]))
    return said if _offered(photo) else _answer(photo_view(photo, here.settings.base_url), HTTPStatus.OK)


def _answer(view: PhotoView, status: HTTPStatus) -> Response:
    response = json_answer(view, status)
    response.headers["Location"] = view.links["self"]
    return response


def _there(photo: PhotoRecord | None) -> PhotoRecord:
    if photo is None or photo.deleted_or_expired:
        raise PhotoGone(GONE)
    return photo


def _offered(photo: PhotoRecord) -> DirectUpload | None:
    """What a form can still be used for; None if the file has come, be it that no worker has seen it yet. Raises
    PhotoGone when it can come no more."""
    upload = photo.pending_upload
    if upload is None or upload.until > now():
        return upload
    if not context().services.bucket.exists(upload_key(photo.id)):
        raise PhotoGone(FORM_ENDED)
    return None
