"""Resample with the kernels that no library here has, in floating point.

The weights are those of Pillow and libvips: a kernel that makes a picture smaller is as many times wider. Pixels beyond
the border do not count. Rows are made first, then columns, and numbers are rounded once, at the end. There are only
additions and multiplications of single numbers, in a fixed order, so the bytes are the same on every machine.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from darkroom.jobs.sizes import Size
from darkroom.plan.geometry import Box

Pixels = npt.NDArray[np.float32]
"""Rows, columns, channels. Colours of RGBA are multiplied by alpha."""

NUMBERS = 1_000_000
"""Numbers of rows that are made at a time, and bytes of their sources that are read at a time, about."""


def lanczos2(x: float) -> float:
    """sinc(x) sinc(x / 2) for |x| < 2 (C. E. Duchon, Lanczos Filtering in One and Two Dimensions, 1979)."""
    if x == 0:
        return 1.0
    return 2 * math.sin(math.pi * x) * math.sin(math.pi * x / 2) / (math.pi * x) ** 2 if abs(x) < 2 else 0.0


def mitchell(x: float) -> float:
    """Mitchell and Netravali, Reconstruction Filters in Computer Graphics, 1988, equation 8, with B = C = 1/3."""
    x = abs(x)
    if x < 1:
        return (7 * x**3 - 12 * x**2 + 16 / 3) / 6
    return (-7 / 3 * x**3 + 12 * x**2 - 20 * x + 32 / 3) / 6 if x < 2 else 0.0


FUNCTIONS: Mapping[str, Callable[[float], float]] = {"lanczos2": lanczos2, "mitchell": mitchell}

REACH = 2
"""Pixels on each side of which the kernels make one, when they do not make the picture smaller."""


@dataclass(frozen=True)
class _Taps:
    """Which pixels along a side each new pixel is made of: the first one, and the weights of it and the next ones."""

    first: npt.NDArray[np.intp]
    weights: npt.NDArray[np.float32]

    def of(self, start: int, end: int) -> tuple[_Taps, int, int]:
        """Those of the new pixels `start` to `end`, counted from the first pixel that they need, and the pixels that
        they need."""
        first, weights = self.first[start:end], self.weights[start:end]
        low, high = int(first.min()), int(first.max()) + weights.shape[1]
        return _Taps(first - low, weights), low, high

    def sums(self, rows: npt.NDArray[np.float32]) -> Pixels:
        total = rows[self.first] * self.weights[:, :1, None]
        for tap in range(1, self.weights.shape[1]):
            total += rows[self.first + tap] * self.weights[:, tap : tap + 1, None]
        return total


def convolved(image: Image.Image, size: Size, kernel: str, box: Box) -> Image.Image:
    """A new picture of `size`, made from `box` of an L, RGB or RGBA image. Raises MemoryError."""
    across = _taps(FUNCTIONS[kernel], box[0], box[2], image.width, size[0])
    down = _taps(FUNCTIONS[kernel], box[1], box[3], image.height, size[1])
    channels = len(image.getbands())
    result = Image.new(image.mode, size, None)  # without a colour: all pixels are written
    step = max(1, NUMBERS // (channels * max(image.width, size[0])))
    for top in range(0, size[1], step):
        taps, low, high = down.of(top, min(top + step, size[1]))
        rows = np.empty((len(taps.first), image.width, channels), np.float32)
        columns = max(1, NUMBERS // (channels * (high - low)))
        for left in range(0, image.width, columns):
            right = min(left + columns, image.width)
            rows[:, left:right] = taps.sums(_numbers(image.crop((left, low, right, high))))
        turned = across.sums(np.ascontiguousarray(rows.transpose(1, 0, 2)))
        made = _levels(turned.transpose(1, 0, 2))
        result.paste(Image.fromarray(made[..., 0] if channels == 1 else made), (0, top))
    return result


def _taps(function: Callable[[float], float], start: float, end: float, side: int, wanted: int) -> _Taps:
    scale = (end - start) / wanted
    if scale == 1 and start.is_integer():  # as in other libraries: mitchell would blur
        return _Taps(np.arange(wanted) + int(start), np.ones((wanted, 1), np.float32))
    stretch = max(1.0, scale)
    reach = REACH * stretch
    count = min(side, math.ceil(2 * reach) + 1)
    first = np.empty(wanted, np.intp)
    weights = np.empty((wanted, count), np.float32)
    for at in range(wanted):
        middle = start + (at + 0.5) * scale
        low = min(max(0, math.floor(middle - reach)), side - count)
        values = [function((low + tap + 0.5 - middle) / stretch) for tap in range(count)]
        total = sum(values)
        first[at], weights[at] = low, [value / total for value in values]
    return _Taps(first, weights)


def _numbers(image: Image.Image) -> Pixels:
    pixels = np.asarray(image).astype(np.float32)
    if image.mode == "RGBA":
        pixels[..., :3] *= pixels[..., 3:] / np.float32(255)
    return pixels if pixels.ndim == 3 else pixels[..., None]


def _levels(pixels: Pixels) -> npt.NDArray[np.uint8]:
    """Rounded half up. Colours are divided by alpha; those of transparent pixels become black."""
    pixels = np.array(pixels)
    if pixels.shape[2] == 4:
        alpha = pixels[..., 3]
        factor = np.divide(np.float32(255), alpha, out=np.zeros_like(alpha), where=alpha >= 0.5)
        pixels[..., :3] *= factor[..., None]
    levels: npt.NDArray[np.uint8] = np.clip(np.floor(pixels + np.float32(0.5)), 0, 255).astype(np.uint8)
    return levels
