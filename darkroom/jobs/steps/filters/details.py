"""Filters that change a pixel by its neighbours."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from darkroom.jobs.steps.filters.filter import Filter


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


class BoxBlur(Filter):
    """Blur with the mean of a square: the pixels up to `radius` away along rows and columns. Beyond the border, the
    outermost pixels are repeated. Colours are weighted by their alpha, and alpha is blurred too."""

    example: ClassVar[dict[str, Any]] = {"type": "filter", "filter": "box-blur", "radius": 4}

    filter: Literal["box-blur"] = "box-blur"
    radius: int = Field(2, ge=0, le=100, description="pixels on each side; 0 changes nothing")


class MotionBlur(Filter):
    """Blur along a line, as a moving camera does: the mean of `length` points through the pixel, one pixel apart, each
    interpolated linearly between the four nearest pixels. Beyond the border, the outermost pixels are repeated. Colours
    are weighted by their alpha, and alpha is blurred too."""

    example: ClassVar[dict[str, Any]] = {"type": "filter", "filter": "motion-blur", "length": 15, "angle": 30}

    filter: Literal["motion-blur"] = "motion-blur"
    length: int = Field(15, ge=1, le=100, description="number of points; 1 changes nothing")
    angle: float = Field(0.0, ge=-360, le=360, description="direction of the line in degrees, clockwise; 0 is level")


class Median(Filter):
    """Remove specks: each channel becomes the median of the square of `size` x `size` pixels around it, as `median()`
    of sharp. Beyond the border, the outermost pixels are repeated. Transparent pixels count as the mean of the visible
    ones around them; alpha stays."""

    example: ClassVar[dict[str, Any]] = {"type": "filter", "filter": "median", "size": 5}

    filter: Literal["median"] = "median"
    size: Literal[1, 3, 5, 7, 9] = Field(3, description="side of the square in pixels; 1 changes nothing")


class Edge(Filter):
    """Show the edges as light lines on black: amount * sqrt(x^2 + y^2) / 4, with x and y = the differences of luma
    (Rec. 709) across and down by the operator of Sobel. Beyond the border, the outermost pixels are repeated.
    Transparent pixels count as the mean of the visible ones around them; alpha stays."""

    example: ClassVar[dict[str, Any]] = {"type": "filter", "filter": "edge", "amount": 2}

    filter: Literal["edge"] = "edge"
    amount: float = Field(1.0, ge=0, le=10, description="with 1, a hard edge from black to white is white; 0 is black")


class Emboss(Filter):
    """Make a gray relief, lit from one side: 127.5 - amount * (x * cos(angle) + y * sin(angle)) / 4, with x and y as in
    the filter `edge`. Transparent pixels count as the mean of the visible ones around them; alpha stays."""

    example: ClassVar[dict[str, Any]] = {"type": "filter", "filter": "emboss", "amount": 1.5}

    filter: Literal["emboss"] = "emboss"
    amount: float = Field(1.0, ge=0, le=10, description="height of the relief; 0 is plain gray")
    angle: float = Field(
        225.0, ge=-360, le=360, description="where the light comes from: 0 is right, 90 below, 225 the top left corner"
    )
