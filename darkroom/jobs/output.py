"""How a result is written: the formats, and the `output` field of a job."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from darkroom.jobs.spec import Aliases, Colour, StrictSpec

FormatName = Literal["jpeg", "png", "webp", "avif"]
FORMAT_ALIASES = Aliases({"jpg": "jpeg"})
ProfileName = Literal["srgb", "keep", "p3"]


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
"""The picture formats that a job may ask for. `worker/photo/encode/encoders.py` has the encoder of each."""

SMALL_AVIF = 1_000_000
"""Pixels. A smaller AVIF is encoded with more effort. So it takes as long as one of five times as many pixels."""

RESULT_FORMATS: Mapping[str, FileFormat] = {**OUTPUT_FORMATS, "json": FileFormat("json", "application/json")}
"""Every format that a result may have, by name."""

_UNWRITABLE = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
"""Characters that XMP cannot hold (XML 1.0, 2.2), and further control characters."""


def _writable(text: str) -> str:
    if _UNWRITABLE.search(text):
        raise ValueError("must not contain control characters")
    if not (stripped := text.replace("\r\n", "\n").replace("\r", "\n").strip()):
        raise ValueError("must not be empty")
    return stripped


Text = Annotated[
    str,
    AfterValidator(_writable),
    Field(
        min_length=1,
        json_schema_extra={"pattern": r"^(?=[\s\S]*\S)[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff]*$"},
    ),
]
"""A text that is written into a result, without space around it."""

TEXTS = ("copyright", "credit", "artist", "caption")
"""The fields of `Output` whose text is written into the result."""


class Output(StrictSpec):
    """How the picture is encoded, and which metadata stands in the file."""

    json_schema: ClassVar[dict[str, Any]] = {  # what the validator below checks
        "allOf": [
            {
                "if": {"required": ["metadata"], "properties": {"metadata": {"const": "none"}}},
                "then": {"properties": {name: {"type": "null"} for name in TEXTS}},
            },
        ]
    }

    format: Annotated[FormatName, FORMAT_ALIASES] | None = Field(
        None,
        description="default: the photo's format if it is one of these, otherwise JPEG, or PNG for transparency",
    )
    quality: int | None = Field(
        None, ge=1, le=100, description="JPEG, WebP and AVIF; default: JPEG 82, WebP 80, AVIF 55. PNG is lossless."
    )
    progressive: bool = Field(
        False,
        description="JPEG only. A progressive JPEG shows a coarse picture while it loads and is about 4 percent "
        "smaller. It takes more than twice the time to write, and more time to decode.",
    )
    background: Colour = Field("#ffffff", description="put behind transparent pixels if the format has no alpha")
    profile: ProfileName = Field(
        "srgb",
        description="colours of the result. srgb: written without a profile, which viewers treat as sRGB. p3: Display "
        "P3. keep: those of the photo, if it is RGB, otherwise sRGB. The last two are written with their ICC profile.",
    )
    keep_hdr: bool = Field(
        False,
        description="keep the gain map of an Ultra HDR or ISO 21496-1 JPEG, which follows the picture. The result "
        "has to be a JPEG, and its steps have to be resizes, without padding and without a position that looks at the "
        "content. Otherwise the result has the warning gain_map_lost.",
    )
    metadata: Literal["rights", "none", "all"] = Field(
        "rights",
        description="what of the photo's metadata the result keeps. rights: copyright notice, credit line, the web "
        "addresses of rights and licensors, and IPTC DigitalSourceType, which marks pictures made by AI. none: "
        "nothing. all: EXIF with maker notes, XMP and IPTC, without the GPS position.",
    )
    gps: bool = Field(
        False, description="with metadata all: keep the GPS position too. Otherwise the result has a warning."
    )
    copyright: Text | None = Field(
        None, max_length=200, description="copyright notice, written instead of the photo's own"
    )
    credit: Text | None = Field(None, max_length=100, description="credit line, written instead of the photo's own")
    artist: Text | None = Field(None, max_length=100, description="name of the creator to write")
    caption: Text | None = Field(None, max_length=1000, description="caption to write")

    @model_validator(mode="after")
    def _is_consistent(self) -> Output:
        texts = [name for name in TEXTS if getattr(self, name) is not None]
        if self.metadata == "none" and texts:
            raise PydanticCustomError(
                "text_without_metadata",
                '"metadata": "none" writes nothing: leave out {text}, or use "rights"',
                {"text": texts[0]},
            )
        return self
