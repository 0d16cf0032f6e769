"""Find what a trim keeps: the picture without borders of one colour, as `trim` of sharp does (libvips' find_trim)."""

from __future__ import annotations

from PIL import Image, ImageChops, ImageFilter

from darkroom.jobs.sizes import Pixels
from darkroom.jobs.steps.trim import Trim

ROWS = 512
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
    for top in range(0, image.height, ROWS):
        bottom = min(top + ROWS, image.height)
        part = _part_of_rows(image, top, bottom, spec, background)
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


def _part_of_rows(image: Image.Image, top: int, bottom: int, spec: Trim, background: tuple[int, ...]) -> Pixels | None:
    """What differs within these rows. They are looked at with a row more on each side, which the median needs."""
    first, last = max(0, top - 1), min(image.height, bottom + 1)
    rows = image.crop((0, first, image.width, last))
    levels = [*background[:3]]
    bands = list((_laid_on(rows, background[:3]) if rows.mode == "RGBA" else rows).split())
    if rows.mode == "RGBA":
        bands.append(rows.getchannel("A"))
        levels.append(background[3] if len(background) == 4 else 255)
    differs: Image.Image | None = None
    for band, level in zip(bands, levels, strict=True):
        smooth = band if spec.line_art else band.filter(ImageFilter.MedianFilter(3))
        one = smooth.point([255 * (abs(value - level) > spec.threshold) for value in range(256)])
        differs = ImageChops.lighter(differs, one) if differs else one
    assert differs is not None
    box = differs.crop((0, top - first, image.width, bottom - first)).getbbox()
    return (box[0], box[1] + top, box[2], box[3] + top) if box else None


def _laid_on(image: Image.Image, colour: tuple[int, ...]) -> Image.Image:
    canvas = Image.new("RGB", image.size, colour)
    canvas.paste(image, mask=image.getchannel("A"))
    return canvas


def _around(one: Pixels, other: Pixels) -> Pixels:
    return min(one[0], other[0]), min(one[1], other[1]), max(one[2], other[2]), max(one[3], other[3])
