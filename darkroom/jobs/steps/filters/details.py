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
