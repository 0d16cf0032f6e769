"""Keys of objects in the bucket.

The API stores `originals/{spread}/{photo}`; workers store `results/{spread}/{photo}/{job}/{fence}.{extension}`. S3
cannot check a fence: each claim writes under its own key, and the update of the record publishes one of them. Files
that do not come through the API arrive under `uploads/{spread}/{photo}` or `incoming/...`; a worker copies each of them
to `originals/{spread}/{photo}/{etag}`. The API stores assets as `assets/{spread}/{owner}/{asset}/{upload}`.

`{spread}` is the end of the id of the photo or asset, which is random. The beginning of a photo's id is its time. S3
takes 3,500 writes a second for each prefix, and spreads a busy bucket over more prefixes where keys differ (Amazon S3
User Guide, "Best practices design patterns: optimizing Amazon S3 performance"). If keys began with the id, all keys of
one minute would begin alike, and all writes would go to one prefix.
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

SPREAD_DIGITS = 4
"""Hexadecimal digits of the id that spread the keys: 16 ** 4 prefixes."""

_RESULT = re.compile(r"results/[^/]+/[^/]+/([^/]+)/([0-9]+)\.[^/]+")


def _fits_s3(key: str) -> str:
    if (size := len(key.encode())) > MAX_KEY:
        raise PydanticCustomError(
            "key_too_long", "has {size} bytes in UTF-8; a key in S3 has at most {most}", {"size": size, "most": MAX_KEY}
        )
    return key


Key = Annotated[str, Field(min_length=1, max_length=MAX_KEY), AfterValidator(_fits_s3)]


def original_key(photo_id: str, etag: str | None = None) -> str:
    """The key of an original that the API stored; with an ETag: of one that a worker copied."""
    key = f"originals/{_spread(photo_id)}"
    return f"{key}/{etag}" if etag else key


def upload_key(photo_id: str) -> str:
    return f"{UPLOADS}{_spread(photo_id)}"


def photo_of_upload(key: str) -> str | None:
    """The photo's id in the key of a direct upload; None if `upload_key` did not make this key."""
    photo_id = key.rpartition("/")[2]
    return photo_id if key == upload_key(photo_id) else None


def results_prefix(photo_id: str) -> str:
    return f"results/{_spread(photo_id)}/"


def result_key(photo_id: str, job_id: str, fence: int, extension: str) -> str:
    return f"{results_prefix(photo_id)}{job_id}/{fence}.{extension}"


def asset_key(owner: str, asset_id: str, upload: str) -> str:
    """`upload`: an id of this upload. No two uploads write to one key, so a late removal harms no other upload."""
    return f"assets/{asset_id[-SPREAD_DIGITS:]}/{owner}/{asset_id}/{upload}"


def job_and_fence(key: str) -> tuple[str, int] | None:
    """The job's id and the fence in the key of a result; None if `result_key` did not make this key."""
    made = _RESULT.fullmatch(key)
    return (made[1], int(made[2])) if made else None


def _spread(photo_id: str) -> str:
    return f"{photo_id[-SPREAD_DIGITS:]}/{photo_id}"
