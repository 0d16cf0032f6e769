"""Filters that hide details or add what the photo does not have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from darkroom.jobs.spec import OpaqueColour, Share, StrictSpec
from darkroom.jobs.steps.filters.filter import Filter

MAX_BOXES = 100


class ShareBox(StrictSpec):
    """A part of a picture, as shares of its width and height. What reaches beyond the picture does not count."""

    left: Share
    top: Share
    width: float = Field(gt=0, le=1)
    height: float = Field(gt=0, le=1)


class Pixelate(Filter):
    """Make details unrecognizable, such as faces or number plates: the picture is divided into blocks of `size` x
    `size` pixels from its left upper corner, or from that of each box, and each pixel becomes the mean of its block.
    Boxes are enlarged to whole pixels. Colours are weighted by their alpha; alpha stays. With `faces`, each face that
    is found in the picture is pixelated with blocks of an eighth of its size, or of `size` if that is more."""

    example: ClassVar[dict[str, Any]] = {
        "type": "filter",
        "filter": "pixelate",
        "size": 12,
        "boxes": [{"left": 0.25, "top": 0.2, "width": 0.5, "height": 0.4}],
    }

    filter: Literal["pixelate"] = "pixelate"
    size: int = Field(16, ge=1, le=1000, description="side of a block in pixels; 1 changes nothing")
    boxes: Annotated[tuple[ShareBox, ...], Field(strict=False, min_length=1, max_length=MAX_BOXES)] | None = Field(
        None,
        description="the parts to pixelate, as shares of width and height; by default the whole picture, or only faces",
    )
    faces: bool = Field(False, description="pixelate the faces that are found in the picture")

    @property
    def fixed_work(self) -> Mapping[str, float]:
        """Faces are looked for on one copy, and in up to nine tiles of a larger one."""
        return {"face": 4.0} if self.faces else {}


class Noise(Filter):
    """Add noise: a random number to each channel, or the same one to the three channels of a pixel. The numbers have a
    normal distribution with the standard deviation `sigma`, cut at 3.7 of it. The same seed gives the same noise."""

    example: ClassVar[dict[str, Any]] = {"type": "filter", "filter": "noise", "sigma": 12}

    filter: Literal["noise"] = "noise"
    sigma: float = Field(10.0, ge=0, le=100, description="standard deviation in levels of 255; 0 changes nothing")
    monochrome: bool = Field(False, description="add the same number to the three channels of a pixel")
    seed: int = Field(0, ge=0, le=2**32 - 1, description="another seed gives other noise of the same kind")


class Grain(Filter):
    """Add the grain of a film: 40 * amount * g * (1 - (luma / 127.5 - 1)^2) to the three channels of a pixel. g is
    noise that a Gaussian with a sigma of size / 2 has blurred, brought back to a standard deviation of 1. The luma is
    that of Rec. 709: middle tones get most grain, black and white get none."""

    example: ClassVar[dict[str, Any]] = {"type": "filter", "filter": "grain", "amount": 0.4, "size": 2}

    filter: Literal["grain"] = "grain"
    amount: Share = Field(0.3, description="strength; 0 changes nothing")
    size: float = Field(1.5, ge=0.6, le=10, description="about how wide a grain is, in pixels")
    seed: int = Field(0, ge=0, le=2**32 - 1, description="another seed gives another grain of the same kind")


class Vignette(Filter):
    """Darken the picture towards its corners: value + amount * s * (colour - value). s rises smoothly from 0 at the
    distance `start` from the centre to 1 in the corners: s = t^2 * (3 - 2 * t) with t = (distance - start) / (1 -
    start). The distance is sqrt((x^2 + y^2) / 2), where x and y are -1 and 1 at the borders."""

    example: ClassVar[dict[str, Any]] = {"type": "filter", "filter": "vignette", "amount": 0.7}

    filter: Literal["vignette"] = "vignette"
    amount: Share = Field(0.5, description="share of the colour in the corners; 0 changes nothing")
    start: float = Field(0.4, ge=0, le=0.95, description="distance at which it begins; 0 is the centre, 1 the corners")
    colour: OpaqueColour = Field("#000000", description="the colour of the corners")
