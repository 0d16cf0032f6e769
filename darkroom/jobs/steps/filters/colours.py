"""Filters that change colours."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from darkroom.jobs.spec import Aliases, OpaqueColour, Share
from darkroom.jobs.steps.filters.filter import Filter


class Grayscale(Filter):
    """Remove the colours: each channel becomes the luma of the pixel, 0.2126 red + 0.7152 green + 0.0722 blue, as with
    `grayscale(1)` of CSS. sharp uses these weights in linear light, where pure red becomes 127 instead of 54."""

    example: ClassVar[dict[str, Any]] = {"type": "filter", "filter": "grayscale"}

    filter: Annotated[Literal["grayscale"], Aliases({"greyscale": "grayscale"})] = "grayscale"
    luma: Literal["rec709", "rec601"] = Field(
        "rec709",
        description="the standard of the weights: rec709, or rec601 with 0.299 red + 0.587 green + 0.114 blue",
    )


class Sepia(Filter):
    """Tone the picture brown, like an old print: the matrix of `sepia()` in CSS."""

    example: ClassVar[dict[str, Any]] = {"type": "filter", "filter": "sepia", "amount": 0.8}

    filter: Literal["sepia"] = "sepia"
    amount: Share = Field(1.0, description="share of the toned picture; 0 changes nothing")


class Saturation(Filter):
    """Make the colours stronger or weaker: luma + amount * (value - luma), with the luma of Rec. 709, as with
    `saturate()` of CSS."""

    example: ClassVar[dict[str, Any]] = {"type": "filter", "filter": "saturation", "amount": 1.5}

    filter: Annotated[Literal["saturation"], Aliases({"saturate": "saturation"})] = "saturation"
    amount: float = Field(ge=0, le=4, description="factor; 1 changes nothing, 0 is grayscale")


class Hue(Filter):
    """Turn the hues around the colour wheel: the matrix of `hue-rotate()` in CSS. `modulate({hue})` of sharp turns
    them in the colour space LCh instead, which changes the luma less."""

    example: ClassVar[dict[str, Any]] = {"type": "filter", "filter": "hue", "degrees": 90}

    filter: Annotated[Literal["hue"], Aliases({"hue-rotate": "hue"})] = "hue"
    degrees: float = Field(ge=-360, le=360, description="red turns to green at 120; 0 changes nothing")


class Tint(Filter):
    """Tint the picture, as `tint()` of sharp. The lightness L of CIELAB (0 to 100) stays; a* and b* are those of the
    colour, times 1 - 4 * (L / 100 - 0.5)^2, so that black and white stay."""

    example: ClassVar[dict[str, Any]] = {"type": "filter", "filter": "tint", "colour": "#a06030"}

    filter: Literal["tint"] = "tint"
    colour: OpaqueColour
    amount: Share = Field(1.0, description="share of the tinted picture; 0 changes nothing")


class Duotone(Filter):
    """Replace the tones by those between two colours: dark + (light - dark) * luma / 255, with the luma of Rec. 709."""

    example: ClassVar[dict[str, Any]] = {
        "type": "filter",
        "filter": "duotone",
        "dark": "#1e2a5a",
        "light": "#f5d76e",
    }

    filter: Literal["duotone"] = "duotone"
    dark: OpaqueColour = Field("#000000", description="what black becomes")
    light: OpaqueColour = Field("#ffffff", description="what white becomes")
    amount: Share = Field(1.0, description="share of the new tones; 0 changes nothing")


class Vibrance(Filter):
    """Make weak colours stronger, and strong ones hardly: luma + f * (value - luma) with f = 1 + amount * (1 - (largest
    channel - smallest channel) / 255). The luma is that of Rec. 709."""

    example: ClassVar[dict[str, Any]] = {"type": "filter", "filter": "vibrance", "amount": 0.6}

    filter: Literal["vibrance"] = "vibrance"
    amount: float = Field(ge=-1, le=2, description="below 0 makes weak colours weaker; 0 changes nothing")


class Temperature(Filter):
    """Make the picture warmer or cooler, as a filter before the lens: in linear light, each channel is multiplied by
    that of daylight of 1,000,000 / (154 + 90 * amount) kelvin, divided by that of 154 mired, which is daylight of 6,500
    kelvin (CIE 15, daylight locus). The luma of white stays. An amount of 1 shifts by 90 mired to 4,100 kelvin."""

    example: ClassVar[dict[str, Any]] = {"type": "filter", "filter": "temperature", "amount": 0.5}

    filter: Literal["temperature"] = "temperature"
    amount: float = Field(ge=-1, le=1, description="above 0 is warmer, below 0 is cooler; 0 changes nothing")
