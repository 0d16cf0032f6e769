"""Photos: upload, look at, list, cancel, delete."""

from __future__ import annotations

from http import HTTPStatus
from uuid import UUID

import structlog
from flask import Response, g, request
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag
from pydantic import Field

from api.context import RETRY_SOON, Context, caller, context, json_answer, no_content, present
from api.idempotency import HEADER, about_upload, content_of_upload, once, parameter, read_key
from api.openapi import document as openapi
from api.openapi.document import PhotoPath
from api.routes.listing import ListQuery, PhotosView, find, list_link
from api.uploads.fields import RawFields, UploadFields
from api.uploads.intake import BatchProblem, BatchView, take_in, take_in_all
from api.uploads.parse import PART, read_upload
from darkroom.aws.idempotency_store import ReservedIds
from darkroom.errors import NotFound, Unavailable
from darkroom.jobs.spec import Spec
from darkroom.record.photo import PhotoRecord
from darkroom.record.views import PhotoView, photo_view
from darkroom.sniff import INPUT_FORMATS

log = structlog.get_logger()

photos = APIBlueprint(
    "photos",
    __name__,
    abp_tags=[Tag(name="photos", description="Originals, and what is known of them")],
    abp_responses=openapi.COMMON,
)

BUSY_RETRY = 2


class WaitQuery(Spec):
    wait: float = Field(0, ge=0, description="seconds to wait for the jobs to end, as far as the settings allow")


_EXAMPLES = {
    "jobs": '[{"type": "resize", "width": 800}, {"type": "metadata"}]',
    "metadata": '{"album": "Rome"}',
    "preset": "",
    "callback_url": "",
    "reference": "",
}
_FILES = {
    "description": "one photo or several",
    "type": "array",
    "items": {"type": "string", "format": "binary"},
    "minItems": 1,
}
_FORM = {
    "type": "object",
    "properties": {PART: _FILES} | openapi.fields(UploadFields, examples=_EXAMPLES),
    "required": [PART],
    "additionalProperties": False,
    "not": {"required": ["jobs", "preset"]},
}
_TYPES = (*INPUT_FORMATS.values(), "application/octet-stream")
_UPLOAD = {
    "parameters": [parameter(), *openapi.query_parameters(RawFields)],
    "requestBody": {
        "required": True,
        "description": "A form with photos, or one photo as it is; then the fields stand in the address.",
        "content": {"multipart/form-data": {"schema": _FORM, "encoding": {PART: {"contentType": ", ".join(_TYPES)}}}}
        | {media_type: {"schema": {"type": "string", "format": "binary"}} for media_type in _TYPES},
    },
}


@photos.post(
    "/v1/photos",
    operation_id="uploadPhotos",
    summary="Upload photos",
    description="One photo is answered with the photo itself, several with a batch in the order sent.",
    openapi_extensions={openapi.AS_WRITTEN: _UPLOAD},
    responses={
        200: openapi.answer(
            openapi.ref(PhotoView),
            "The photo was there already (`dedupe`, or a repetition), and its jobs have ended",
            openapi.REPLAYED,
        ),
        202: openapi.answer(
            {"anyOf": [openapi.ref(PhotoView), openapi.ref(BatchView)]},
            "Taken in; the jobs are queued",
            openapi.location(description="of a single photo: where to follow the work")
            | openapi.retry_after()
            | openapi.REPLAYED,
        ),
        400: openapi.problem(f"{openapi.BAD_KEY}, or the form is broken, or the body cut short"),
        404: openapi.problem("The photo that was made under this Idempotency-Key was deleted, or has expired"),
        409: openapi.problem(openapi.IN_FLIGHT, headers=openapi.retry_after(always=True)),
        413: openapi.problem("More bytes than are allowed"),
        415: openapi.problem("Not a photo of a format that we take"),
        422: openapi.problem(
            f"A field is wrong, the photo is damaged, no photo of the batch could be taken, or {openapi.REUSED}",
            BatchProblem,
        ),
        500: openapi.problem("A fault of ours; no photo of the batch could be taken", BatchProblem),
        503: openapi.problem(openapi.DOWN, BatchProblem, headers=openapi.retry_after(always=True)),
    },
)
def upload() -> Response:
    here = context()
    key = read_key(request.headers.get(HEADER))
    asked = read_upload(here)

    def act(reserved: ReservedIds) -> Response:
        if len(asked.photos) > 1:
            return take_in_all(here, asked, reserved, g.request_id)
        photo = take_in(here, asked.photos[0], asked, reserved, batch=None, trace=g.request_id)
        return _photo_answer(here, photo, HTTPStatus.ACCEPTED if photo.unfinished else HTTPStatus.OK)

    return once(key, content_of_upload(asked), len(asked.photos) + 1, act, about_upload)


