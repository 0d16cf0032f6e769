"""A photo by its URL: the record comes first, then a message, and a worker fetches the file."""

from __future__ import annotations

import hashlib
from contextlib import AbstractContextManager, nullcontext
from posixpath import basename
from urllib.parse import unquote, urlsplit

import structlog
from flask import g, request
from pydantic import ConfigDict, Field, ValidationError
from werkzeug.exceptions import BadRequest

from api.context import Context, caller
from api.http.problems import invalid_request
from api.token_scope import TokenScope, current_token
from api.uploads.asset_check import check_assets
from api.uploads.fields import CallbackUrl, check_callback, check_public, choose_jobs, one_choice
from api.uploads.intake import GONE_DETAIL, new_record
from api.uploads.parse import Upload
from darkroom.aws.idempotency_store import ReservedIds
from darkroom.errors import CallbackRefused, Fault, PhotoGone, TooLarge, Unavailable
from darkroom.filenames import safe_filename
from darkroom.jobs.faults import faults_of
from darkroom.jobs.job_types import Jobs
from darkroom.jobs.json_text import NotJson, read_json
from darkroom.jobs.spec import StrictSpec
from darkroom.record.direct_upload import DirectUpload
from darkroom.record.labels import MAX_METADATA, MAX_REFERENCE, Metadata, Text
from darkroom.record.photo import PhotoRecord
from darkroom.webhooks.callback import MAX_URL, PATTERN, read_callback

log = structlog.get_logger()

MAX_BODY = 1024 * 1024
"""Bytes of the JSON. Jobs with many boxes and texts are long, and a photo's jobs have 200 KB when compressed."""


class PhotoByUrl(StrictSpec):
    """A photo that Darkroom fetches, and what it is uploaded with."""

    model_config = ConfigDict(
        json_schema_extra={
            "not": {"required": ["jobs", "preset"]},
            "example": {"url": "https://example.com/cat.jpg", "preset": "web"},
        }
    )

    url: Text = Field(
        max_length=MAX_URL,
        json_schema_extra={"pattern": PATTERN},
        description="an https URL on the public internet, without user name and password; redirects are followed",
    )
    jobs: Jobs | None = Field(None, description="without jobs and preset, the default preset applies")
    preset: str | None = Field(None, description="the name of a list of jobs, instead of jobs")
    filename: Text | None = Field(None, max_length=1024, description="default: the end of the URL's path")
    reference: Text | None = Field(None, max_length=MAX_REFERENCE, description="your own id of the photo")
    metadata: Metadata | None = Field(
        None, description=f"a JSON object of your own; at most {MAX_METADATA} bytes as JSON"
    )
    callback_url: CallbackUrl | None = Field(
        None, description="an https URL that gets a webhook when all jobs have ended"
    )
    public: bool | None = Field(None, description="true: embed links never expire")


def is_by_url() -> bool:
    """Whether the current request gives a photo by its URL."""
    return request.mimetype == "application/json"


def read_by_url(ctx: Context) -> tuple[str, str, Upload, str]:
    """The URL, the file name and the fields of the current request, and a hash of its body.

    Raises InvalidRequest with every fault, BadRequest for a body that is not JSON, TooLarge, TokenScope.
    """
    if current_token():
        raise TokenScope("an upload token allows no photos by URL: upload the file")
    body, content = _read_body()
    jobs, faults = choose_jobs(body.jobs, body.preset, ctx.presets, ctx.settings.default_preset)
    callback_url, wrong = check_callback(body.callback_url, ctx.settings)
    wrong += check_assets(ctx, jobs, None if body.jobs else body.preset or ctx.settings.default_preset)
    wrong += check_public(body.public, caller(), ctx.settings)
    url = body.url
    try:
        url = read_callback(body.url, ctx.settings.fetch_private_hosts).url
    except CallbackRefused as error:
        wrong.append(Fault("url", error.detail, "url_refused"))
    if faults := one_choice(body.model_dump(exclude_none=True)) + faults + wrong:
        raise invalid_request(faults)
    filename = safe_filename(body.filename or basename(unquote(urlsplit(url).path)))
    upload = Upload(
        [],
        jobs,
        body.reference,
        body.metadata or {},
        dedupe=False,
        callback_url=callback_url,
        public=bool(body.public),
    )
    return url, filename, upload, content


def accept_by_url(
    ctx: Context,
    url: str,
    filename: str,
    upload: Upload,
    reserved: ReservedIds,
    counted: AbstractContextManager[object],
) -> PhotoRecord:
    """Make the record and send its message. If the message cannot be sent, the sweep sends it later.

    `counted`: counts a new photo for its owner; what it raises ends the request. Continues with the record of an
    earlier try, without counting it again. Raises PhotoGone when that was deleted or has expired.
    """
    earlier = ctx.services.table.get(reserved.ids[0]) if reserved.reused else None
    with counted if earlier is None else nullcontext():
        photo = earlier or _create(ctx, url, filename, upload, reserved)
    if photo.deleted_or_expired:
        raise PhotoGone(GONE_DETAIL)
    if photo.pending_fetch:
        try:
            ctx.services.outbox.send_fetch(photo)
        except Unavailable as error:
            log.warning("fetch.left_to_the_sweep", photo=photo.id, detail=error.detail)
    log.info("photo.accepted_by_url", photo=photo.id, jobs=len(photo.jobs), host=urlsplit(url).hostname)
    return photo


def _create(ctx: Context, url: str, filename: str, upload: Upload, reserved: ReservedIds) -> PhotoRecord:
    photo = new_record(ctx, reserved.ids[0], caller(), upload)
    photo.source_url = url
    photo.upload = DirectUpload(filename=filename, until=photo.created_at)
    photo.upload.wait_for_fetch(ctx.settings.resend_after)
    photo.add_order(upload.jobs, ctx.settings.resend_after, g.request_id)
    return ctx.services.table.create(photo)


def _read_body() -> tuple[PhotoByUrl, str]:
    if (request.content_length or 0) > MAX_BODY or len(data := request.stream.read(MAX_BODY + 1)) > MAX_BODY:
        raise TooLarge(f"the JSON of a photo by URL has at most {MAX_BODY:,} bytes")
    try:
        given = read_json(data)
    except NotJson as error:
        raise BadRequest(
            f"the body is {error}; to upload a file, send it as multipart/form-data, or with its own Content-Type"
        ) from error
    try:
        return PhotoByUrl.model_validate(given), hashlib.sha256(data).hexdigest()
    except ValidationError as error:
        raise invalid_request(faults_of(error)) from error
