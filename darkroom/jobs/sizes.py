"""The size of a picture after each step: arithmetic without pixels, for the worker and for estimates.

It was checked against sharp (src/common.cc ResolveShrink, src/pipeline.cc): which side decides the scale, what
`without_enlargement` limits, and how sizes are rounded.

All sizes are computed with fractions. In floating point, 200 / (32 / 150) is 937.4999999999999 instead of 937.5, and
the result would lack a pixel.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

from darkroom.errors import PhotoError
from darkroom.jobs.steps.aspect import half_up, ratio
from darkroom.jobs.steps.crop import Crop
from darkroom.jobs.steps.extend import Extend
from darkroom.jobs.steps.resize import Resize

Size = tuple[int, int]
"""Width and height in pixels."""

Pixels = tuple[int, int, int, int]
"""Left, top, right and bottom of a part of a picture, in whole pixels of it."""


@dataclass(frozen=True)
class Sizes:
    """Sizes in pixels: of the whole photo after scaling, and of the result, which is smaller (cover) or padded."""

    scaled: Size
    result: Size


def sizes_of(size: Size, spec: Resize) -> Sizes:
    """The sizes for a photo of `size` (width, height)."""
    width, height = size
    asked = spec.frame
    # How many times smaller each side becomes.
    x_shrink = Fraction(width, asked[0]) if asked[0] else None
    y_shrink = Fraction(height, asked[1]) if asked[1] else None
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
    wanted = asked[0] or scaled[0], asked[1] or scaled[1]
    if spec.fit == "cover":
        return Sizes(scaled, (min(scaled[0], wanted[0]), min(scaled[1], wanted[1])))
    if spec.fit == "contain":
        return Sizes(scaled, (max(scaled[0], wanted[0]), max(scaled[1], wanted[1])))
    return Sizes(scaled, scaled)


def crop_size(size: Size, spec: Crop) -> Size:
    """The size of the part that a crop by `position` keeps of a picture of `size`: not larger than that."""
    asked = _asked(size, spec)
    if spec.aspect is None:
        return min(asked[0] or size[0], size[0]), min(asked[1] or size[1], size[1])
    wanted = _of_aspect(size, asked, ratio(spec.aspect))
    return wanted if _fits(wanted, size) else _of_aspect(size, (None, None), ratio(spec.aspect))


def pixels_of(size: Size, spec: Crop) -> Pixels:
    """The part that a crop from a corner keeps of a picture of `size`. Both ends of shares are rounded, so that parts
    that meet have no gap. A part in shares ends at the border, and with an aspect ratio it is the largest that does
    not reach beyond it. Raises PhotoError if a part in pixels does not lie within the picture."""
    if spec.unit == "share":
        left, top = (half_up(_exact(at) * side) for at, side in zip((spec.left, spec.top), size, strict=True))
        left, top = min(left, size[0] - 1), min(top, size[1] - 1)
    else:
        left, top = int(spec.left or 0), int(spec.top or 0)
    room = size[0] - left, size[1] - top
    asked = _asked(size, spec, (left, top))
    if min(room) < 1:
        wanted = asked[0] or 1, asked[1] or 1
    elif spec.aspect is None:
        wanted = asked[0] or room[0], asked[1] or room[1]
    else:
        wanted = _of_aspect(room, asked, ratio(spec.aspect))
        if spec.unit == "share" and not _fits(wanted, room):
            wanted = _of_aspect(room, (None, None), ratio(spec.aspect))
    right, bottom = left + wanted[0], top + wanted[1]
    if right > size[0] or bottom > size[1]:
        raise PhotoError(
            f"The crop of {wanted[0]} x {wanted[1]} pixels at left {left}, top {top} is not within the picture, which "
            f"has {size[0]} x {size[1]} pixels. Ask for a smaller part, for shares, or for a position."
        )
    return left, top, right, bottom


def rotated_size(size: Size, angle: float) -> Size:
    """The size that a picture needs after a turn by an angle in degrees, so that nothing is cut off."""
    cos, sin = abs(math.cos(math.radians(angle))), abs(math.sin(math.radians(angle)))
    width, height = size[0] * cos + size[1] * sin, size[0] * sin + size[1] * cos
    return max(1, math.floor(width + 0.5)), max(1, math.floor(height + 0.5))


def extended_size(size: Size, spec: Extend) -> Size:
    """The size of a picture with more pixels at its sides."""
    return size[0] + spec.left + spec.right, size[1] + spec.top + spec.bottom


def _asked(size: Size, spec: Crop, corner: Size = (0, 0)) -> tuple[int | None, int | None]:
    """Width and height that a crop asks for, in pixels."""
    sides = spec.width, spec.height
    if spec.unit == "pixels":
        return tuple(None if side is None else int(side) for side in sides)  # type: ignore[return-value]
    found = []
    for asked, start, at, most in zip(sides, (spec.left, spec.top), corner, size, strict=True):
        end = half_up((_exact(start) + _exact(asked)) * most)
        found.append(None if asked is None else max(1, min(end, most) - at))
    return found[0], found[1]


def _of_aspect(room: Size, asked: tuple[int | None, int | None], aspect: Fraction) -> Size:
    """One side is asked for and the other follows, or both are the largest for which there is room."""
    width, height = asked
    if width is None and height is None:
        width, height = (room[0], None) if room[0] <= room[1] * aspect else (None, room[1])
    if height is None:
        assert width is not None
        return width, side_of(width / aspect)
    return side_of(height * aspect), height


def _fits(size: Size, room: Size) -> bool:
    return size[0] <= room[0] and size[1] <= room[1]


def _exact(number: float | None) -> Fraction:
    """The decimal number that the caller wrote; 0 for None."""
    return Fraction(str(number or 0))


def side_of(exact: Fraction) -> int:
    """A side in whole pixels: at least 1."""
    return max(1, half_up(exact))
