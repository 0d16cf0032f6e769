"""Which part of a photo a resize keeps, and where that part lies in a turned or smaller copy of the photo.

A box is left, top, right, bottom in pixels, as floats. Boxes are computed in the upright photo's own pixels, so that a
result keeps the same part of the photo, whatever copy it is made from.
"""

from __future__ import annotations

from dataclasses import dataclass

from darkroom.jobs.sizes import Size, Sizes
from darkroom.jobs.steps import FocalPoint, Position

Box = tuple[float, float, float, float]

Shares = tuple[float, float]
"""Of the free width and height, 0 to 1: what lies left of a part, and what lies above it."""

GRAVITY: dict[str, Shares] = {
    "northwest": (0.0, 0.0),
    "north": (0.5, 0.0),
    "northeast": (1.0, 0.0),
    "west": (0.0, 0.5),
    "centre": (0.5, 0.5),
    "east": (1.0, 0.5),
    "southwest": (0.0, 1.0),
    "south": (0.5, 1.0),
    "southeast": (1.0, 1.0),
}
"""Position -> the share of the free space that lies left of the picture, and the share above it."""


def kept_part(photo: Size, sizes: Sizes, position: Position, shares: Shares | None = None) -> Box:
    """The part of a photo that `cover` keeps, in the photo's pixels.

    `shares` say where the part lies if the position is a strategy, such as `attention`.
    """
    left, top = _corner(sizes, position, shares)
    x_shrink, y_shrink = photo[0] / sizes.scaled[0], photo[1] / sizes.scaled[1]
    right, bottom = left + sizes.result[0], top + sizes.result[1]
    return left * x_shrink, top * y_shrink, min(right * x_shrink, photo[0]), min(bottom * y_shrink, photo[1])


def pad_corner(sizes: Sizes, position: Position) -> Size:
    """Where `contain` puts the scaled photo on its background: the left and top pixel."""
    free = sizes.result[0] - sizes.scaled[0], sizes.result[1] - sizes.scaled[1]
    # entropy and attention choose what to cut, but contain cuts nothing: it centres the photo.
    shares = _shares(position) or GRAVITY["centre"]
    return int(shares[0] * free[0]), int(shares[1] * free[1])


def _shares(position: Position) -> Shares | None:
    return (position.x, position.y) if isinstance(position, FocalPoint) else GRAVITY.get(position)


def _corner(sizes: Sizes, position: Position, shares: Shares | None) -> Size:
    """The left and top pixel of the kept part in the scaled photo."""
    free = sizes.scaled[0] - sizes.result[0], sizes.scaled[1] - sizes.result[1]
    if isinstance(position, FocalPoint):
        point = position.x * sizes.scaled[0], position.y * sizes.scaled[1]
        return _clamped(point[0] - sizes.result[0] / 2, free[0]), _clamped(point[1] - sizes.result[1] / 2, free[1])
    if shares is not None:
        return _clamped(shares[0] * free[0], free[0]), _clamped(shares[1] * free[1], free[1])
    gravity = GRAVITY[position]
    return _rounded_share(gravity[0], free[0]), _rounded_share(gravity[1], free[1])


def _clamped(offset: float, free: int) -> int:
    return max(0, min(free, round(offset)))


def _rounded_share(share: float, free: int) -> int:
    """With an odd number of free pixels, the extra one is cut at the left or top, as in sharp."""
    return (free + 1) // 2 if share == 0.5 else int(share * free)


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

    def box(self, part: Box) -> Box:
        """Where a part of the upright photo lies in this picture."""
        left, top, right, bottom = part
        first, second = self._as_stored(left, top), self._as_stored(right, bottom)
        stored = swapped(self.photo, self.orientation)
        x_ratio, y_ratio = self.extent[0] / stored[0], self.extent[1] / stored[1]
        return (
            min(first[0], second[0]) * x_ratio,
            min(first[1], second[1]) * y_ratio,
            min(max(first[0], second[0]) * x_ratio, self.extent[0]),  # the product may be larger by a rounding error
            min(max(first[1], second[1]) * y_ratio, self.extent[1]),
        )

    def turned(self) -> Placement:
        """How the picture shows the photo once it is upright."""
        width, height = self.extent
        return Placement(self.photo, 1, (height, width) if self.orientation >= 5 else (width, height))

    def whole(self) -> Box:
        """The box that the whole photo has in this picture."""
        return 0.0, 0.0, *self.extent

    def _as_stored(self, x: float, y: float) -> tuple[float, float]:
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
