"""Surround a picture with pixels of its own."""

from __future__ import annotations

from PIL import Image, ImageOps

from darkroom.jobs.sizes import Size
from worker.photo.operations.resampling import resample


def extended(image: Image.Image, size: Size, corner: Size, extend_with: str) -> Image.Image:
    """The image in a larger one of `size`, with its left and top pixel at `corner`.

    Around it are its outermost pixels (`copy`), the image again and again (`repeat`), or the image and its mirror image
    in turns (`mirror`; the outermost pixels stand twice, as in sharp).
    """
    row = _along_x(image, size[0], corner[0], extend_with)
    if row.height == size[1]:
        return row
    turned = _along_x(row.transpose(Image.Transpose.TRANSPOSE), size[1], corner[1], extend_with)
    return turned.transpose(Image.Transpose.TRANSPOSE)


def _along_x(image: Image.Image, width: int, left: int, extend_with: str) -> Image.Image:
    canvas = Image.new(image.mode, (width, image.height), None)  # without a colour: all pixels are written
    canvas.paste(image, (left, 0))
    right = left + image.width
    if extend_with == "copy":
        for column, start, end in ((0, 0, left), (image.width - 1, right, width)):
            if end > start:
                edge = image.crop((column, 0, column + 1, image.height))
                canvas.paste(resample(edge, (end - start, image.height), "nearest"), (start, 0))
        return canvas
    copies = image, ImageOps.mirror(image) if extend_with == "mirror" else image
    first = -(-left // image.width)
    for number in range(-first, -(-(width - left) // image.width)):
        if number:
            canvas.paste(copies[number % 2], (left + number * image.width, 0))
    return canvas
