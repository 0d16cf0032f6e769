"""How a result is written: the formats, and the `output` field of a job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from darkroom.jobs.spec import Colour, StrictSpec

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

RESULT_FORMATS: Mapping[str, FileFormat] = {**OUTPUT_FORMATS, "json": FileFormat("json", "application/json")}
"""Every format that a result may have, by name."""


class Output(StrictSpec):
    """How the picture is encoded."""

    format: FormatName | None = Field(
        None,
        description="default: the photo's format if it is one of these, otherwise JPEG, or PNG for transparency",
    )
    quality: int | None = Field(
        None, ge=1, le=100, description="JPEG, WebP and AVIF; default: JPEG 82, WebP 80, AVIF 60. PNG is lossless."
    )
    progressive: bool = Field(
        False,
        description="JPEG only. A progressive JPEG shows a coarse picture while it loads and is about 4 percent "
        "smaller. It takes more than twice the time to write, and more time to decode.",
    )
    background: Colour = Field("#ffffff", description="put behind transparent pixels if the format has no alpha")
    keep_metadata: bool = Field(False, description="keep the EXIF of the photo, with its GPS position, in the result")
