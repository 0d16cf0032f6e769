"""Mix an overlay with a picture."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from PIL import Image

from darkroom.jobs.sizes import Size
from worker.photo.operations.overlays.blending import BLEND_FUNCTIONS, OPERATORS, Levels

TILE_ROWS, TILE_COLUMNS = 48, 512
"""Pixels that are computed at a time: their numbers stay in the processor's cache, as in gaussian.py."""

BOUND = 1.0
"""Levels (of 0 to 255) by which a value differs from the formulas at most. With alpha, this holds for colours times
alpha."""


def composite(
    image: Image.Image, overlay: Image.Image, corner: tuple[int, int], blend: str = "over", opacity: float = 1.0
) -> None:
    """Lay `overlay` (RGBA) on `image` (RGB or RGBA), which is changed. `corner` is the left and top pixel of the
    overlay there; what lies outside of the image is left out. RGB counts as opaque, and must stay so.

    The formulas are those of W3C Compositing and Blending Level 1, with alpha that is not premultiplied.
    """
    if not opacity:
        return
    for box in _tiles(image.size, overlay.size, corner):
        part = overlay.crop((box[0] - corner[0], box[1] - corner[1], box[2] - corner[0], box[3] - corner[1]))
        alpha = part.getchannel("A")
        if not alpha.getbbox():
            continue
        if image.mode == "RGB" and blend in ("over", "atop"):
            image.paste(part.convert("RGB"), box, alpha if opacity == 1 else alpha.point(_faded(opacity)))
        else:
            mixed = _mixed(_levels(image.crop(box)), _levels(part), blend, opacity)
            mixed *= np.float32(255)
            mixed += np.float32(0.5)
            channels = mixed if image.mode == "RGBA" else mixed[..., :3]
            image.paste(Image.fromarray(np.ascontiguousarray(channels.astype(np.uint8))), box)


def can_stay_opaque(blend: str) -> bool:
    """Whether opaque pixels stay opaque, whatever is laid on them."""
    return blend not in ("dest-out", "xor")


def _tiles(image: Size, overlay: Size, corner: tuple[int, int]) -> Iterator[tuple[int, int, int, int]]:
    """The parts of the image that the overlay covers: left, top, right and bottom."""
    right, bottom = (min(whole, start + part) for whole, start, part in zip(image, corner, overlay, strict=True))
    for top in range(max(0, corner[1]), bottom, TILE_ROWS):
        for left in range(max(0, corner[0]), right, TILE_COLUMNS):
            yield left, top, min(left + TILE_COLUMNS, right), min(top + TILE_ROWS, bottom)


def _faded(opacity: float) -> list[int]:
    """For each alpha 0 to 255 the one with this opacity."""
    return [int(level * opacity + 0.5) for level in range(256)]


def _levels(image: Image.Image) -> Levels:
    levels = np.asarray(image).astype(np.float32)
    levels /= np.float32(255)
    return levels


def _mixed(backdrop: Levels, source: Levels, blend: str, opacity: float) -> Levels:
    """The result in RGBA, 0 to 1. Where it is transparent, its colour is black."""
    below, above = backdrop[..., :3], source[..., :3]
    alpha_below = backdrop[..., 3:] if backdrop.shape[-1] == 4 else np.ones_like(backdrop[..., :1])
    alpha_above = source[..., 3:] * np.float32(opacity)
    if blend in BLEND_FUNCTIONS:  # section 5.1: where the backdrop is transparent, the overlay keeps its colour
        above = above + alpha_below * (BLEND_FUNCTIONS[blend](below, above) - above)
    share_above, share_below = OPERATORS.get(blend, OPERATORS["over"])(alpha_below, alpha_above)
    weight_above, weight_below = alpha_above * share_above, alpha_below * share_below
    alpha = np.minimum(np.float32(1), weight_above + weight_below)
    colours = above * weight_above + below * weight_below
    result = np.zeros((*alpha.shape[:2], 4), np.float32)
    np.divide(colours, alpha, out=result[..., :3], where=alpha > 0)
    result[..., 3:] = alpha
    return np.clip(result, 0, 1, out=result)
