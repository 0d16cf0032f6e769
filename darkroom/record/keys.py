"""Keys of objects in the bucket.

The API stores `originals/{photo}`; workers store `results/{photo}/{job}/{fence}.{extension}`. A PUT cannot be fenced:
each claim writes under its own key, and the update of the record publishes one of them. Files that do not
come through the API arrive under `uploads/{photo}` or `incoming/...`; a worker copies each of them to
`originals/{photo}/{etag}`.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

INCOMING = "incoming/"
"""Dropped files: `incoming/{owner}/{preset}/...`, or `incoming/{owner}/...` if the owner sends a request for each."""

UPLOADS = "uploads/"
"""Direct uploads."""

MAX_KEY = 1024
"""Bytes in UTF-8 (Amazon S3 User Guide, "Naming Amazon S3 objects"). A JSON schema can count only characters."""


_RESULT = re.compile(r"results/[^/]+/([^/]+)/([0-9]+)\.[^/]+")


def _fits_s3(key: str) -> str:
    if (size := len(key.encode())) > MAX_KEY:
        raise PydanticCustomError(
            "key_too_long", "has {size} bytes in UTF-8; a key in S3 has at most {most}", {"size": size, "most": MAX_KEY}
        )
    return key


Key = Annotated[str, Field(min_length=1, max_length=MAX_KEY), AfterValidator(_fits_s3)]


def original_key(photo_id: str, etag: str | None = None) -> str:
    """The key of an original that the API stored; with an ETag: of one that a worker copied."""
    return f"originals/{photo_id}/{etag}" if etag else f"originals/{photo_id}"


def upload_key(photo_id: str) -> str:
    return f"{UPLOADS}{photo_id}"


def results_prefix(photo_id: str) -> str:
    return f"results/{photo_id}/"


def result_key(photo_id: str, job_id: str, fence: int, extension: str) -> str:
    return f"{results_prefix(photo_id)}{job_id}/{fence}.{extension}"


def job_and_fence(key: str) -> tuple[str, int] | None:
    """The job's id and the fence in the key of a result; None if `result_key` did not make this key."""
    made = _RESULT.fullmatch(key)
    return (made[1], int(made[2])) if made else None
