"""How a result is written: the `output` field of a job."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from darkroom.jobs.output_formats import (
    ANIMATED_FORMATS,
    FORMAT_ALIASES,
    KEPT_FORMATS,
    OUTPUT_FORMATS,
    SMALL_ANIMATIONS,
    FormatName,
)
from darkroom.jobs.output_rules import OUTPUT_RULES
from darkroom.jobs.spec import Colour, StrictSpec

ProfileName = Literal["srgb", "keep", "p3"]
Chroma = Literal["4:4:4", "4:2:0", "auto"]
Compression = Literal["none", "lzw", "deflate", "jpeg"]

QualityNumber = Annotated[int, Field(ge=1, le=100)]


def _kind_of_quality(value: object) -> str:
    return "name" if value == "auto" else "number"


Quality = Annotated[
    Annotated[Literal["auto"], Tag("name")] | Annotated[QualityNumber, Tag("number")], Discriminator(_kind_of_quality)
]


def _in_order(formats: tuple[str, ...]) -> tuple[str, ...]:
    """Each format once, in the order of OUTPUT_FORMATS, so that equal lists are equal."""
    return tuple(name for name in OUTPUT_FORMATS if name in formats)


Accepted = Annotated[
    tuple[Annotated[FormatName, FORMAT_ALIASES], ...],
    Field(strict=False, min_length=1, max_length=20),
    AfterValidator(_in_order),
]

DEFAULT_SIMILARITY = 0.975

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


class Output(StrictSpec):
    """How the picture is encoded, and which metadata stands in the file."""

    json_schema: ClassVar[dict[str, Any]] = {"allOf": [rule.schema for rule in OUTPUT_RULES]}

    format: Annotated[Literal[FormatName, "auto"], FORMAT_ALIASES] | None = Field(
        None,
        description="default: the photo's format if browsers show it, otherwise JPEG, or PNG for transparency. auto: "
        "the one of `accept` that can hold the picture and gives the smallest file.",
    )
    accept: Accepted | None = Field(
        None,
        description="with format auto: the formats that your viewers show; default JPEG, PNG, WebP and AVIF",
    )
    quality: Quality | None = Field(
        None,
        description="JPEG, WebP, AVIF, HEIC, JPEG XL, and TIFF with JPEG compression; default: JPEG 82, WebP 80, "
        "AVIF 55, HEIC 45, JPEG XL 80, TIFF 90. PNG and GIF have no quality. With format auto, a quality of JPEG: the "
        "others get the one that looks about the same. auto: the least quality that reaches `similarity`.",
    )
    similarity: Annotated[float, Field(ge=0.8, le=0.999)] | None = Field(
        None,
        description="with quality auto: how near the result is to the picture that was encoded, 1 is equal "
        "(docs/formats.md has the measure); default 0.975, about JPEG 80",
    )
    max_bytes: int | None = Field(
        None,
        ge=100,
        le=1_000_000_000,
        description="the most bytes that the result may have. The quality is lowered, at most to 1, or for PNG and GIF "
        "the number of colours, until it fits. If it does not, the job fails.",
    )
    lossless: bool = Field(
        False,
        description="PNG, WebP, TIFF, HEIC and JPEG XL: every pixel stays as it is. Without `format`, the photo's "
        "own format if it is one of these, otherwise PNG.",
    )
    chroma: Chroma | None = Field(
        None,
        description="resolution of the colours. 4:4:4: full. 4:2:0: half. auto: full if the picture has sharp edges "
        "between colours, such as coloured text. Default: JPEG and HEIC 4:2:0, AVIF 4:4:4. WebP with loss always has "
        "half, the other formats full.",
    )
    effort: int | None = Field(
        None,
        ge=0,
        le=9,
        description="how long the encoder searches for a smaller file: 0 is fastest, 9 slowest. PNG, WebP, AVIF, "
        "HEIC, JPEG XL, and TIFF with deflate; the other formats ignore it. docs/formats.md has the default of each.",
    )
    colours: int | None = Field(
        None, ge=2, le=256, description="PNG and GIF: a palette of at most so many colours. Default: GIF 256, PNG none."
    )
    dither: bool = Field(True, description="PNG and GIF with a palette: mix colours that it lacks by error diffusion")
    compression: Compression | None = Field(None, description="TIFF; default lzw. jpeg loses a part of the picture.")
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
        "has to be a JPEG, and its steps have to be resizes, crops, trims, flips, flops and quarter turns, without "
        "padding and without a position that looks at the content. Otherwise the result has the warning "
        "gain_map_lost.",
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
        for rule in OUTPUT_RULES:
            if rule.is_broken(self):
                raise PydanticCustomError(rule.code, rule.message, rule.names(self))
        return self


def accepted_formats(output: Output) -> tuple[str, ...]:
    """The formats between which an output with the format `auto` may choose."""
    return output.accept or KEPT_FORMATS


def can_hold(format_: str, output: Output) -> bool:
    """Whether a file of this format can be as the output asks, as far as that does not depend on the picture: without
    loss, with a colour profile, with its colours at full resolution."""
    facts = OUTPUT_FORMATS[format_]
    return (
        (facts.lossless or not output.lossless)
        and (facts.profile or output.profile == "srgb")
        and (format_ != "webp" or output.chroma != "4:4:4" or output.lossless)
    )


def still_format(output: Output, photo_format: str, *, alpha: bool) -> str:
    """The format of a picture that is made of a photo of this format: see KEPT_FORMATS. `auto` stays `auto`.

    `alpha`: whether the picture has transparent pixels.
    """
    if output.format is not None:
        return output.format
    possible = (name for name in (photo_format, "jpeg") if name in KEPT_FORMATS and can_hold(name, output))
    return next((name for name in possible if name != "jpeg" or not alpha), "png")


def animated_formats(output: Output) -> tuple[str, ...]:
    """The formats in which an animation can be as the output asks, those that `auto` prefers first."""
    if output.format == "auto":
        asked: tuple[str, ...] = accepted_formats(output)
    else:
        asked = ANIMATED_FORMATS if output.format is None else (output.format,)
    return tuple(name for name in SMALL_ANIMATIONS if name in asked and can_hold(name, output))


def animated_format(output: Output, photo_format: str) -> str:
    """The format of an animation that is made of a photo of this format: by default the photo's own if it can hold what
    the output asks for. The output can be an animation (`animated_formats`)."""
    possible = animated_formats(output)
    return photo_format if output.format is None and photo_format in possible else possible[0]
