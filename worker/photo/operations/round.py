"""Round corners, and circles."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageChops

from darkroom.jobs.steps.round import Round

ROWS = 256
"""Rows of a corner that are computed at a time: this bounds the memory."""


def rounded(image: Image.Image, spec: Round) -> Image.Image:
    """The image in RGBA; what lies outside of the shape is transparent.

    A pixel that the edge crosses gets the share of its area that lies inside, from the distance of its middle to the
    edge: at most 0.1 levels of 1 off for a radius of 1 pixel or more, and less for larger ones.
    """
    if spec.circle:
        shape = _disc(image.size)
    else:
        radius = float(spec.radius or 0) * (min(image.size) if spec.unit == "share" else 1)
        radius = min(radius, min(image.size) / 2)
        if radius == 0:
            return image.copy()
        shape = Image.new("L", image.size, 255)
        _cut_corners(shape, radius)
    result = image.convert("RGBA")
    result.putalpha(ImageChops.multiply(result.getchannel("A"), shape))
    return result


def _disc(size: tuple[int, int]) -> Image.Image:
    """The largest circle in the middle: a square with round corners, on a transparent picture."""
    side = min(size)
    square = Image.new("L", (side, side), 255)
    _cut_corners(square, side / 2)
    shape = Image.new("L", size)
    shape.paste(square, ((size[0] - side) // 2, (size[1] - side) // 2))
    return shape


def _cut_corners(shape: Image.Image, radius: float) -> None:
    """Make the four corners of an opaque shape round."""
    side = min(int(np.ceil(radius)), -(-shape.width // 2), -(-shape.height // 2))
    across = (radius - (np.arange(side) + 0.5)) ** 2
    for top in range(0, side, ROWS):
        rows = np.arange(top, min(top + ROWS, side))
        distance = np.sqrt((radius - (rows + 0.5))[:, None] ** 2 + across)
        inside = np.clip(radius + 0.5 - distance, 0, 1)
        corner = Image.fromarray(np.floor(255 * inside + 0.5).astype(np.uint8))
        mirrored = corner.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        upside_down = corner.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
        bottom = shape.height - top - len(rows)
        for part, left, at in (
            (corner, 0, top),
            (mirrored, shape.width - side, top),
            (upside_down, 0, bottom),
            (upside_down.transpose(Image.Transpose.FLIP_LEFT_RIGHT), shape.width - side, bottom),
        ):
            shape.paste(part, (left, at))
