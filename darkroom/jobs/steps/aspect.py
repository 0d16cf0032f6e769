"""Aspect ratios as callers write them, and how exact sides become whole pixels."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Annotated

from pydantic import Field

ASPECT = r"^[1-9][0-9]{0,4}(\.[0-9]{1,3})?:[1-9][0-9]{0,4}(\.[0-9]{1,3})?$"

Aspect = Annotated[str, Field(max_length=32, pattern=ASPECT, examples=["16:9"])]
"""`16:9` or `1.85:1`: width and height of a frame of any size."""


def ratio(aspect: str) -> Fraction:
    """Width divided by height."""
    width, height = aspect.split(":")
    return Fraction(width) / Fraction(height)


def half_up(exact: Fraction) -> int:
    """The nearest whole number; a half becomes the next higher one, as in libvips."""
    return math.floor(exact + Fraction(1, 2))