@photos.get(
    "/v1/photos",
    operation_id="listPhotos",
    summary="List photos, newest first",
    responses={200: PhotosView, 422: openapi.INVALID},
)
def list_photos(query: ListQuery) -> Response:
    here = context()
    found, after = find(here, query)
    base = here.settings.base_url
    links = {"self": list_link(f"{base}/v1/photos", query)}
    if after:
        links["next"] = list_link(f"{base}/v1/photos", query.model_copy(update={"cursor": after}))
    return json_answer(PhotosView(photos=[photo_view(photo, base) for photo in found], next=after, links=links))


@photos.get(
    "/v1/photos/<uuid:photo_id>",
    operation_id="getPhoto",
    summary="Look at a photo and its jobs",
    description="With `wait`, the answer comes as soon as all jobs have ended, or after so many seconds.",
    responses={200: openapi.progress(PhotoView), 404: openapi.NOT_FOUND, 422: openapi.INVALID},
)
def get_photo(path: PhotoPath, query: WaitQuery) -> Response:
    here = context()
    photo, waited = here.waits.until_ended(lambda: here.photo(path.photo_id), min(query.wait, here.settings.max_wait))
    return _photo_answer(here, photo, HTTPStatus.OK, RETRY_SOON if waited else BUSY_RETRY)


@photos.post(
    "/v1/photos/<uuid:photo_id>/cancel",
    operation_id="cancelPhoto",
    summary="End every job that has not finished",
    responses={
        200: openapi.progress(PhotoView),
        404: openapi.NOT_FOUND,
        409: openapi.problem("Nothing is left to cancel"),
    },
)
def cancel_photo(path: PhotoPath) -> Response:
    here = context()
    photo, _ = here.services.table.update(
        str(path.photo_id), lambda record: present(record, path.photo_id).cancel(), known=here.photo(path.photo_id)
    )
    try:
        here.services.outbox.announce(photo)
        if photo.upload:
            photo, _ = here.services.table.update(photo.id, lambda record: record.mark_notified(), known=photo)
    except Unavailable as error:
        # Whoever receives the photo's message finds its jobs ended, and announces that. One whose file has not come
        # has none: the sweep does.
        log.warning("photo.not_announced", photo=photo.id, detail=error.detail)
    return _photo_answer(here, photo, HTTPStatus.OK)


@photos.delete(
    "/v1/photos/<uuid:photo_id>",
    operation_id="deletePhoto",
    summary="Delete a photo and all results",
    description="Also while jobs are running. Deleting once more is answered in the same way.",
    responses={204: None, 404: openapi.NOT_FOUND},
)
def delete_photo(path: PhotoPath) -> Response:
    here = context()
    photo, _ = here.services.table.update(str(path.photo_id), lambda record: _delete(record, path.photo_id))
    if not photo.objects_removed:
        try:
            here.services.cleanup.remove_deleted(photo)
        except Unavailable as error:
            log.warning("photo.not_purged", photo=photo.id, detail=error.detail)  # the sweep goes on with it
    return no_content()


def _delete(record: PhotoRecord, photo_id: UUID) -> None:
    # A tombstone may be deleted again: a caller whose answer was lost asks twice.
    if record.owner != caller() or (record.deleted_or_expired and not record.deleted_at):
        raise NotFound(f"there is no photo {photo_id}")
    record.delete()


def _photo_answer(here: Context, photo: PhotoRecord, status: HTTPStatus, retry_after: int = RETRY_SOON) -> Response:
    view = photo_view(photo, here.settings.base_url)
    response = json_answer(view, status, retry_after if photo.unfinished else None)
    if status == HTTPStatus.ACCEPTED:
        response.headers["Location"] = view.links["self"]
    return response
