"""The section about what a job has measured on the pixels."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from darkroom.photo_metadata.section import MetadataSection, from_tags

HISTOGRAM_BINS = 32
"""Bins of each list of a histogram: 8 levels each."""

HexColour = Annotated[str, Field(pattern=r"^#[0-9a-f]{6}$")]
BlurHash = Annotated[str, Field(pattern=r"^[0-9A-Za-z#$%*+,.:;=?@\[\]^_{|}~-]{28,36}$")]
PerceptualHash = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
ThumbHash = Annotated[str, Field(pattern=r"^[0-9A-Za-z+/]{20,36}={0,2}$")]
Variance = Annotated[float, Field(ge=0, le=2e6, allow_inf_nan=False)]

MAX_FACES = 50
"""Faces of one photo, the largest first."""


class Histogram(MetadataSection):
    """How many of the visible pixels have each level, from 0 to 255 in 32 bins of 8 levels."""

    red: list[float] = from_tags("pixels", "32 shares that add up to 1", [0.25, 0.75], unit="0 to 1", default=...)
    green: list[float] = from_tags("pixels", "as red", [0.25, 0.75], unit="0 to 1", default=...)
    blue: list[float] = from_tags("pixels", "as red", [0.25, 0.75], unit="0 to 1", default=...)
    luma: list[float] = from_tags(
        "pixels", "0.299 red + 0.587 green + 0.114 blue (ITU-R BT.601)", [0.25, 0.75], unit="0 to 1", default=...
    )


class Face(MetadataSection):
    """A box around a face in the upright photo."""

    x: int = from_tags("pixels", "its left edge", 812, unit="pixels", default=...)
    y: int = from_tags("pixels", "its top edge", 340, unit="pixels", default=...)
    width: int = from_tags("pixels", "of the box", 410, unit="pixels", default=...)
    height: int = from_tags("pixels", "of the box", 522, unit="pixels", default=...)
    confidence: float = from_tags("pixels", "how sure the detector is", 0.93, unit="0 to 1", default=...)


def _measured(source: str, description: str, example: Any, *, unit: str | None = None) -> Any:
    """A field that is left out if the job does not ask for it."""
    extra: dict[str, Any] = {"source": source} | ({"unit": unit} if unit else {})
    return Field(
        None,
        exclude_if=lambda value: value is None,
        description=description,
        examples=[example],
        json_schema_extra=extra,
    )


class ShortMeasures(MetadataSection):
    """The measures that are short enough for events. A measure that the job does not ask for is left out."""

    average_colour: HexColour | None = _measured(
        "pixels",
        "the mean of the visible pixels: the colour that the photo has when it is resized to 1 x 1",
        "#5e7c8a",
    )
    blurhash: BlurHash | None = _measured(
        "pixels",
        "BlurHash with 4 x 3, 3 x 4 or 4 x 4 components, 28 or 36 characters",
        "LEHV6nWB2yk8pyo0adR*.7kCMdnj",
    )
    phash: PerceptualHash | None = _measured(
        "pixels", "perceptual hash of 64 bits; photos that look alike differ in few bits", "c3d1b0e6a5783c1f"
    )
    sharpness: Variance | None = _measured(
        "pixels", "variance of the Laplacian of luma; the higher, the sharper", 812.4, unit="levels squared"
    )
    thumbhash: ThumbHash | None = _measured("pixels", "ThumbHash in Base64", "1QcSHQRnh493V4dIh4eXh1h4kJUI")


class Measures(ShortMeasures):
    """What the job asks to measure, on one small copy of the upright photo in sRGB. A measure that the job does not ask
    for is left out."""

    faces: list[Face] | None = _measured(
        "pixels",
        "at most 50, the largest first; an empty list if none is found",
        [{"x": 812, "y": 340, "width": 410, "height": 522, "confidence": 0.93}],
    )
    histogram: Histogram | None = _measured(
        "pixels", "see histogram", {key: [0.25, 0.75] for key in ("red", "green", "blue", "luma")}
    )

    @property
    def short(self) -> ShortMeasures:
        """Those that events can hold."""
        return ShortMeasures(**{name: getattr(self, name) for name in ShortMeasures.model_fields})
