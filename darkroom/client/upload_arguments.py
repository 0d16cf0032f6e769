"""What an upload can carry besides its photo, and how each kind of request writes it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict
from uuid import uuid4


class UploadArguments(TypedDict, total=False):
    """Keyword arguments of every upload. None is the same as to leave one out.

    jobs: the jobs, as docs/api.md describes them; or instead of them
    preset: the name of a list of jobs. Without both, the API's default preset applies.
    reference: your own id of the photo.
    metadata: an object of your own; it comes back in answers and events.
    callback_url: an https URL that gets a webhook when all jobs have ended.
    public: True: the embed links of the results never expire, if the owner may have that.
    filename: the photo's file name, in place of that of the file.
    idempotency_key: your own key, so that another process can repeat the upload. Without it each call makes one.
    """

    jobs: Sequence[Mapping[str, Any]] | None
    preset: str | None
    reference: str | None
    metadata: Mapping[str, Any] | None
    callback_url: str | None
    public: bool | None
    filename: str | None
    idempotency_key: str | None


NOT_SENT = ("filename", "idempotency_key")
"""Arguments that are no fields of the request."""


def fields_of(given: UploadArguments, **more: Any) -> dict[str, Any]:
    """The fields of a JSON body. Raises TypeError for an argument that does not exist."""
    if unknown := given.keys() - UploadArguments.__annotations__.keys():
        known = ", ".join(UploadArguments.__annotations__)
        raise TypeError(f"unexpected keyword argument {min(unknown)!r}: expected one of {known}")
    fields = {name: value for name, value in given.items() if name not in NOT_SENT} | more
    return {name: value for name, value in fields.items() if value is not None}


def texts_of(fields: Mapping[str, Any]) -> dict[str, str]:
    """The fields as a form or a query has them: everything but texts is written as JSON."""
    return {name: value if isinstance(value, str) else compact(value) for name, value in fields.items()}


def compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def key_header(given: str | None = None) -> dict[str, str]:
    """An Idempotency-Key, the caller's or a new one. It stays the same at each try."""
    return {"Idempotency-Key": f'"{given or uuid4()}"'}
