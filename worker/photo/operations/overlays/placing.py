"""Where an overlay lies on a picture. Sizes are width and height in pixels, corners the left and top pixel."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import numpy.typing as npt
from PIL import Image

from darkroom.errors import PhotoError
from darkroom.jobs.sizes import Size
from darkroom.jobs.steps.aspect import half_up
from darkroom.jobs.steps.gravity import FocalPoint, OverlayPosition
from darkroom.jobs.steps.overlays.overlay import Overlay
from darkroom.plan.geometry import GRAVITY
from worker.photo.operations.overlays.compositing import can_stay_opaque, composite

ROWS, COLUMNS = 48, 8192
"""Pixels on which copies of an overlay are laid at a time: this bounds the memory for copies and spaces of any size."""


LARGE, TIMES_THE_PICTURE = 25_000_000, 8
"""Pixels of a turned overlay that are allowed for every picture, and times the pixels of the picture that are. A square
of 10 megapixels has 20 when it is turned by 45 degrees; a line of 200,000 x 50 pixels has 20,000."""


def exact_pixels(length: float, picture: Size) -> Fraction:
    """A length of a spec in pixels of a picture of this size: below 1 it is a share of the shorter side."""
    exact = Fraction(str(length))
    return exact * min(picture) if exact < 1 else exact


def pixels(length: float, picture: Size) -> int:
    """The same in whole pixels."""
    return half_up(exact_pixels(length, picture))


def corner_of(overlay: Size, picture: Size, position: OverlayPosition, margin: int) -> tuple[int, int]:
    """The corner of an overlay. At a point it lies with its middle there, but is moved inside the margin. An overlay
    that is too large for the margins is moved over their middle."""
    free = [whole - part - 2 * margin for whole, part in zip(picture, overlay, strict=True)]
    if isinstance(position, FocalPoint):
        wanted = (Fraction(str(position.x)) * picture[0], Fraction(str(position.y)) * picture[1])
        starts = [at - Fraction(part, 2) - margin for at, part in zip(wanted, overlay, strict=True)]
        along = [
            Fraction(space, 2) if space < 0 else max(Fraction(0), min(Fraction(space), start))
            for start, space in zip(starts, free, strict=True)
        ]
    else:
        along = [share * space for share, space in zip(GRAVITY[position], free, strict=True)]
    return margin + half_up(along[0]), margin + half_up(along[1])


def laid_on(image: Image.Image, overlay: Image.Image, spec: Overlay, bleed: int = 0) -> Image.Image:
    """A copy of the RGB or RGBA image with the overlay (RGBA) on it, as the spec says. The mode stays, unless a blend
    mode makes an opaque picture transparent. `bleed`: pixels around the overlay that do not count when it is placed."""
    result = image.copy() if image.mode == "RGBA" or can_stay_opaque(spec.blend) else image.convert("RGBA")
    if spec.angle:
        overlay = _turned(overlay, spec.angle, image.size)
    counted = overlay.width - 2 * bleed, overlay.height - 2 * bleed
    left, top = corner_of(counted, image.size, spec.position, pixels(spec.margin, image.size))
    corner = left - bleed, top - bleed
    if spec.tile:
        spacing = pixels(spec.spacing, image.size)
        for copies, place in _copies(overlay, image.size, corner, max(0, spacing - 2 * bleed)):
            composite(result, copies, place, spec.blend, spec.opacity)
    else:
        composite(result, overlay, corner, spec.blend, spec.opacity)
    return result


def _turned(overlay: Image.Image, angle: float, picture: Size) -> Image.Image:
    """The overlay turned clockwise. Raises PhotoError if this makes a long one too large."""
    cos, sin = abs(math.cos(math.radians(angle))), abs(math.sin(math.radians(angle)))
    width = math.ceil(cos * overlay.width + sin * overlay.height)
    height = math.ceil(sin * overlay.width + cos * overlay.height)
    if width * height > max(LARGE, TIMES_THE_PICTURE * picture[0] * picture[1]):
        raise PhotoError(
            f"Turned by {angle:g} degrees, the overlay of {overlay.width:,} x {overlay.height:,} pixels would need "
            f"{width:,} x {height:,}. Ask for a smaller one: a watermark with a scale, or a text with a smaller size."
        )
    return overlay.rotate(-angle, Image.Resampling.BILINEAR, expand=True)  # bicubic moves colours at edges


def _copies(
    overlay: Image.Image, picture: Size, corner: tuple[int, int], spacing: int
) -> Iterator[tuple[Image.Image, tuple[int, int]]]:
    """Copies of the overlay over the whole picture, one of them at `corner`: parts of the size of the picture at most,
    and the left and top pixel of each."""
    levels = np.pad(np.asarray(overlay), ((0, 1), (0, 1), (0, 0)))  # the last row and column stand for the space
    pixels_of_overlay = np.ascontiguousarray(levels).view(np.uint32)[..., 0]

    def sources(axis: int, start: int, end: int) -> npt.NDArray[np.intp]:
        """The rows or columns of the overlay that these pixels of the picture get."""
        length = overlay.size[axis]
        return np.minimum((np.arange(start, end) - corner[axis]) % (length + spacing), length)

    for top in range(0, picture[1], ROWS):
        rows = sources(1, top, min(top + ROWS, picture[1]))
        for left in range(0, picture[0], COLUMNS):
            columns = sources(0, left, min(left + COLUMNS, picture[0]))
            part = pixels_of_overlay[rows[:, None], columns]
            yield Image.fromarray(part[..., None].view(np.uint8)), (left, top)
