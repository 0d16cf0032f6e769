"""Filters that change how light a picture is."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from darkroom.jobs.spec import Aliases
from darkroom.jobs.steps.filters.filter import Filter


class Invert(Filter):
    """Turn the picture into a negative: 255 - value, as with `invert(1)` of CSS. Alpha stays."""

    example: ClassVar[dict[str, Any]] = {"type": "filter", "filter": "invert"}

    filter: Annotated[Literal["invert"], Aliases({"negate": "invert"})] = "invert"


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

    filter: Annotated[Literal["posterize"], Aliases({"posterise": "posterize"})] = "posterize"
    bits: int = Field(4, ge=1, le=8, description="bits of the number of tones: 1 leaves 2 tones, 8 leaves all 256")


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


class Linear(Filter):
    """Multiply and add: a * value + b, as `linear(a, b)` of sharp."""

    example: ClassVar[dict[str, Any]] = {"type": "filter", "filter": "linear", "a": 0.8, "b": 30}

    filter: Literal["linear"] = "linear"
    a: float = Field(1.0, ge=-10, le=10, description="factor; 1 changes nothing, a negative one inverts")
    b: float = Field(0.0, ge=-2550, le=2550, description="what is added; 0 changes nothing")


class Solarize(Filter):
    """Invert the light tones: a value of at least `threshold` becomes 255 - value."""

    example: ClassVar[dict[str, Any]] = {"type": "filter", "filter": "solarize", "threshold": 100}

    filter: Annotated[Literal["solarize"], Aliases({"solarise": "solarize"})] = "solarize"
    threshold: int = Field(128, ge=0, le=255, description="the lowest value that is inverted")


class Threshold(Filter):
    """Leave only black and white, as `threshold()` of sharp: a value of at least `threshold` becomes 255, any other 0.
    With `grayscale` it is the luma (Rec. 709, rounded) that is compared; sharp computes it in linear light."""

    example: ClassVar[dict[str, Any]] = {"type": "filter", "filter": "threshold", "threshold": 120}

    filter: Literal["threshold"] = "threshold"
    threshold: int = Field(128, ge=0, le=255, description="the lowest value that becomes white; 0 makes all white")
    grayscale: bool = Field(True, description="compare the luma; false: compare each channel, which leaves 8 colours")
