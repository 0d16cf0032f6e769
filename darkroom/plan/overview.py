"""The size of the overview: the small copy of a photo that `entropy`, `attention` and dominant colours look at."""

from __future__ import annotations

from fractions import Fraction

from darkroom.jobs.sizes import Size, side_of

OVERVIEW_SIDE = 128
"""Longest side of an overview in pixels: enough to distinguish a face from the sky, and fast in plain Python."""

MARGIN = 2
"""A picture is large enough for an overview if its longest side is this many times as long."""


def overview_size(photo: Size) -> Size:
    """The size of the overview of a photo of this size. Small photos stay as they are."""
    scale = min(Fraction(1), Fraction(OVERVIEW_SIDE, max(photo)))
    return side_of(photo[0] * scale), side_of(photo[1] * scale)


def overview_scale(photo: Size) -> int:
    """The most by which the sides of a JPEG may be divided while it is decoded, so that it can have an overview."""
    return next(
        (scale for scale in (8, 4, 2) if max(photo) >= scale * MARGIN * OVERVIEW_SIDE and min(photo) >= scale), 1
    )
