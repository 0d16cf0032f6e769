"""The formats that results are written in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from darkroom.extras import is_missing
from darkroom.jobs.spec import Aliases

FormatName = Literal["jpeg", "png", "webp", "avif", "gif", "tiff", "heic", "jxl"]

FORMAT_ALIASES = Aliases({"jpg": "jpeg", "tif": "tiff"})

KINDS = ("EXIF", "XMP", "IPTC")
"""Kinds of metadata."""


@dataclass(frozen=True)
class FileFormat:
    """A format of result files: the file's extension without a dot, and its content type.

    `quality`: the default, 1 to 100; None if the format has no quality. `lossless`: whether every picture can be
    written without a loss. `metadata`: the kinds that are written into it, of KINDS. `profile`: whether a
    colour profile is. `extra`: the extra in pyproject.toml that its encoder needs.
    """

    extension: str
    content_type: str
    quality: int | None = None
    lossless: bool = False
    metadata: tuple[str, ...] = ("EXIF", "XMP")
    profile: bool = True
    extra: str | None = None


OUTPUT_FORMATS: Mapping[str, FileFormat] = {
    "jpeg": FileFormat("jpg", "image/jpeg", quality=82, metadata=KINDS),
    "png": FileFormat("png", "image/png", lossless=True),
    "webp": FileFormat("webp", "image/webp", quality=80, lossless=True),
    "avif": FileFormat("avif", "image/avif", quality=55),
    "gif": FileFormat("gif", "image/gif", metadata=("XMP",), profile=False),
    "tiff": FileFormat("tif", "image/tiff", quality=90, lossless=True, metadata=KINDS),
    "heic": FileFormat("heic", "image/heic", quality=45, lossless=True),
    "jxl": FileFormat("jxl", "image/jxl", quality=80, lossless=True, profile=False, extra="jxl"),
}
"""The picture formats that a job may ask for. `worker/photo/encode/encoders.py` has the encoder of each.

On three photos the default qualities give pictures about as near to the original as a JPEG of quality 82 does, by the
measure of `worker/photo/encode/similarity.py`. libavif as Pillow calls it converts RGB to YCbCr with a loss of up to 3
levels, so AVIF is not lossless.
"""


def missing_extra(format_: str) -> str | None:
    """The extra that this format needs, if it is not installed in this environment."""
    extra = OUTPUT_FORMATS[format_].extra
    return extra if extra and is_missing(extra) else None


def without_extra(format_: str) -> str:
    """What to tell a caller whose result cannot be written because the extra is missing."""
    return (
        f"{format_.upper()} cannot be written here, because the extra {OUTPUT_FORMATS[format_].extra} is not installed"
    )


KEPT_FORMATS = ("jpeg", "png", "webp", "avif")
"""A result without `format` keeps the photo's format if it is one of these, which browsers show. Otherwise it is a
JPEG, or a PNG if it has alpha or is to be lossless."""

ANIMATED_FORMATS = ("gif", "webp", "png", "avif")
"""The formats that hold animations."""

SMALL_ANIMATIONS = ("webp", "avif", "gif", "png")
"""The same, in the order in which the format `auto` takes them. An animation is encoded once: AVIF may be smaller than
WebP, but takes many times as long."""

MOST_TRIES = 6
"""How often an encoder may run for one format, to keep `max_bytes` or to reach a similarity."""

SMALL_AVIF = 1_000_000
"""Pixels. A smaller AVIF is encoded with more effort. So it takes as long as one of five times as many pixels."""

RESULT_FORMATS: Mapping[str, FileFormat] = {**OUTPUT_FORMATS, "json": FileFormat("json", "application/json")}
"""Every format that a result may have, by name."""
