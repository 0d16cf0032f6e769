"""The pixels of a resize: resample, choose a part by its content, pad. darkroom/plan computes the sizes and boxes.

One thing differs from sharp: sharp resizes the whole picture for `cover` and then cuts. Here only the part that stays
is resampled, so no large picture is made in between.
"""

from __future__ import annotations

from fractions import Fraction

from PIL import Image

from darkroom.jobs.sizes import Size
from darkroom.making import FoundFocus
from darkroom.plan.geometry import Box, kept_part
from darkroom.plan.graph import CropByContent
from worker.photo.operations.crop import choose


def chosen_part(crop: CropByContent, overview: Image.Image) -> tuple[Box, FoundFocus]:
    """The part of the photo that the strategy chooses by looking at the overview, in pixels of the crop's source, and
    the middle of that part."""
    (width, height), result = crop.sizes.scaled, crop.sizes.result
    shares, found_by = choose(crop.strategy, overview, Fraction(result[0], width), Fraction(result[1], height))
    kept = kept_part(crop.sizes, "centre", shares)
    left, top, right, bottom = crop.placement.cropped(kept).showing(crop.then).box
    x, y = (kept[0] + kept[2]) / 2 / width, (kept[1] + kept[3]) / 2 / height
    return (float(left), float(top), float(right), float(bottom)), FoundFocus(round(x, 6), round(y, 6), found_by)


def padded(image: Image.Image, size: Size, corner: Size, colour: tuple[int, ...]) -> Image.Image:
    """Lay the image on a background of `size` and `colour`, with its left and top pixel at `corner`.

    Its own transparent parts stay transparent, as in sharp. RGB stays RGB unless the background is not opaque.
    """
    if image.mode == "RGB" and len(colour) == 4:
        image = image.convert("RGBA")
    canvas = Image.new(image.mode, size, colour)
    canvas.paste(image, corner)
    return canvas
