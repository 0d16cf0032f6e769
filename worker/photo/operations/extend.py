"""Surround a picture with pixels of its own."""

from __future__ import annotations

from PIL import Image, ImageOps

from darkroom.jobs.sizes import Pixels, Size
from worker.photo.operations.resampling import resample

MIRRORED = ImageOps.mirror, ImageOps.flip
"""For each axis: 0 is x, 1 is y."""


def extended(image: Image.Image, size: Size, corner: Size, extend_with: str) -> Image.Image:
    """The image in a larger one of `size`, with its left and top pixel at `corner`.

    Around it are its outermost pixels (`copy`), the image again and again (`repeat`), or the image and its mirror image
    in turns (`mirror`; the outermost pixels stand twice, as in sharp).
    """
    canvas = Image.new(image.mode, size, None)  # without a colour: all pixels are written
    canvas.paste(image, corner)
    for axis in (0, 1):  # first beside the image, then above and below all of that
        start, side = corner[axis], image.size[axis]
        across = (corner[1], corner[1] + image.height) if axis == 0 else (0, size[0])
        for first, last in ((0, start), (start + side, size[axis])):
            while first < last:
                end = last if extend_with == "copy" else min(last, first + side - (first - start) % side)
                strip = _strip(canvas, axis, (start, side), (first, end), across, extend_with)
                canvas.paste(strip, _box(axis, first, end, across)[:2])
                first = end
    return canvas


def _strip(canvas: Image.Image, axis: int, image: Size, new: Size, across: Size, extend_with: str) -> Image.Image:
    """What belongs from new[0] to new[1] along the axis. It lies within one copy of the image, whose first pixel and
    side are given."""
    start, side = image
    length = new[1] - new[0]
    if extend_with == "copy":
        line = start if new[0] < start else start + side - 1
        edge = canvas.crop(_box(axis, line, line + 1, across))
        box = _box(axis, 0, length, (0, across[1] - across[0]))
        return resample(edge, box[2:], "nearest")
    number, offset = divmod(new[0] - start, side)
    if extend_with == "mirror" and number % 2:
        offset = side - offset - length
        return MIRRORED[axis](canvas.crop(_box(axis, start + offset, start + offset + length, across)))
    return canvas.crop(_box(axis, start + offset, start + offset + length, across))


def _box(axis: int, start: int, end: int, across: Size) -> Pixels:
    """From `start` to `end` along the axis."""
    return (start, across[0], end, across[1]) if axis == 0 else (across[0], start, across[1], end)
