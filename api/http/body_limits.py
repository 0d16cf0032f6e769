"""How large the body of a request may be: those of uploads may be large, all others are short."""

from __future__ import annotations

from dataclasses import dataclass

from darkroom.settings import Settings

UPLOAD_PHOTOS = "photos.upload_photos"
ADD_ASSET = "assets.add_asset"
"""The endpoints whose bodies are files, or forms with files."""

MAX_FIELDS = 64 * 1024
"""Bytes of the form of an asset besides its file."""


@dataclass(frozen=True)
class BodyLimits:
    """The most bytes of the whole body and of each file in it, and the most files."""

    body: int
    file: int
    files: int


def upload_limits(endpoint: str | None, settings: Settings) -> BodyLimits | None:
    """The limits of an upload; None if the endpoint takes no files."""
    if endpoint == UPLOAD_PHOTOS:
        return BodyLimits(settings.max_request_bytes, settings.max_upload_bytes, settings.max_photos)
    if endpoint == ADD_ASSET:
        return BodyLimits(settings.max_asset_bytes + MAX_FIELDS, settings.max_asset_bytes, files=1)
    return None
