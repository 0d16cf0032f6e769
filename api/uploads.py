"""An upload request, multipart or raw, read into photos on the spool and what is asked for."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import cast

from flask import request
from werkzeug.exceptions import UnsupportedMediaType

from api.context import Context
from api.fields import RawFields, UploadFields, callback_asked_for, jobs_asked_for, read_fields
from api.problems import invalid
from api.spool import Spool, SpooledRequest
from darkroom.errors import Fault
from darkroom.jobs import Job

PART = "photo"

MAX_FILENAME = 200
"""Bytes. File systems take 255; a result's name adds to it."""

MAX_EXTENSION = 16

LOOKED_AT = 1024
"""Characters from the end of a name; making a name safe costs time for each."""

_DIRECTION_MARKS = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""They make `gpj.exe` look like `exe.jpg`."""


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
        raise invalid(faults)
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


def safe_filename(given: str | None) -> str:
    """The last part of the name, printable and of bounded length; empty when nothing is left of it."""
    name = unicodedata.normalize("NFC", re.split(r"[/\\]", (given or "")[-LOOKED_AT:])[-1])
    name = _DIRECTION_MARKS.sub("", name)
    # Categories C*: control characters, surrogates, unassigned; but Cf joins emoji.
    name = "".join(char for char in name if unicodedata.category(char) in ("Cf", "Co") or char.isprintable())
    stem, dot, ending = name.strip(" .").rpartition(".")
    if not dot:
        stem, ending = ending, ""
    ending = ending[:MAX_EXTENSION]
    while len(f"{stem}{dot}{ending}".encode()) > MAX_FILENAME:
        stem = stem[:-1]
    stem = stem.strip()
    return f"{stem}{dot}{ending}" if stem else ""
