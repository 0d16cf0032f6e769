"""Change the size of an image. Every parameter has the same meaning as in sharp (the Node.js library).

`darkroom/jobs/sizes.py` computes the sizes. One thing differs from sharp: sharp resizes the whole picture for `cover`
and then cuts. This module resamples only the part that stays, so it makes no large picture in between.
"""

from __future__ import annotations

from PIL import Image, ImageColor

from darkroom.errors import TooManyPixels
from darkroom.jobs.sizes import Size, Sizes, sizes_of
from darkroom.jobs.steps import FocalPoint, Resize
from worker.photo.crop import STRATEGIES
from worker.photo.resampling import Box, resample

GRAVITY = {
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


def resize(image: Image.Image, spec: Resize, max_pixels: int) -> Image.Image:
    """The image in its new size. RGB stays RGB unless `contain` pads with a background that is not opaque.

    Raises TooManyPixels when the result would have more than `max_pixels`.
    """
    sizes = sizes_of(image.size, spec)
    width, height = sizes.result
    if width * height > max_pixels:
        raise TooManyPixels(
            f"The result would have {width * height:,} pixels ({width} x {height}); at most {max_pixels:,} are allowed."
        )
    if spec.fit == "cover":
        return resample(image, sizes.result, spec.kernel, _kept(image, sizes, spec))
    scaled = resample(image, sizes.scaled, spec.kernel)
    return _padded(scaled, sizes.result, spec) if spec.fit == "contain" else scaled


def _kept(image: Image.Image, sizes: Sizes, spec: Resize) -> Box:
    """The part of the unscaled image that `cover` keeps: left, top, right, bottom in its pixels."""
    left, top = _corner(image, sizes, spec)
    x_shrink, y_shrink = image.width / sizes.scaled[0], image.height / sizes.scaled[1]
    right, bottom = left + sizes.result[0], top + sizes.result[1]
    return left * x_shrink, top * y_shrink, min(right * x_shrink, image.width), min(bottom * y_shrink, image.height)


def _corner(image: Image.Image, sizes: Sizes, spec: Resize) -> tuple[int, int]:
    """The left and top pixel of the kept part in the scaled photo."""
    free = sizes.scaled[0] - sizes.result[0], sizes.scaled[1] - sizes.result[1]
    if isinstance(spec.position, FocalPoint):
        point = spec.position.x * sizes.scaled[0], spec.position.y * sizes.scaled[1]
        return _clamped(point[0] - sizes.result[0] / 2, free[0]), _clamped(point[1] - sizes.result[1] / 2, free[1])
    if spec.position in STRATEGIES:
        share = STRATEGIES[spec.position](image, sizes.result[0] / sizes.scaled[0], sizes.result[1] / sizes.scaled[1])
        return _clamped(share[0] * free[0], free[0]), _clamped(share[1] * free[1], free[1])
    gravity = GRAVITY[spec.position]
    return _rounded_share(gravity[0], free[0]), _rounded_share(gravity[1], free[1])


def _clamped(offset: float, free: int) -> int:
    return max(0, min(free, round(offset)))


def _rounded_share(share: float, free: int) -> int:
    """With an odd number of free pixels, the extra one is cut at the left or top, as in sharp."""
    return (free + 1) // 2 if share == 0.5 else int(share * free)


def _padded(image: Image.Image, size: Size, spec: Resize) -> Image.Image:
    """Lay the image on the background. Its own transparent parts stay transparent, as in sharp."""
    background = ImageColor.getrgb(spec.background)
    if image.mode == "RGB" and len(background) == 4:
        image = image.convert("RGBA")
    free = size[0] - image.width, size[1] - image.height
    if isinstance(spec.position, FocalPoint):
        shares = spec.position.x, spec.position.y
    else:
        # entropy and attention choose what to cut, but contain cuts nothing.
        shares = GRAVITY.get(spec.position, GRAVITY["centre"])
    canvas = Image.new(image.mode, size, background)
    canvas.paste(image, (int(shares[0] * free[0]), int(shares[1] * free[1])))
    return canvas
