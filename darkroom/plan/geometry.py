"""Where one picture shows another: in which box, turned how, and at what size.

Everything that moves whole pixels (crop, flip, flop, quarter turns, the part that `cover` keeps) and one change of size
come to a single `Placement`. Placements are put together with fractions, so that no rounding error moves a result by a
pixel, whatever copy of the photo it is made from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from darkroom.jobs.sizes import Size, Sizes
from darkroom.jobs.steps.aspect import half_up
from darkroom.jobs.steps.gravity import FocalPoint, Position

Exact = int | Fraction

Part = tuple[Exact, Exact, Exact, Exact]
"""Left, top, right, bottom in pixels of a picture, exactly."""

Box = tuple[float, float, float, float]
"""The same as floats."""

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


def kept_part(sizes: Sizes, position: Position, shares: Shares | None = None) -> tuple[int, int, int, int]:
    """The part of the scaled picture that `cover` keeps, in its pixels.

    With an odd number of free pixels, `centre` cuts the extra one at the left or top, as in sharp. `shares` say where
    the part lies if the position is a strategy, such as `attention`.
    """
    width, height = sizes.result
    free = sizes.scaled[0] - width, sizes.scaled[1] - height
    if isinstance(position, FocalPoint):
        x, y = _exact(position)
        middle = half_up(x * sizes.scaled[0] - width * _HALF), half_up(y * sizes.scaled[1] - height * _HALF)
        left, top = (max(0, min(most, at)) for most, at in zip(free, middle, strict=True))
    else:
        shares = shares or GRAVITY[position]
        left, top = half_up(shares[0] * free[0]), half_up(shares[1] * free[1])
    return left, top, left + width, top + height


def pad_corner(sizes: Sizes, position: Position) -> Size:
    """Where `contain` puts the scaled photo on its background: the left and top pixel.

    With an odd number of free pixels, the extra one lies at the right or bottom, as in sharp.
    """
    free = sizes.result[0] - sizes.scaled[0], sizes.result[1] - sizes.scaled[1]
    # Strategies such as attention choose what to cut, but contain cuts nothing: it centres the photo.
    shares = _exact(position) if isinstance(position, FocalPoint) else GRAVITY.get(position, GRAVITY["centre"])
    return int(shares[0] * free[0]), int(shares[1] * free[1])


def _exact(point: FocalPoint) -> Shares:
    """The decimal numbers that the caller wrote: 0.29 is 29/100, and not the nearest binary number below it."""
    return Fraction(str(point.x)), Fraction(str(point.y))


# --- turns ------------------------------------------------------------------------------------------------------------

_TURNS: Mapping[int, tuple[int, int, int, int]] = {
    1: (1, 0, 0, 1),
    2: (-1, 0, 0, 1),
    3: (-1, 0, 0, -1),
    4: (1, 0, 0, -1),
    5: (0, 1, 1, 0),
    6: (0, -1, 1, 0),
    7: (0, -1, -1, 0),
    8: (0, 1, -1, 0),
}
"""EXIF orientation (EXIF 2.32, tag 0x0112) -> the matrix of the turn that makes the picture upright: its columns, and
then rows, of x and y from the middle, y downwards."""

FLIP, FLOP = 4, 2
"""The orientations whose turns swap top and bottom, and left and right."""

QUARTER_TURNS: Mapping[int, int] = {0: 1, 90: 6, 180: 3, 270: 8}
"""Degrees clockwise -> orientation."""


def composed(first: int, second: int) -> int:
    """The orientation whose turn does what the turns of two orientations do, one after the other."""
    a, b, c, d = _TURNS[second]
    e, f, g, h = _TURNS[first]
    product = a * e + b * g, a * f + b * h, c * e + d * g, c * f + d * h
    return next(orientation for orientation, turn in _TURNS.items() if turn == product)


def inverse(orientation: int) -> int:
    """The orientation whose turn undoes that of another one."""
    return {6: 8, 8: 6}.get(orientation, orientation)


def swapped(size: Size, orientation: int) -> Size:
    """The size that a picture has after the turn that its EXIF orientation (1 to 8) asks for, and also before it."""
    return (size[1], size[0]) if orientation >= 5 else size


def before_turn(part: Part, turned: Size, orientation: int) -> Part:
    """Where a part of a turned picture, which has the size `turned`, lies in the picture before that turn."""
    width, height = turned

    def point(x: Exact, y: Exact) -> tuple[Exact, Exact]:
        return {
            1: (x, y),
            2: (width - x, y),
            3: (width - x, height - y),
            4: (x, height - y),
            5: (y, x),
            6: (y, width - x),
            7: (height - y, width - x),
            8: (height - y, x),
        }[orientation]

    (x0, y0), (x1, y1) = point(part[0], part[1]), point(part[2], part[3])
    return min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)


# --- placements -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Placement:
    """How a picture shows another one, which has the size `shown`.

    `box` is the part of the picture that shows it. `orientation` is the EXIF number 1 to 8 of the turn that the part
    still needs. The sides of the box may have other lengths than those of `shown`: then the size changes. They may have
    fractions, too: a JPEG of 4033 pixels, decoded at half its size, has 2017 columns, and the photo ends in the middle
    of the last one.
    """

    shown: Size
    orientation: int
    box: Part

    @classmethod
    def whole(cls, size: Size) -> Placement:
        """A picture of this size as it is."""
        return cls(size, 1, (0, 0, *size))

    @classmethod
    def stored(cls, photo: Size, orientation: int, scale: int = 1) -> Placement:
        """How a decoded photo shows the upright one, which has the size `photo`. Each side is divided by `scale`."""
        width, height = swapped(photo, orientation)
        return cls(photo, orientation, (0, 0, Fraction(width, scale), Fraction(height, scale)))

    @property
    def extent(self) -> tuple[Exact, Exact]:
        """Width and height of the box, turned as `shown` is."""
        width, height = self.box[2] - self.box[0], self.box[3] - self.box[1]
        return (height, width) if self.orientation >= 5 else (width, height)

    @property
    def scales(self) -> bool:
        """Whether the size changes."""
        return self.extent != self.shown

    @property
    def enlarges(self) -> bool:
        return any(after > before for after, before in zip(self.shown, self.extent, strict=True))

    def shows_all_of(self, size: Size) -> bool:
        """Whether nothing of a picture of this size is cut off."""
        return self.box == (0, 0, *size)

    def part(self, part: Part) -> Part:
        """Where a part of the shown picture lies in this picture."""
        left, top, right, bottom = before_turn(part, self.shown, self.orientation)
        width, height = swapped(self.shown, self.orientation)
        x_ratio = Fraction(self.box[2] - self.box[0]) / width
        y_ratio = Fraction(self.box[3] - self.box[1]) / height
        x, y = self.box[:2]
        return x + left * x_ratio, y + top * y_ratio, x + right * x_ratio, y + bottom * y_ratio

    def showing(self, view: Placement) -> Placement:
        """How this picture shows what the shown picture shows."""
        return Placement(view.shown, composed(self.orientation, view.orientation), self.part(view.box))

    def cropped(self, part: tuple[int, int, int, int]) -> Placement:
        """The view of this part of the shown picture, in whole pixels of it."""
        left, top, right, bottom = part
        return self.showing(Placement((right - left, bottom - top), 1, part))

    def turned(self, orientation: int) -> Placement:
        """The view of the shown picture after the turn of this orientation."""
        return self.showing(Placement(swapped(self.shown, orientation), orientation, (0, 0, *self.shown)))

    def scaled(self, size: Size) -> Placement:
        """The view of the shown picture at another size."""
        return Placement(size, self.orientation, self.box)
