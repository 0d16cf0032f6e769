"""An upload request, multipart or raw, read into photos on the spool and what is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from flask import request
from werkzeug.exceptions import UnsupportedMediaType

from api.context import Context
from api.http.problems import invalid_request
from api.uploads.fields import RawFields, UploadFields, callback_asked_for, jobs_asked_for, read_fields
from api.uploads.spool import Spool, SpooledRequest
from darkroom.errors import Fault
from darkroom.filenames import safe_filename
from darkroom.jobs.job_types import Job

PART = "photo"


@dataclass(frozen=True)
class Incoming:
    """A file as it came in; nobody has looked into it yet."""

    spool: Spool
    filename: str
    """Safe to keep, to show and to download by; empty when the caller gave none."""


@dataclass(frozen=True)
class Upload:
    photos: list[Incoming]
    jobs: list[Job]
    reference: str | None
    metadata: dict[str, str | int | float | bool]
    dedupe: bool
    callback_url: str | None


def read_upload(context: Context) -> Upload:
    """Raises InvalidRequest with every fault of the request's fields; the photos themselves are judged one by one."""
    incoming = cast(SpooledRequest, request)
    photos: list[Incoming] = []
    if as_form := incoming.mimetype == "multipart/form-data":
        fields, photos, faults = _read_form(incoming, context.settings.max_photos)
    elif incoming.mimetype.startswith("image/") or incoming.mimetype in ("", "application/octet-stream"):
        fields, faults = read_fields(RawFields, [incoming.args])
    else:
        raise UnsupportedMediaType(
            f"a body of type {incoming.mimetype} is not taken: send multipart/form-data with photo parts, "
            "or the photo itself as image/* or application/octet-stream"
        )
    jobs, more = jobs_asked_for(fields.jobs, fields.preset, context.presets, context.settings.default_preset)
    callback_url, wrong = callback_asked_for(fields.callback_url, context.settings)
    if faults := faults + more + wrong:
        raise invalid_request(faults)
    if not as_form:  # only now: faults of the address are said before the photo is read
        photos = [Incoming(incoming.spool_body(), safe_filename(cast(RawFields, fields).filename))]
    return Upload(photos, jobs, fields.reference, fields.metadata or {}, bool(fields.dedupe), callback_url)


def _read_form(incoming: SpooledRequest, max_photos: int) -> tuple[UploadFields, list[Incoming], list[Fault]]:
    form, files = incoming.spool_form()
    texts = form.copy()
    faults = []
    if texts.poplist(PART):
        faults.append(Fault(PART, "send the photo as a file, with a file name", "not_a_file"))
    for name in files:
        if name in UploadFields.model_fields:
            faults.append(Fault(name, "send it as text, without a file name", "not_text"))
        elif name != PART:
            faults.append(Fault(name, f"files are taken under the name {PART} only", "extra_forbidden"))
    # FileStorage wraps the stream that the request made for it.
    photos = [Incoming(cast(Spool, file.stream), safe_filename(file.filename)) for file in files.getlist(PART)]
    if not photos and not faults:
        faults.append(Fault(PART, "send at least one photo", "missing"))
    if len(photos) > max_photos:
        faults.append(Fault(PART, f"at most {max_photos} photos in one request, not {len(photos)}", "too_many_photos"))
    fields, more = read_fields(UploadFields, [incoming.args, texts])
    return fields, photos, faults + more
