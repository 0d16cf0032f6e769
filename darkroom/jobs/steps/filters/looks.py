"""Filters that give a picture the colours of a lookup table."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from darkroom.jobs.asset_ids import EXAMPLE_LUT, LutId
from darkroom.jobs.spec import Share
from darkroom.jobs.steps.filters.filter import Filter

LookName = Literal[
    "faded",
    "matte",
    "warm",
    "cool",
    "golden",
    "moonlight",
    "teal-orange",
    "bleached",
    "pastel",
    "noir",
]
"""Every look. docs/filters.md says what each does."""


class NamedLook(Filter):
    """Give the picture one of ten looks. Each is a 3D LUT of 33 x 33 x 33 colours with linear interpolation, made from
    curves, saturation and toning."""

    example: ClassVar[dict[str, Any]] = {"type": "filter", "filter": "look", "look": "golden", "amount": 0.8}

    filter: Literal["look"] = "look"
    look: LookName
    amount: Share = Field(1.0, description="share of the look; 0 changes nothing")


class Lut(Filter):
    """Give the picture the colours of your own lookup table: a .cube file (1D or 3D) that you have uploaded as an
    asset. Between its entries the table is interpolated linearly. The table gets the values of the picture as they are,
    encoded as sRGB, divided by 255."""

    example: ClassVar[dict[str, Any]] = {"type": "filter", "filter": "lut", "asset": EXAMPLE_LUT, "amount": 0.8}

    filter: Literal["lut"] = "lut"
    asset: LutId
    amount: Share = Field(1.0, description="share of the new colours; 0 changes nothing")
