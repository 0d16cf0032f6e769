"""Which part of a photo a resize keeps, and where that part lies in a turned or smaller copy of the photo.

A part is left, top, right, bottom in the upright photo's own pixels, so that a result keeps the same part of the photo,
whatever copy it is made from. It is computed with fractions, so that no rounding error moves it by a pixel. A box is
the same in pixels of the copy, as floats.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from darkroom.jobs.sizes import Size, Sizes, half_up
from darkroom.jobs.steps.gravity import FocalPoint, Position

Part = tuple[Fraction, Fraction, Fraction, Fraction]

Box = tuple[float, float, float, float]

Shares = tuple[Fraction, Fraction]
"""Of the free width and height, 0 to 1: what lies left of a part, and what lies above it."""

_NONE, _HALF, _ALL = Fraction(0), Fraction(1, 2), Fraction(1)

GRAVITY: dict[str, Shares] = {
    "northwest": (_NONE, _NONE),
    "north": (_HALF, _NONE),
    "northeast": (_ALL, _NONE),
    "west": (_NONE, _HALF),
    "centre": (_HALF, _HALF),
    "east": (_ALL, _HALF),
    "southwest": (_NONE, _ALL),
    "south": (_HALF, _ALL),
    "southeast": (_ALL, _ALL),
}
"""Position -> the share of the free space that lies left of the picture, and the share above it."""


def kept_part(photo: Size, sizes: Sizes, position: Position, shares: Shares | None = None) -> Part:
    """The part of a photo that `cover` keeps, in the photo's pixels.

    `shares` say where the part lies if the position is a strategy, such as `attention`.
    """
    left, top = _corner(sizes, position, shares)
    x_shrink, y_shrink = Fraction(photo[0], sizes.scaled[0]), Fraction(photo[1], sizes.scaled[1])
    return left * x_shrink, top * y_shrink, (left + sizes.result[0]) * x_shrink, (top + sizes.result[1]) * y_shrink


def pad_corner(sizes: Sizes, position: Position) -> Size:
    """Where `contain` puts the scaled photo on its background: the left and top pixel.

    With an odd number of free pixels, the extra one lies at the right or bottom, as in sharp.
    """
    free = sizes.result[0] - sizes.scaled[0], sizes.result[1] - sizes.scaled[1]
    # entropy and attention choose what to cut, but contain cuts nothing: it centres the photo.
    shares = _exact(position) if isinstance(position, FocalPoint) else GRAVITY.get(position, GRAVITY["centre"])
    return int(shares[0] * free[0]), int(shares[1] * free[1])


def _exact(point: FocalPoint) -> Shares:
    """The decimal numbers that the caller wrote: 0.29 is 29/100, and not the nearest binary number below it."""
    return Fraction(str(point.x)), Fraction(str(point.y))


def _corner(sizes: Sizes, position: Position, shares: Shares | None) -> Size:
    """The left and top pixel of the kept part in the scaled photo.

    With an odd number of free pixels, `centre` cuts the extra one at the left or top, as in sharp.
    """
    free = sizes.scaled[0] - sizes.result[0], sizes.scaled[1] - sizes.result[1]
    if isinstance(position, FocalPoint):
        x, y = _exact(position)
        left, top = x * sizes.scaled[0] - sizes.result[0] * _HALF, y * sizes.scaled[1] - sizes.result[1] * _HALF
        return max(0, min(free[0], half_up(left))), max(0, min(free[1], half_up(top)))
    shares = shares or GRAVITY[position]
    return half_up(shares[0] * free[0]), half_up(shares[1] * free[1])


def swapped(size: Size, orientation: int) -> Size:
    """The size that a picture has after the turn that its EXIF orientation (1 to 8) asks for, and also before it."""
    return (size[1], size[0]) if orientation >= 5 else size


@dataclass(frozen=True)
class Placement:
    """How a picture shows the whole upright photo.

    `photo` is the size of the upright photo, in which boxes are computed. `orientation` is the EXIF number 1 to 8 of
    the turn that the picture still needs. `extent` is the width and height of the photo in the picture's pixels. It
    may have a fraction: a JPEG of 4033 pixels, decoded at half its size, has 2017 columns, and the photo ends in the
    middle of the last one.
    """

    photo: Size
    orientation: int
    extent: tuple[float, float]

    def box(self, part: Part) -> Box:
        """Where a part of the upright photo lies in this picture."""
        left, top, right, bottom = part
        first, second = self._as_stored(left, top), self._as_stored(right, bottom)
        stored = swapped(self.photo, self.orientation)
        x_ratio, y_ratio = Fraction(self.extent[0]) / stored[0], Fraction(self.extent[1]) / stored[1]
        return (
            float(min(first[0], second[0]) * x_ratio),
            float(min(first[1], second[1]) * y_ratio),
            float(max(first[0], second[0]) * x_ratio),
            float(max(first[1], second[1]) * y_ratio),
        )

    def turned(self) -> Placement:
        """How the picture shows the photo once it is upright."""
        width, height = self.extent
        return Placement(self.photo, 1, (height, width) if self.orientation >= 5 else (width, height))

    def whole(self) -> Box:
        """The box that the whole photo has in this picture."""
        return 0.0, 0.0, *self.extent

    def _as_stored(self, x: Fraction, y: Fraction) -> tuple[Fraction, Fraction]:
        """A point of the upright photo in the photo as stored (EXIF 2.32, tag 0x0112)."""
        width, height = self.photo
        return {
            1: (x, y),
            2: (width - x, y),
            3: (width - x, height - y),
            4: (x, height - y),
            5: (y, x),
            6: (y, width - x),
            7: (height - y, width - x),
            8: (height - y, x),
        }[self.orientation]
