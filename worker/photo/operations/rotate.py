"""Turn a picture by any angle."""

from __future__ import annotations

import math

from PIL import Image, ImageChops

from darkroom.jobs.sizes import Size
from worker.photo.operations.extend import extended

BORDER = 2
"""Pixels beyond the edge that bicubic interpolation reads."""


def rotated(image: Image.Image, size: Size, angle: float, background: tuple[int, ...]) -> Image.Image:
    """The picture turned clockwise by `angle` degrees around its middle, in the middle of a picture of `size`.

    Colours are interpolated with cubic curves through 4 x 4 pixels. The background is three or four levels. The edge
    between both is smooth: it lies where the edge of the picture lies, and pixels that it crosses get a part of each.
    RGB stays RGB unless the background is not opaque.
    """
    cover = Image.new("L", (image.width + 2, image.height + 2))
    cover.paste(255, (1, 1, image.width + 1, image.height + 1))
    cover = _transformed(cover, size, angle, Image.Resampling.BILINEAR)
    has_alpha = image.mode == "RGBA" or len(background) == 4
    wide = extended(image, (image.width + 2 * BORDER, image.height + 2 * BORDER), (BORDER, BORDER), "copy")
    turned = _transformed(wide, size, angle, Image.Resampling.BICUBIC)
    if not has_alpha:
        return Image.composite(turned, Image.new("RGB", size, background), cover)
    if turned.mode == "RGBA":
        cover = ImageChops.multiply(cover, turned.getchannel("A"))
    turned = turned.convert("RGB")
    turned.putalpha(cover)
    canvas = Image.new("RGBA", size, background)
    return Image.alpha_composite(canvas, turned)


def _transformed(image: Image.Image, size: Size, angle: float, kernel: Image.Resampling) -> Image.Image:
    """The middle of the image becomes the middle of the result. Colours of RGBA are weighted by their alpha."""
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    x, y = size[0] / 2, size[1] / 2
    left, top = image.width / 2 - cos * x - sin * y, image.height / 2 + sin * x - cos * y
    return image.transform(size, Image.Transform.AFFINE, (cos, sin, left, -sin, cos, top), kernel)
