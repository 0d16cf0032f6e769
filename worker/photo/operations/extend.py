"""Surround a picture with pixels of its own."""

from __future__ import annotations

import math

from PIL import Image, ImageOps

from darkroom.jobs.sizes import Pixels, Size
from worker.photo.operations.resampling import resample

MIRRORED = ImageOps.mirror, ImageOps.flip
"""For each axis."""


def extended(image: Image.Image, size: Size, corner: Size, extend_with: str) -> Image.Image:
    """The image in a larger one of `size`, with its left and top pixel at `corner`.

    Around it are its outermost pixels (`copy`), the image again and again (`repeat`), or the image and its mirror image
    in turns (`mirror`; the outermost pixels stand twice, as in sharp).
    """
    for axis in (0, 1):
        if image.size[axis] != size[axis]:
            image = _along(image, axis, size[axis], corner[axis], extend_with)
    return image


def _along(image: Image.Image, axis: int, length: int, start: int, extend_with: str) -> Image.Image:
    """Longer along one axis: 0 is x, 1 is y. The image begins at the pixel `start`."""
    side = image.size[axis]
    canvas = Image.new(image.mode, _sized(image, axis, length), None)  # without a colour: all pixels are written
    canvas.paste(image, _at(axis, start))
    if extend_with == "copy":
        for line, first, last in ((0, 0, start), (side - 1, start + side, length)):
            if last > first:
                edge = image.crop(_lines(image, axis, line))
                canvas.paste(resample(edge, _sized(image, axis, last - first), "nearest"), _at(axis, first))
        return canvas
    copies = image, MIRRORED[axis](image) if extend_with == "mirror" else image
    for number in range(-math.ceil(start / side), math.ceil((length - start) / side)):
        if number:
            canvas.paste(copies[number % 2], _at(axis, start + number * side))
    return canvas


def _sized(image: Image.Image, axis: int, length: int) -> Size:
    return (length, image.height) if axis == 0 else (image.width, length)


def _at(axis: int, start: int) -> Size:
    return (start, 0) if axis == 0 else (0, start)


def _lines(image: Image.Image, axis: int, line: int) -> Pixels:
    """The part that is a single column or row."""
    return (line, 0, line + 1, image.height) if axis == 0 else (0, line, image.width, line + 1)
