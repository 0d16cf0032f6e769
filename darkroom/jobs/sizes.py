"""The size of a picture after a resize: arithmetic without pixels, for the worker and for estimates.

It was checked against sharp (src/common.cc ResolveShrink, src/pipeline.cc): which side decides the scale, what
`without_enlargement` limits, and how sizes are rounded.

All sizes are computed with fractions. In floating point, 200 / (32 / 150) is 937.4999999999999 instead of 937.5, and
the result would lack a pixel.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

from darkroom.jobs.steps.resize import Resize

Size = tuple[int, int]
"""Width and height in pixels."""


@dataclass(frozen=True)
class Sizes:
    """Sizes in pixels: of the whole photo after scaling, and of the result, which is smaller (cover) or padded."""

    scaled: Size
    result: Size


def sizes_of(size: Size, spec: Resize) -> Sizes:
    """The sizes for a photo of `size` (width, height)."""
    width, height = size
    # How many times smaller each side becomes.
    x_shrink = Fraction(width, spec.width) if spec.width else None
    y_shrink = Fraction(height, spec.height) if spec.height else None
    unchanged = Fraction(1)
    if spec.fit == "fill":
        x_shrink, y_shrink = x_shrink or unchanged, y_shrink or unchanged  # a side that is not given stays as it is
    elif x_shrink and y_shrink:
        x_shrink = y_shrink = min(x_shrink, y_shrink) if spec.fit in {"cover", "outside"} else max(x_shrink, y_shrink)
    else:
        x_shrink = y_shrink = x_shrink or y_shrink or unchanged
    if spec.without_enlargement:
        x_shrink, y_shrink = max(unchanged, x_shrink), max(unchanged, y_shrink)
    scaled = side_of(width / x_shrink), side_of(height / y_shrink)
    wanted = spec.width or scaled[0], spec.height or scaled[1]
    if spec.fit == "cover":
        return Sizes(scaled, (min(scaled[0], wanted[0]), min(scaled[1], wanted[1])))
    if spec.fit == "contain":
        return Sizes(scaled, (max(scaled[0], wanted[0]), max(scaled[1], wanted[1])))
    return Sizes(scaled, scaled)


def side_of(exact: Fraction) -> int:
    """A side in whole pixels: at least 1."""
    return max(1, half_up(exact))


def half_up(exact: Fraction) -> int:
    """The nearest whole number; a half becomes the next higher one, as in libvips."""
    return math.floor(exact + Fraction(1, 2))
