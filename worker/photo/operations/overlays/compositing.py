"""Mix an overlay with a picture."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from PIL import Image

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
    left, top = max(0, corner[0]), max(0, corner[1])
    right, bottom = min(image.width, corner[0] + overlay.width), min(image.height, corner[1] + overlay.height)
    if left >= right or top >= bottom or not opacity:
        return
    inside = left - corner[0], top - corner[1], right - corner[0], bottom - corner[1]
    if inside != (0, 0, *overlay.size):
        overlay = overlay.crop(inside)
    if image.mode == "RGB" and blend in ("over", "atop"):
        alpha = overlay.getchannel("A")
        if opacity < 1:
            alpha = alpha.point([int(level * opacity + 0.5) for level in range(256)])
        image.paste(overlay.convert("RGB"), (left, top), alpha)
        return
    for x, y, width, height in _tiles(overlay.size):
        box = left + x, top + y, left + x + width, top + y + height
        part = overlay.crop((x, y, x + width, y + height))
        if not part.getchannel("A").getbbox():
            continue
        mixed = _mixed(_levels(image.crop(box)), _levels(part), blend, opacity)
        mixed *= np.float32(255)
        mixed += np.float32(0.5)
        channels = mixed if image.mode == "RGBA" else mixed[..., :3]
        image.paste(Image.fromarray(np.ascontiguousarray(channels.astype(np.uint8))), box[:2])


def can_stay_opaque(blend: str) -> bool:
    """Whether opaque pixels stay opaque, whatever is laid on them."""
    return blend not in ("dest-out", "xor")


def _tiles(size: tuple[int, int]) -> Iterator[tuple[int, int, int, int]]:
    """Left, top, width and height of each part."""
    for top in range(0, size[1], TILE_ROWS):
        for left in range(0, size[0], TILE_COLUMNS):
            yield left, top, min(TILE_COLUMNS, size[0] - left), min(TILE_ROWS, size[1] - top)


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
