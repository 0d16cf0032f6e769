"""Photos: upload, get, list, cancel, delete."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from http import HTTPStatus
from typing import Any
from uuid import UUID

import structlog
from flask import Response, g, request
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag

from api.access.caller_limits import CallerLimits
from api.context import BUSY_RETRY, RETRY_SOON, Context, caller, context, json_response, no_content, require_own
from api.http.problems import problem_of
from api.idempotency import HEADER, key_parameter, read_key, run_once
from api.openapi import responses, schemas
from api.openapi.document import VERBATIM
from api.routes.batches import BatchOutcomeView, BatchProblem, batch_response
from api.routes.listing import ListQuery, PhotosView, find_photos, list_link
from api.routes.paths import PhotoPath
from api.routes.unfinished import WaitQuery
from api.token_scope import counted
from api.uploads.by_url import PhotoByUrl, accept_by_url, is_by_url, read_by_url
from api.uploads.fields import RawFields, UploadFields
from api.uploads.intake import GONE_DETAIL, accept, accept_all, rejected_share
from api.uploads.parse import PART, Upload, read_upload
from darkroom.aws.idempotency_store import ReservedIds
from darkroom.errors import FutureRecord, NotFound, PhotoGone, Unavailable
from darkroom.record.photo import PhotoRecord
from darkroom.record.views import PhotoView
from darkroom.sniff import INPUT_FORMATS

log = structlog.get_logger()

photos = APIBlueprint(
    "photos",
    __name__,
    abp_tags=[Tag(name="photos", description="Uploaded photos and their state")],
    abp_responses=responses.COMMON,
)

_EXAMPLES: dict[str, Any] = {
    "jobs": '[{"type": "resize", "width": 800}, {"type": "metadata"}]',
    "metadata": '{"album": "Rome"}',
    "preset": "",
    "callback_url": "",
    "reference": "",
    "public": False,  # Swagger UI proposes true
    "dedupe": False,
}
_FILES = {
    "description": "one photo or several",
    "type": "array",
    "items": {"type": "string", "format": "binary"},
    "minItems": 1,
}
_FORM = {
    "type": "object",
    "properties": {PART: _FILES} | schemas.form_fields(UploadFields, examples=_EXAMPLES),
    "required": [PART],
    "additionalProperties": False,
    "not": {"required": ["jobs", "preset"]},
}
_TYPES = (*INPUT_FORMATS.values(), schemas.ANY_FILE)
_UPLOAD = {
    "parameters": [key_parameter(), *schemas.query_parameters(RawFields)],
    "requestBody": {
        "required": True,
        "description": "A form with one or several photos; or one photo as the body, with the fields in the query; "
        "or JSON with the URL of a photo, which a worker fetches. A photo as the body may also have its own "
        f"Content-Type: {', '.join(INPUT_FORMATS.values())}.",
        "content": {"multipart/form-data": {"schema": _FORM, "encoding": {PART: {"contentType": ", ".join(_TYPES)}}}}
        | schemas.file_body()
        | schemas.json_body(PhotoByUrl)["content"],
    },
}


@photos.post(
    "/v1/photos",
    operation_id="uploadPhotos",
    summary="Upload photos",
    description="The response to one photo is the photo itself. The response to several is a batch, in the order sent.",
    openapi_extensions={VERBATIM: _UPLOAD},
    responses={
        200: responses.success(
            schemas.ref(PhotoView),
            "The photo existed already (`dedupe`, or a repeated request), and its jobs have ended",
            responses.REPLAYED,
        ),
        202: responses.success(
            {"anyOf": [schemas.ref(PhotoView), schemas.ref(BatchOutcomeView)]},
            "Accepted; the jobs are queued",
            responses.location(description="the address of the photo; only when the request has one photo")
            | responses.retry_after()
            | responses.REPLAYED,
        ),
        400: responses.problem(f"{responses.BAD_KEY}, or the form is not valid, or the body is not complete"),
        404: responses.problem("The photo made with this Idempotency-Key was deleted or has expired"),
        409: responses.problem(responses.IN_FLIGHT, headers=responses.retry_after(always=True)),
        413: responses.problem("The request, or the photo, is too large"),
        415: responses.problem("The file is not a photo of a supported format"),
        422: responses.problem(
            f"A field is not valid, the photo is damaged, no photo of the batch was accepted, or {responses.REUSED}",
            BatchProblem,
        ),
        500: responses.problem("An error inside Darkroom; no photo of the batch was accepted", BatchProblem),
        503: responses.problem(responses.DOWN, BatchProblem, headers=responses.retry_after(always=True)),
    },
)
def upload_photos() -> Response:
    ctx = context()
    key = read_key(request.headers.get(HEADER))
    if is_by_url():
        return _upload_by_url(ctx, key)
    upload = read_upload(ctx)

    def act(reserved: ReservedIds) -> Response:
        size = sum(photo.spool.size for photo in upload.photos)
        if len(upload.photos) > 1:
            with counted(ctx.services.token_uses, len(upload.photos), size, key, reserved) as count:
                batch, outcomes = accept_all(ctx, caller(), upload, reserved, g.request_id)
                count.give_back(*rejected_share(upload, outcomes))
            return batch_response(ctx, batch, outcomes)
        with counted(ctx.services.token_uses, 1, size, key, reserved):
            photo = accept(ctx, caller(), upload.photos[0], upload, reserved, batch=None, trace=g.request_id)
        return _photo_response(ctx, photo, HTTPStatus.ACCEPTED if photo.unfinished else HTTPStatus.OK)

    ids = len(upload.photos) + 1  # one for each photo, and one for the batch
    return run_once(key, _content_of(upload), ids, act, _replay_upload)


def _upload_by_url(ctx: Context, key: str | None) -> Response:
    url, filename, upload, content = read_by_url(ctx)

    def act(reserved: ReservedIds) -> Response:
        photo = accept_by_url(ctx, url, filename, upload, reserved, _counted_by_url(ctx))
        return _photo_response(ctx, photo, HTTPStatus.ACCEPTED if photo.unfinished else HTTPStatus.OK)

    return run_once(key, content, 1, act, _replay_upload)


def _counted_by_url(ctx: Context) -> AbstractContextManager[None]:
    """Counts the largest photo for the owner, because the size is not known yet, unless the record cannot be made."""
    limits: CallerLimits | None = g.get("limits")
    most = ctx.settings.max_upload_bytes
    hint = f"; a photo by URL counts as the largest photo, {most:,} bytes"
    return limits.direct_upload(caller(), most, hint) if limits else nullcontext()


def _content_of(upload: Upload) -> Any:
    """The parts of the request after parsing: in the raw body, the multipart boundary differs in each request."""
    return [upload.texts, [[photo.filename, photo.spool.sha256] for photo in upload.photos]]


def _replay_upload(body: Any) -> Any:
    """The stored response, with a problem in place of each photo that is gone. Raises PhotoGone if all are gone."""
    views = [_replay_photo(view) for view in body.get("photos", [body])]
    if not any("id" in view for view in views):
        raise PhotoGone(GONE_DETAIL)
    return body | {"photos": views} if "photos" in body else body


def _replay_photo(view: Any) -> Any:
    if "id" not in view:  # the problem of a photo that was not accepted
        return view
    photo = context().services.table.get(view["id"])
    gone = photo is None or photo.deleted_or_expired
    return problem_of(PhotoGone(GONE_DETAIL)).model_dump(mode="json") if gone else view


@photos.get(
    "/v1/photos",
    operation_id="listPhotos",
    summary="List photos, newest first",
    responses={200: PhotosView, 422: responses.INVALID},
)
def list_photos(query: ListQuery) -> Response:
    ctx = context()
    base = ctx.settings.base_url
    found, next_cursor = find_photos(ctx, query)
    links = {"self": list_link(f"{base}/v1/photos", query)}
    if next_cursor:
        links["next"] = list_link(f"{base}/v1/photos", query.model_copy(update={"cursor": next_cursor}))
    return json_response(PhotosView(photos=[ctx.photo_view(photo) for photo in found], next=next_cursor, links=links))


@photos.get(
    "/v1/photos/<uuid:photo_id>",
    operation_id="getPhoto",
    summary="Get a photo and its jobs",
    description="With `wait`, the response comes when all jobs have ended, or after that many seconds.",
    responses={200: responses.progress(PhotoView), 404: responses.NOT_FOUND, 422: responses.INVALID},
)
def get_photo(path: PhotoPath, query: WaitQuery) -> Response:
    ctx = context()
    photo, waited = ctx.waits.until_ended(lambda: ctx.photo(path.photo_id), min(query.wait, ctx.settings.max_wait))
    return _photo_response(ctx, photo, HTTPStatus.OK, RETRY_SOON if waited else BUSY_RETRY)


@photos.post(
    "/v1/photos/<uuid:photo_id>/cancel",
    operation_id="cancelPhoto",
    summary="Cancel every job that has not ended",
    responses={
        200: responses.progress(PhotoView),
        404: responses.NOT_FOUND,
        409: responses.problem("All jobs have ended"),
    },
)
def cancel_photo(path: PhotoPath) -> Response:
    ctx = context()
    photo, _ = ctx.services.table.update(
        str(path.photo_id), lambda record: require_own(record, path.photo_id).cancel(), known=ctx.photo(path.photo_id)
    )
    try:
        ctx.services.outbox.announce(photo)
        if photo.upload:
            photo, _ = ctx.services.table.update(photo.id, lambda record: record.mark_notified(), known=photo)
    except (Unavailable, FutureRecord) as error:
        # The worker that receives the photo's message finds its jobs ended, and sends the event. A photo whose file has
        # not arrived has no message: the sweep sends its event.
        log.warning("photo.not_announced", photo=photo.id, detail=error.detail)
    return _photo_response(ctx, photo, HTTPStatus.OK)


@photos.delete(
    "/v1/photos/<uuid:photo_id>",
    operation_id="deletePhoto",
    summary="Delete a photo and all its results",
    description="Works also while jobs are running. A second delete looks for files again and has the same response, "
    "or 503 if it cannot look.",
    responses={204: None, 404: responses.NOT_FOUND},
)
def delete_photo(path: PhotoPath) -> Response:
    ctx = context()
    photo, repeated = ctx.services.table.update(str(path.photo_id), lambda record: _delete(record, path.photo_id))
    try:
        ctx.services.cleanup.clean_up(photo)
    except (Unavailable, FutureRecord) as error:
        log.warning("photo.objects_not_removed", photo=photo.id, detail=error.detail)  # the sweep completes it
        if repeated:
            raise
    return no_content()


def _delete(record: PhotoRecord, photo_id: UUID) -> bool:
    """Delete a photo. Returns whether it was deleted before: then the caller wants to know that its files are gone."""
    if record.owner != caller() or (record.deleted_or_expired and not record.deleted_at):
        raise NotFound(f"there is no photo {photo_id}")
    repeated = record.deleted_at is not None
    record.delete()
    return repeated


def _photo_response(ctx: Context, photo: PhotoRecord, status: HTTPStatus, retry_after: int = RETRY_SOON) -> Response:
    view = ctx.photo_view(photo)
    response = json_response(view, status, retry_after if photo.unfinished else None)
    if status == HTTPStatus.ACCEPTED:
        response.headers["Location"] = view.links["self"]
    return response
