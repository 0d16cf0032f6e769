"""Filters that bend the tones of a picture along a curve."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, model_validator

from darkroom.jobs.steps.filters.filter import Filter

Level = Annotated[float, Field(ge=0, le=255)]
Change = Annotated[float, Field(ge=-1, le=1, description="0 changes nothing")]


class Gamma(Filter):
    """Bend the middle tones; black and white stay: 255 * (value / 255)^(1 / gamma). `gamma()` of sharp does this only
    around its resize, and its default there leaves the tones as they are."""

    example: ClassVar[dict[str, Any]] = {"type": "filter", "filter": "gamma", "gamma": 1.4}

    filter: Literal["gamma"] = "gamma"
    gamma: float = Field(ge=0.1, le=10, description="above 1 is lighter, below 1 is darker; 1 changes nothing")


class ExposureChange(Filter):
    """Expose longer or shorter: the light is multiplied by 2^stops. This filter works in linear light: value / 255 is
    decoded with the curve of sRGB (IEC 61966-2-1), multiplied, and encoded again."""

    example: ClassVar[dict[str, Any]] = {"type": "filter", "filter": "exposure", "stops": 0.7}

    filter: Literal["exposure"] = "exposure"
    stops: float = Field(ge=-10, le=10, description="1 doubles the light, -1 halves it; 0 changes nothing")


class Levels(Filter):
    """Stretch a range of values: (value - black) / (white - black), kept within 0 to 1, to the power of 1 / gamma, is
    the share of the way from `out_black` to `out_white`."""

    example: ClassVar[dict[str, Any]] = {"type": "filter", "filter": "levels", "black": 20, "white": 230, "gamma": 1.2}

    filter: Literal["levels"] = "levels"
    black: Level = Field(0.0, description="the value that becomes out_black")
    white: Level = Field(255.0, description="the value that becomes out_white; less than black inverts")
    gamma: float = Field(1.0, ge=0.1, le=10, description="above 1 makes middle tones lighter; 1 changes nothing")
    out_black: Level = Field(0.0, description="what black becomes")
    out_white: Level = Field(255.0, description="what white becomes; less than out_black inverts")

    @model_validator(mode="after")
    def _has_a_range(self) -> Levels:
        if self.black == self.white:
            raise ValueError("black and white must differ")
        return self


Point = Annotated[
    tuple[Level, ...],
    Field(strict=False, min_length=2, max_length=2, description="a value, and the value that it becomes"),
]


def _from_left_to_right(points: tuple[tuple[float, ...], ...]) -> tuple[tuple[float, ...], ...]:
    if any(this[0] >= following[0] for this, following in pairwise(points)):
        raise ValueError("the first number of each point must be larger than that of the point before")
    return points


Points = Annotated[
    tuple[Point, ...],
    Field(strict=False, min_length=1, max_length=16),
    AfterValidator(_from_left_to_right),
]

STRAIGHT: tuple[tuple[float, ...], ...] = ((0.0, 0.0), (255.0, 255.0))


class Curves(Filter):
    """Bend the tones along curves through points, as the tool of that name in image editors. Red, green and blue each
    follow their own curve first, and then all follow `points`. Between its points a curve is a monotone cubic (Fritsch
    and Carlson, 1980), which never rises above or falls below two neighbouring points. Left of the first point and
    right of the last one it is level."""

    example: ClassVar[dict[str, Any]] = {
        "type": "filter",
        "filter": "curves",
        "points": [[0, 0], [64, 48], [192, 214], [255, 255]],
        "blue": [[0, 20], [255, 235]],
    }

    filter: Literal["curves"] = "curves"
    points: Points = Field(STRAIGHT, description="points [value, new value] of all channels, from left to right")
    red: Points = Field(STRAIGHT, description="the same for red alone")
    green: Points = Field(STRAIGHT, description="the same for green alone")
    blue: Points = Field(STRAIGHT, description="the same for blue alone")


class Shadows(Filter):
    """Make dark tones lighter or darker. With v = the largest of red, green and blue, divided by 255, a pixel is
    multiplied by (v + k * v * (1 - v)^3) / v, with k = 2 * amount, or k = amount if that is negative. Hue and
    saturation stay, and so do black and white."""

    example: ClassVar[dict[str, Any]] = {"type": "filter", "filter": "shadows", "amount": 0.6}

    filter: Literal["shadows"] = "shadows"
    amount: Change = Field(description="above 0 is lighter, below 0 is darker; 0 changes nothing")


class Highlights(Filter):
    """Make light tones lighter or darker: the mirror image of `shadows`. With v = the largest of red, green and blue,
    divided by 255, a pixel is multiplied by (v + k * (1 - v) * v^3) / v, with k = 2 * amount, or k = amount if that is
    positive. Hue and saturation stay, and so do black and white."""

    example: ClassVar[dict[str, Any]] = {"type": "filter", "filter": "highlights", "amount": -0.6}

    filter: Literal["highlights"] = "highlights"
    amount: Change = Field(description="below 0 is darker, above 0 is lighter; 0 changes nothing")
