"""At what size a JPEG is decoded: as small as all jobs of an order can do with."""

from __future__ import annotations

from collections.abc import Iterable

from darkroom.jobs.job_types import MetadataJob, PictureJob
from darkroom.jobs.output import DEFAULT_SIMILARITY
from darkroom.jobs.sizes import Size
from darkroom.plan.graph import StoredPhoto
from darkroom.plan.recipes import Recipe

SCALES = {8: 1.75, 4: 1.75, 2: 1.25}
LARGE, LARGE_MARGIN = 8e6, 1.25
"""By what libjpeg can divide the sides of a JPEG while it decodes -> how many times larger than the largest need the
decoded picture must be, on each axis.

Measured on three photos of 12 to 16 megapixels against a resize in floating point of the full picture, after JPEG
encoding at quality 80. 1/2 with 1.25 times the size loses 0.1 to 0.5 dB and at most 0.0013 SSIM, with 1.5 times at most
0.2 dB. 1/4 and 1/8 with 1.75 times the size lose 0.2 to 0.4 dB and at most 0.0020 SSIM, with 2 times at most 0.2 dB.
sharp takes 1/4 from 1.25 times the size on, and 1/8 from 1.125 times. Beside results of sharp 0.35 of the same quality,
an order of 1600 wide, 800 wide, a cover and a sepia has 0.25 dB and 0.0006 SSIM less at worst, and usually more.

LARGE_MARGIN is enough for a photo that would have more than LARGE pixels at the next larger scale: a photo of 50
megapixels that is made 1600 wide takes 12 MB at 1/4, and 50 MB at 1/2.
"""

FINE_SCALES = {8: 2.5, 4: 2.5, 2: 2.0}
"""The same for results that keep more detail than JPEG of quality 85 does: lossless ones, and those of high quality."""

FINE_QUALITY = 86
"""A result of this quality or a higher one needs FINE_SCALES, and so does one without loss."""

FINE_SIMILARITY = 0.98
"""The same for a result with the quality `auto`. A JPEG of quality 86 has about this similarity."""


def decode_scale(photo: StoredPhoto, upright: Size, recipes: Iterable[Recipe]) -> int:
    """By what the sides are divided when the photo is decoded: 1, 2, 4 or 8. Only JPEG can have more than 1."""
    if photo.format != "jpeg":
        return 1
    recipes = list(recipes)
    return next((scale for scale in SCALES if all(_is_enough(scale, upright, recipe) for recipe in recipes)), 1)


def _is_enough(scale: int, upright: Size, recipe: Recipe) -> bool:
    """Whether a job can do with the photo decoded at this scale."""
    if not recipe.needs_pixels:
        return True
    if recipe.overview and scale > recipe.overview.decode_scale(recipe.looks_at.shown):
        return False
    if not isinstance(recipe.job, PictureJob):
        return isinstance(recipe.job, MetadataJob)
    step = recipe.first_resample
    if step is None or step.kernel == "nearest":
        return False
    fine = _is_fine(recipe)
    large = 4 * upright[0] * upright[1] > LARGE * scale**2 and not fine
    margin = LARGE_MARGIN if large else (FINE_SCALES if fine else SCALES)[scale]
    view = step.resampled
    return all(have >= scale * margin * need for have, need in zip(view.extent, view.shown, strict=True))


def _is_fine(recipe: Recipe) -> bool:
    assert recipe.output is not None
    output = recipe.output
    if output.quality == "auto":
        return (output.similarity or DEFAULT_SIMILARITY) >= FINE_SIMILARITY
    return recipe.format("jpeg") in ("png", "tiff") or output.lossless or (output.quality or 0) >= FINE_QUALITY
