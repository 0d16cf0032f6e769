"""How a result is written: the formats, and the `output` field of a job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from darkroom.jobs.spec import Colour, Spec

FormatName = Literal["jpeg", "png", "webp", "avif"]


@dataclass(frozen=True)
class FileFormat:
    """A format of result files: the file's extension without a dot, and its content type."""

    extension: str
    content_type: str


OUTPUT_FORMATS: Mapping[str, FileFormat] = {
    "jpeg": FileFormat("jpg", "image/jpeg"),
    "png": FileFormat("png", "image/png"),
    "webp": FileFormat("webp", "image/webp"),
    "avif": FileFormat("avif", "image/avif"),
}
"""The picture formats that a job may ask for. `worker/photo/encode.py` holds an encoder for each."""

JSON = FileFormat("json", "application/json")
"""The format of a metadata result."""

RESULT_FORMATS: Mapping[str, FileFormat] = {**OUTPUT_FORMATS, "json": JSON}
"""Every format that a result may have, by name."""


class Output(Spec):
    """How a result is encoded."""

    format: FormatName | None = Field(
        None, description="default: the input's format where we write it, else JPEG, or PNG for photos with alpha"
    )
    quality: int | None = Field(
        None, ge=1, le=100, description="JPEG, WebP and AVIF; default: JPEG 82, WebP 80, AVIF 60. PNG is lossless."
    )
    progressive: bool = Field(True, description="JPEG only")
    background: Colour = Field("#ffffff", description="laid under transparent pixels where the format has no alpha")
    keep_metadata: bool = Field(False, description="keep EXIF, GPS position included, in the result")
