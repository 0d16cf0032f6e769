"""Read an upload request, multipart or raw, into photos on the spool and the fields beside them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

from flask import request
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import UnsupportedMediaType

from api.context import Context, caller
from api.http.problems import invalid_request
from api.token_scope import TokenScope, current_token, wanted_jobs
from api.uploads.asset_check import check_assets
from api.uploads.fields import RawFields, UploadFields, check_callback, check_public, choose_jobs, read_fields
from api.uploads.form import Form, FormFile
from api.uploads.spool import ReceivedPhoto, Spool, SpooledRequest
from darkroom.errors import Fault, UnsupportedPhoto
from darkroom.filenames import safe_filename
from darkroom.jobs.job_types import Job

PART = "photo"


@dataclass(frozen=True)
class Incoming:
    """A file as it was received; its content is not checked yet."""

    spool: Spool | ReceivedPhoto
    filename: str
    """Safe to store, to show and to use in a download; empty when the caller gave none."""


@dataclass(frozen=True)
class Upload:
    """A valid upload request."""

    photos: list[Incoming]
    jobs: list[Job]
    reference: str | None
    metadata: dict[str, str | int | float | bool]
    dedupe: bool
    callback_url: str | None
    texts: list[tuple[str, str]] = field(default_factory=list)
    """All texts of the form, as they were sent."""
    public: bool = False
    token_id: str | None = None
    """Of the upload token that the request came with."""


def read_upload(ctx: Context) -> Upload:
    """Read the current request. The photos themselves are checked later, one by one.

    Raises InvalidRequest with every fault of the fields; TooLarge, BadRequest, UnsupportedMediaType or
    UnsupportedPhoto for the body.
    """
    incoming = cast(SpooledRequest, request)
    photos: list[Incoming] = []
    texts: list[tuple[str, str]] = []
    if as_form := incoming.mimetype == "multipart/form-data":
        fields, photos, texts, faults = _read_form(incoming, ctx.settings.max_photos)
    elif incoming.mimetype.startswith("image/") or incoming.mimetype in ("", "application/octet-stream"):
        fields, faults = read_fields(RawFields, [incoming.args])
    else:
        raise UnsupportedMediaType(
            f"a body of type {incoming.mimetype} is not supported: send multipart/form-data with parts named {PART}, "
            "or the photo itself as image/* or application/octet-stream"
        )
    wanted = wanted_jobs(fields.jobs, fields.preset, fields.callback_url, fields.public)
    if fields.dedupe and current_token():
        raise TokenScope("an upload token allows no dedupe: it would find photos that it has not uploaded")
    jobs, more = choose_jobs(wanted.jobs, wanted.preset, ctx.presets, ctx.settings.default_preset)
    callback_url, wrong = check_callback(wanted.callback_url, ctx.settings)
    wrong += check_assets(ctx, jobs, None if wanted.jobs else wanted.preset or ctx.settings.default_preset)
    wrong += check_public(fields.public, caller(), ctx.settings)
    if faults := faults + more + wrong:
        raise invalid_request(faults)
    if not as_form:  # a request with invalid fields is refused before its photo is read
        photos = [Incoming(_read_body(incoming), safe_filename(cast(RawFields, fields).filename))]
    return Upload(
        photos,
        jobs,
        fields.reference,
        fields.metadata or {},
        bool(fields.dedupe),
        callback_url,
        texts,
        public=bool(fields.public),
        token_id=wanted.token_id,
    )


def form_parts(form: Form[Spool], part: str) -> tuple[list[FormFile[Spool]], MultiDict[str, str], list[Fault]]:
    """The files of a form, which have to be in parts of this name, the texts of its other parts, and what is wrong."""
    texts, faults = MultiDict(form.texts), [fault for fault in form.faults if fault.field != part]
    if texts.poplist(part) or len(faults) < len(form.faults):
        expected = "this part must be a file: give it a file name, or Content-Type: application/octet-stream"
        faults.append(Fault(part, expected, "not_a_file"))
    others = dict.fromkeys(file.name for file in form.files if file.name != part)
    faults += [Fault(name, f"only parts named {part} may be files", "extra_forbidden") for name in others]
    return [file for file in form.files if file.name == part], texts, faults


def _read_body(incoming: SpooledRequest) -> Spool | ReceivedPhoto:
    spool = incoming.spool_body()
    if not spool.size:
        raise UnsupportedPhoto(
            f"the body is empty: send a form (multipart/form-data) with a part named {PART}, or the photo itself"
        )
    return spool


def _read_form(
    incoming: SpooledRequest, max_photos: int
) -> tuple[UploadFields, list[Incoming], list[tuple[str, str]], list[Fault]]:
    """The fields of the form and of the query, the photos, the form's texts, and what is wrong."""
    form = incoming.spool_form(UploadFields.model_fields)
    files, texts, faults = form_parts(form, PART)
    photos = [Incoming(file.content, safe_filename(file.filename)) for file in files]
    if not photos and not faults:
        faults.append(Fault(PART, "send at least one photo", "missing"))
    if len(photos) > max_photos:
        faults.append(Fault(PART, f"at most {max_photos} photos in one request, not {len(photos)}", "too_many_photos"))
    fields, more = read_fields(UploadFields, [incoming.args, texts])
    return fields, photos, form.texts, faults + more
