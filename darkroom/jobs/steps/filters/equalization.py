"""Filters that spread the tones of a picture by how often each occurs."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from darkroom.jobs.spec import MAX_SIDE, Aliases, Share
from darkroom.jobs.steps.filters.filter import Filter


class Equalize(Filter):
    """Spread the tones evenly. With n(l) = the number of visible pixels whose luma (Rec. 709, rounded) is at most l,
    and n0 = that of the darkest luma, the new luma is 255 * (n(l) - n0) / (n(255) - n0). Each channel changes by as
    much as the luma, times `amount`. A picture of one tone stays."""

    example: ClassVar[dict[str, Any]] = {"type": "filter", "filter": "equalize", "amount": 0.7}

    filter: Annotated[Literal["equalize"], Aliases({"equalise": "equalize"})] = "equalize"
    amount: Share = Field(1.0, description="share of the change; 0 changes nothing")


class Clahe(Filter):
    """Raise the contrast of each part of the picture (contrast limited adaptive histogram equalization), with the
    parameters of `clahe()` of sharp. The picture is divided evenly into tiles of about `width` x `height` pixels. In
    the histogram of a tile's luma (Rec. 709), no count is above `max_slope` / 256 of its pixels; what is above that is
    spread evenly over all 256. The new luma of l is 255 times the share of counts up to l, interpolated linearly
    between the middles of the four nearest tiles, and each channel changes by as much as the luma. sharp looks at a
    window around each pixel, and at each channel alone."""

    example: ClassVar[dict[str, Any]] = {"type": "filter", "filter": "clahe", "width": 200, "height": 200}

    filter: Literal["clahe"] = "clahe"
    width: int = Field(ge=16, le=MAX_SIDE, description="width of a tile in pixels")
    height: int = Field(ge=16, le=MAX_SIDE, description="height of a tile in pixels")
    max_slope: float = Field(3.0, ge=0, le=100, description="how steep the new luma rises at most; 0 is no limit")
