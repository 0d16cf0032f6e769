"""Turn a picture by any angle."""

from __future__ import annotations

import math

from PIL import Image, ImageChops, ImageFilter

from darkroom.jobs.sizes import Size
from worker.photo.operations.extend import extended

LARGE = 4_000_000
"""Pixels of a result above which colours are interpolated with straight lines, as in sharp, and not with curves. For 12
megapixels this takes 0.4 s in place of 1.1. Lines blur a little, which shows in small pictures only."""

BORDER = 2
"""Pixels beyond the edge that bicubic interpolation reads."""

CLEAR = (0, 0, 0, 0)


def rotated(image: Image.Image, size: Size, angle: float, background: tuple[int, ...]) -> Image.Image:
    """The picture turned clockwise by `angle` degrees around its middle, in the middle of a picture of `size`.

    The background is three or four levels. The edge between both is smooth: it lies where the edge of the picture lies,
    and pixels that it crosses get a part of each. Transparent parts of the picture stay transparent, as in sharp. RGB
    stays RGB unless the background is not opaque.
    """
    turned = _by_lines if size[0] * size[1] > LARGE else _by_curves
    if image.mode == "RGB" and len(background) == 3:
        return turned(image, size, angle, background)
    found = turned(image.convert("RGBA"), size, angle, CLEAR)
    return found if background[3:] == (0,) else _with_corners(found, image.size, angle, background)


def _with_corners(turned: Image.Image, size: Size, angle: float, background: tuple[int, ...]) -> Image.Image:
    """The turned picture, which had this size, with the background around it."""
    cover = _by_lines(Image.new("L", size, 255), turned.size, angle, (0,))
    corners = Image.new("RGBA", turned.size, background)
    corners.putalpha(ImageChops.multiply(corners.getchannel("A"), ImageChops.invert(cover)))
    result = ImageChops.add(turned.convert("RGBa"), corners.convert("RGBa")).convert("RGBA")
    result.paste(turned, mask=cover.point([0] * 255 + [255]))  # only pixels at the edge are rounded twice
    result.paste(background, mask=cover.point([255] + [0] * 255))
    return result


def _by_lines(image: Image.Image, size: Size, angle: float, background: tuple[int, ...]) -> Image.Image:
    """With straight lines through 2 x 2 pixels: those at the edge are pixels of the background."""
    wide = Image.new(image.mode, (image.width + 2, image.height + 2), background)
    wide.paste(image, (1, 1))
    return _transformed(wide, size, angle, Image.Resampling.BILINEAR, background if image.mode == "RGB" else None)


def _by_curves(image: Image.Image, size: Size, angle: float, background: tuple[int, ...]) -> Image.Image:
    """With cubic curves through 4 x 4 pixels; near transparent pixels with straight lines, because curves would make
    edges lighter or darker than what they belong to."""
    cover = Image.new("L", image.size, 255)
    cover = _by_lines(cover, size, angle, (0,))
    wide = extended(image, (image.width + 2 * BORDER, image.height + 2 * BORDER), (BORDER, BORDER), "copy")
    turned = _transformed(wide, size, angle, Image.Resampling.BICUBIC)
    if image.mode == "RGB":
        return Image.composite(turned, Image.new("RGB", size, background), cover)
    straight = _transformed(wide, size, angle, Image.Resampling.BILINEAR)
    turned = Image.composite(turned, straight, _transformed(_opaque(wide), size, angle, Image.Resampling.NEAREST))
    turned.putalpha(ImageChops.multiply(cover, turned.getchannel("A")))
    return turned


def _opaque(image: Image.Image) -> Image.Image:
    """255 where all pixels within a distance of 2 are opaque."""
    least = image.getchannel("A").filter(ImageFilter.MinFilter(3)).filter(ImageFilter.MinFilter(3))
    return least.point([0] * 255 + [255])


def _transformed(
    image: Image.Image, size: Size, angle: float, kernel: Image.Resampling, fill: tuple[int, ...] | None = None
) -> Image.Image:
    """The middle of the image becomes the middle of the result. Colours of RGBA are weighted by their alpha."""
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    x, y = size[0] / 2, size[1] / 2
    left, top = image.width / 2 - cos * x - sin * y, image.height / 2 + sin * x - cos * y
    matrix = (cos, sin, left, -sin, cos, top)
    return image.transform(size, Image.Transform.AFFINE, matrix, kernel, fillcolor=fill)
