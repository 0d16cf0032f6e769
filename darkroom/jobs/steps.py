"""The specs of steps: the operations on a picture. The parameters are named as in sharp (the Node.js library).

`fit: fill` stretches, as in sharp; in imgproxy and Cloudinary it crops. CONTRIBUTING.md shows how to add a filter.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from darkroom.jobs.spec import Colour, OneOf, Share, Side, StrictSpec, TaggedSpec

Gravity = Literal[
    "centre",
    "north",
    "northeast",
    "east",
    "southeast",
    "south",
    "southwest",
    "west",
    "northwest",
    "entropy",
    "attention",
]


class FocalPoint(StrictSpec):
    """The point that stays in view when a photo is cropped, as shares of width and height."""

    x: Share
    y: Share


def _kind_of_position(value: object) -> str:
    """`point` or `gravity`; pydantic then reports faults of that kind only."""
    return "point" if isinstance(value, dict | FocalPoint) else "gravity"


Position = Annotated[
    Annotated[Gravity, Tag("gravity")] | Annotated[FocalPoint, Tag("point")], Discriminator(_kind_of_position)
]


class StepSpec(TaggedSpec):
    """Base of all steps."""

    @property
    def name(self) -> str:
        """The name of the step in timings and file names."""
        return self.type


class Resize(StepSpec):
    """Change the size. With one side given, the other follows the aspect ratio; with `fill` the other side stays."""

    example: ClassVar[dict[str, Any]] = {"type": "resize", "width": 800, "height": 600, "fit": "inside"}
    json_schema: ClassVar[dict[str, Any]] = {  # pydantic's schema cannot say what the validator below checks
        "anyOf": [{"required": [side], "properties": {side: {"type": "integer"}}} for side in ("width", "height")]
    }

    type: Literal["resize"] = "resize"
    width: Side | None = None
    height: Side | None = None
    fit: Literal["cover", "contain", "fill", "inside", "outside"] = Field(
        "cover",
        description="cover crops, contain pads, fill STRETCHES, inside fits within, outside is at least as large",
    )
    position: Position = Field("centre", description="what cover keeps, or where contain puts the photo")
    without_enlargement: bool = Field(False, description="never make the photo larger than it is")
    background: Colour = Field("#000000", description="colour of the padding of contain")
    kernel: Literal["nearest", "box", "linear", "hamming", "cubic", "lanczos3"] = Field(
        "lanczos3", description="how new pixels are computed; lanczos3 gives the best quality, nearest is the fastest"
    )

    @model_validator(mode="after")
    def _has_a_side(self) -> Resize:
        if self.width is None and self.height is None:
            raise ValueError("give width, height or both")
        return self


class Filter(StepSpec):
    """Base of all filters."""

    type: Literal["filter"] = "filter"
    filter: str

    @property
    def name(self) -> str:
        return self.filter


class Grayscale(Filter):
    """Remove the colours: each channel becomes the luma of the pixel, 0.2126 red + 0.7152 green + 0.0722 blue, as with
    `grayscale(1)` of CSS. sharp uses these weights in linear light, where pure red becomes 127 instead of 54."""

    example: ClassVar[dict[str, Any]] = {"type": "filter", "filter": "grayscale"}

    filter: Literal["grayscale"] = "grayscale"
    luma: Literal["rec709", "rec601"] = Field(
        "rec709",
        description="the standard of the weights: rec709, or rec601 with 0.299 red + 0.587 green + 0.114 blue",
    )


class Sepia(Filter):
    """Tone the picture brown, like an old print: the matrix of `sepia()` in CSS."""

    example: ClassVar[dict[str, Any]] = {"type": "filter", "filter": "sepia", "amount": 0.8}

    filter: Literal["sepia"] = "sepia"
    amount: Share = Field(1.0, description="share of the toned picture; 0 changes nothing")


class Invert(Filter):
    """Turn the picture into a negative: 255 - value, as with `invert(1)` of CSS. Alpha stays."""

    example: ClassVar[dict[str, Any]] = {"type": "filter", "filter": "invert"}

    filter: Literal["invert"] = "invert"


class AutoContrast(Filter):
    """Stretch the tones over the whole range: the darkest luma (Rec. 709) becomes 0 and the lightest 255. All channels
    are stretched alike, so that the balance of colours stays. Transparent pixels do not count."""

    example: ClassVar[dict[str, Any]] = {"type": "filter", "filter": "auto-contrast", "cutoff": 1}

    filter: Literal["auto-contrast"] = "auto-contrast"
    cutoff: float = Field(0.0, ge=0, lt=50, description="percent of the darkest and lightest pixels to ignore")


class Posterize(Filter):
    """Reduce each channel to n = 2^bits tones that are spread evenly over 0 to 255: black stays black and white stays
    white. A value becomes round(value * (n - 1) / 255) * 255 / (n - 1)."""

    example: ClassVar[dict[str, Any]] = {"type": "filter", "filter": "posterize", "bits": 3}

    filter: Literal["posterize"] = "posterize"
    bits: int = Field(4, ge=1, le=8, description="bits of the number of tones: 1 leaves 2 tones, 8 leaves all 256")


class Blur(Filter):
    """Blur with a Gaussian. Beyond the border, the outermost pixels are repeated. Colours are weighted by their alpha,
    and alpha is blurred too. No value differs by more than 1 level of 255 from the same in floating point."""

    example: ClassVar[dict[str, Any]] = {"type": "filter", "filter": "blur", "sigma": 3}

    filter: Literal["blur"] = "blur"
    sigma: float = Field(2.0, ge=0.3, le=100, description="standard deviation in pixels")


class Sharpen(Filter):
    """Sharpen with an unsharp mask: value + amount * (value - blurred value), for each channel. The blurred value is
    what the filter `blur` gives, with colours weighted by their alpha. Alpha stays."""

    example: ClassVar[dict[str, Any]] = {"type": "filter", "filter": "sharpen", "sigma": 1.5, "amount": 0.8}

    filter: Literal["sharpen"] = "sharpen"
    sigma: float = Field(1.0, ge=0.3, le=10, description="standard deviation of the mask in pixels")
    amount: float = Field(1.0, ge=0, le=5, description="strength; 0 changes nothing")
    threshold: int = Field(
        2, ge=0, le=255, description="smallest difference between value and blurred value that is sharpened"
    )


class Brightness(Filter):
    """Make the picture lighter or darker: value * amount, as with `brightness()` of CSS."""

    example: ClassVar[dict[str, Any]] = {"type": "filter", "filter": "brightness", "amount": 1.2}

    filter: Literal["brightness"] = "brightness"
    amount: float = Field(ge=0, le=4, description="factor; 1 changes nothing, 0 is black")


class Contrast(Filter):
    """Raise or lower the contrast: pivot + amount * (value - pivot), as with `contrast()` of CSS."""

    example: ClassVar[dict[str, Any]] = {"type": "filter", "filter": "contrast", "amount": 1.3}

    filter: Literal["contrast"] = "contrast"
    amount: float = Field(ge=0, le=4, description="factor; 1 changes nothing, 0 is plain gray")
    pivot: Literal["middle", "mean"] = Field(
        "middle",
        description="the value that stays: middle is 127.5, as in CSS; mean is the mean luma (Rec. 709) of the "
        "picture, so that it gets neither darker nor lighter",
    )


class Saturation(Filter):
    """Make the colours stronger or weaker: luma + amount * (value - luma), with the luma of Rec. 709, as with
    `saturate()` of CSS."""

    example: ClassVar[dict[str, Any]] = {"type": "filter", "filter": "saturation", "amount": 1.5}

    filter: Literal["saturation"] = "saturation"
    amount: float = Field(ge=0, le=4, description="factor; 1 changes nothing, 0 is grayscale")


STEPS: tuple[type[StepSpec], ...] = (
    Resize,
    Grayscale,
    Sepia,
    Invert,
    AutoContrast,
    Posterize,
    Blur,
    Sharpen,
    Brightness,
    Contrast,
    Saturation,
)
"""Every step. The unions below, the job classes in job_types.py and the lists of the API are made from it."""

FILTERS: Mapping[str, type[Filter]] = {
    step.model_fields["filter"].default: step for step in STEPS if issubclass(step, Filter)
}
"""Every filter by its name."""

AnyFilter = Annotated[Filter, OneOf(FILTERS.values(), by="filter")]

STEP_TYPES: Mapping[str, Any] = {"resize": Resize, "filter": AnyFilter}
"""`type` of a step -> the class, or the union of classes, that validates it."""

Step = Annotated[StepSpec, OneOf(STEP_TYPES.values(), by="type")]
"""A step of a pipeline, as pydantic validates it."""
