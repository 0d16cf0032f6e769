"""How near a written picture is to what the encoder got: SSIM (Wang and others 2004), as x264 computes it.

Windows of 8 x 8 pixels, 4 apart, of luma (ITU-R BT.601), and of Cb and Cr at half the resolution. The result is the
mean over all windows, with these weights: 0.8 for luma, 0.1 for each of the others. 1 means equal; a JPEG of quality 82
has about 0.98. Transparent pixels are compared on gray.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

BAND = 64
"""Rows that are compared at a time. A multiple of 8."""

SAMPLE = 2_000_000
"""Pixels that are compared. Of a larger picture, these are bands of rows, evenly spread: 12 megapixels take 1 s."""

_WEIGHTS = (0.8, 0.1, 0.1)
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
"""The constants of the formula, for levels of 0 to 255."""

_GRAY = (128, 128, 128)


def similarity(one: Image.Image, other: Image.Image) -> float:
    """0 to 1. Both pictures are RGB or RGBA and have the same size."""
    sums, windows = np.zeros(3), np.zeros(3)
    for top, bottom in _bands(*one.size):
        box = (0, top, one.width, bottom)
        pairs = zip(_planes(one.crop(box)), _planes(other.crop(box)), strict=True)
        for number, (first, second) in enumerate(pairs):
            scores = _ssim(first, second)
            sums[number] += scores.sum()
            windows[number] += scores.size
    return round(float(np.dot(sums / windows, _WEIGHTS)), 5)


def _bands(width: int, height: int) -> list[tuple[int, int]]:
    """Rows from, to. They are next to each other, or evenly spread in a picture of more than SAMPLE pixels."""
    bands = [(top, min(top + BAND, height)) for top in range(0, height, BAND)]
    wanted = max(1, SAMPLE // (width * BAND))
    if wanted >= len(bands):
        return bands
    return [bands[(2 * number + 1) * len(bands) // (2 * wanted)] for number in range(wanted)]


def _planes(image: Image.Image) -> list[NDArray[np.float32]]:
    """Luma, and the other two at half the resolution."""
    if image.mode == "RGBA":
        flat = Image.new("RGB", image.size, _GRAY)
        flat.paste(image, mask=image.getchannel("A"))
        image = flat
    luma, *colours = image.convert("YCbCr").split()
    return [np.asarray(plane, np.float32) for plane in (luma, *(colour.reduce(2) for colour in colours))]


def _ssim(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float64]:
    """The score of each window."""
    one, other = _filled(one), _filled(other)
    count = 64.0
    mean_one, mean_other, square, product = (
        _window_sums(values) / count for values in (one, other, one * one + other * other, one * other)
    )
    variances = square - mean_one**2 - mean_other**2
    covariance = product - mean_one * mean_other
    scores: NDArray[np.float64] = (
        (2 * mean_one * mean_other + _C1)
        * (2 * covariance + _C2)
        / ((mean_one**2 + mean_other**2 + _C1) * (variances + _C2))
    )
    return scores


def _filled(plane: NDArray[np.float32]) -> NDArray[np.float32]:
    """The edge repeated up to a multiple of 4 and at least one window."""
    missing = [max(8, -(-side // 4) * 4) - side for side in plane.shape]
    return np.pad(plane, [(0, more) for more in missing], mode="edge") if any(missing) else plane


def _window_sums(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """The sum of each 8 x 8 window. The sums of 4 x 4 blocks are whole numbers below 2^24: exact as float32."""
    height, width = values.shape
    rows = values.reshape(height // 4, 4, width).sum(axis=1)
    blocks = rows.reshape(height // 4, width // 4, 4).sum(axis=2).astype(np.float64)
    sums: NDArray[np.float64] = blocks[:-1, :-1] + blocks[1:, :-1] + blocks[:-1, 1:] + blocks[1:, 1:]
    return sums
