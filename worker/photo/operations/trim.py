"""Find what a trim keeps: the picture without borders of one colour, as `trim` of sharp does (libvips' find_trim)."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageChops, ImageFilter

from darkroom.jobs.sizes import Pixels
from darkroom.jobs.steps.trim import Trim

ROWS = 256
"""Rows that are looked at together: this bounds the memory."""

SMALLEST = 3
"""A picture with both sides below this stays as it is, as in sharp, which refuses it."""


def trim_part(image: Image.Image, spec: Trim, background: tuple[int, ...] | None) -> Pixels:
    """The part of an RGB or RGBA image that a trim keeps. All of it, if everything is background.

    `background` is three or four levels; None: the top left pixel. In RGBA, transparent pixels are laid on its colour
    before they are compared, and alpha is compared with its alpha. What differs in either way is kept.
    """
    whole = (0, 0, *image.size)
    if max(image.size) < SMALLEST:
        return whole
    if background is None:
        pixel = image.getpixel((0, 0))
        assert isinstance(pixel, tuple)
        background = tuple(int(level) for level in pixel)
    found: Pixels | None = None
    for top, bottom in _from_outside(image.height):
        for left, right in _columns_to_look_at(image.width, top, bottom, found):
            part = _differing(image, (left, top, right, bottom), spec, background)
            if part:
                found = _around(found, part) if found else part
    if found is None:
        return whole
    left, top, right, bottom = found
    margin = spec.margin
    return (
        max(0, left - margin),
        max(0, top - margin),
        min(image.width, right + margin),
        min(image.height, bottom + margin),
    )


def _from_outside(height: int) -> list[tuple[int, int]]:
    """Groups of rows, from the top and from the bottom in turns: what lies between rows that differ is kept anyway."""
    groups = [(top, min(top + ROWS, height)) for top in range(0, height, ROWS)]
    return [groups[at // 2] if at % 2 == 0 else groups[-1 - at // 2] for at in range(len(groups))]


def _columns_to_look_at(width: int, top: int, bottom: int, found: Pixels | None) -> list[tuple[int, int]]:
    """All columns, or only those on both sides of what is kept already."""
    if found is None or top < found[1] or bottom > found[3]:
        return [(0, width)]
    return [(start, end) for start, end in ((0, found[0]), (found[2], width)) if end > start]


def _differing(image: Image.Image, part: Pixels, spec: Trim, background: tuple[int, ...]) -> Pixels | None:
    """What differs within this part. It is looked at with a pixel more on each side, which the median needs."""
    left, top = max(0, part[0] - 1), max(0, part[1] - 1)
    right, bottom = min(image.width, part[2] + 1), min(image.height, part[3] + 1)
    looked_at = image.crop((left, top, right, bottom))
    levels = [*background[:3]]
    bands = list((_laid_on(looked_at, background[:3]) if image.mode == "RGBA" else looked_at).split())
    if image.mode == "RGBA":
        bands.append(looked_at.getchannel("A"))
        levels.append(background[3] if len(background) == 4 else 255)
    differs: Image.Image | None = None
    for band, level in zip(bands, levels, strict=True):
        smooth = band if spec.line_art else band.filter(ImageFilter.MedianFilter(3))
        one = smooth.point([255 * (abs(value - level) > spec.threshold) for value in range(256)])
        differs = ImageChops.lighter(differs, one) if differs else one
    assert differs is not None
    box = differs.crop((part[0] - left, part[1] - top, part[2] - left, part[3] - top)).getbbox()
    return (box[0] + part[0], box[1] + part[1], box[2] + part[0], box[3] + part[1]) if box else None


def _laid_on(image: Image.Image, colour: tuple[int, ...]) -> Image.Image:
    """On a plain colour, rounded down as in libvips."""
    pixels = np.asarray(image).astype(np.uint16)
    alpha = pixels[..., 3:]
    mixed = (pixels[..., :3] * alpha + np.array(colour, np.uint16) * (255 - alpha)) // 255
    return Image.fromarray(mixed.astype(np.uint8))


def _around(one: Pixels, other: Pixels) -> Pixels:
    return min(one[0], other[0]), min(one[1], other[1]), max(one[2], other[2]), max(one[3], other[3])
