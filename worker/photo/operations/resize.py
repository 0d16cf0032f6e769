"""The pixels of a resize: resample, choose a part by its content, pad. darkroom/plan computes the sizes and boxes.

One thing differs from sharp: sharp resizes the whole picture for `cover` and then cuts. Here only the part that stays
is resampled, so no large picture is made in between.
"""

from __future__ import annotations

from fractions import Fraction

from PIL import Image

from darkroom.jobs.sizes import Size
from darkroom.plan.geometry import Box, kept_part
from darkroom.plan.graph import CropByContent
from worker.photo.operations.crop import STRATEGIES


def chosen_box(crop: CropByContent, overview: Image.Image) -> Box:
    """The part of the photo that the strategy chooses by looking at the overview, in pixels of the crop's source."""
    sizes = crop.sizes
    kept = Fraction(sizes.result[0], sizes.scaled[0]), Fraction(sizes.result[1], sizes.scaled[1])
    shares = STRATEGIES[crop.strategy](overview, *kept)
    left, top, right, bottom = crop.placement.cropped(kept_part(sizes, "centre", shares)).showing(crop.then).box
    return float(left), float(top), float(right), float(bottom)


def padded(image: Image.Image, size: Size, corner: Size, colour: tuple[int, ...]) -> Image.Image:
    """Lay the image on a background of `size` and `colour`, with its left and top pixel at `corner`.

    Its own transparent parts stay transparent, as in sharp. RGB stays RGB unless the background is not opaque.
    """
    if image.mode == "RGB" and len(colour) == 4:
        image = image.convert("RGBA")
    canvas = Image.new(image.mode, size, colour)
    canvas.paste(image, corner)
    return canvas
