"""Filters that change colours."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from darkroom.jobs.spec import Aliases, Share
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

    filter: Literal["saturation"] = "saturation"
    amount: float = Field(ge=0, le=4, description="factor; 1 changes nothing, 0 is grayscale")
