"""Turn a picture by any angle."""

from __future__ import annotations

import math

from PIL import Image, ImageChops, ImageFilter

from darkroom.jobs.sizes import Size
from worker.photo.operations.extend import extended

BORDER = 2
"""Pixels beyond the edge that bicubic interpolation reads."""


def rotated(image: Image.Image, size: Size, angle: float, background: tuple[int, ...]) -> Image.Image:
    """The picture turned clockwise by `angle` degrees around its middle, in the middle of a picture of `size`.

    Colours are interpolated with cubic curves through 4 x 4 pixels; near transparent pixels with straight lines through
    2 x 2, because curves would make edges lighter or darker than what they belong to. The background is three or four
    levels. The edge between both is smooth: it lies where the edge of the picture lies, and pixels that it crosses get
    a part of each. RGB stays RGB unless the background is not opaque.
    """
    cover = Image.new("L", (image.width + 2, image.height + 2))
    cover.paste(255, (1, 1, image.width + 1, image.height + 1))
    cover = _transformed(cover, size, angle, Image.Resampling.BILINEAR)
    wide = extended(image, (image.width + 2 * BORDER, image.height + 2 * BORDER), (BORDER, BORDER), "copy")
    turned = _transformed(wide, size, angle, Image.Resampling.BICUBIC)
    if image.mode == "RGB" and len(background) == 3:
        return Image.composite(turned, Image.new("RGB", size, background), cover)
    if image.mode == "RGBA":
        straight = _transformed(wide, size, angle, Image.Resampling.BILINEAR)
        turned = Image.composite(turned, straight, _transformed(_opaque(wide), size, angle, Image.Resampling.NEAREST))
        cover = ImageChops.multiply(cover, turned.getchannel("A"))
    turned = turned.convert("RGB")
    turned.putalpha(cover)
    return Image.alpha_composite(Image.new("RGBA", size, background), turned)


def _opaque(image: Image.Image) -> Image.Image:
    """255 where all pixels within a distance of 2 are opaque."""
    least = image.getchannel("A").filter(ImageFilter.MinFilter(3)).filter(ImageFilter.MinFilter(3))
    return least.point([0] * 255 + [255])


def _transformed(image: Image.Image, size: Size, angle: float, kernel: Image.Resampling) -> Image.Image:
    """The middle of the image becomes the middle of the result. Colours of RGBA are weighted by their alpha."""
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    x, y = size[0] / 2, size[1] / 2
    left, top = image.width / 2 - cos * x - sin * y, image.height / 2 + sin * x - cos * y
    return image.transform(size, Image.Transform.AFFINE, (cos, sin, left, -sin, cos, top), kernel)
