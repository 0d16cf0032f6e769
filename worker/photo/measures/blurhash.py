"""BlurHash: a blurred picture in about 30 characters, to show until the real one is loaded.

Source: https://github.com/woltapp/blurhash/blob/master/Algorithm.md
"""

from __future__ import annotations

import math

import numpy as np
from PIL import Image

from worker.photo.measures.cosines import Numbers
from worker.photo.visible import on_white

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz#$%*+,-.:;=?@[]^_{|}~"


def blurhash(image: Image.Image) -> str:
    """The BlurHash of an RGB or RGBA image; transparent parts are white.

    It has 4 components along the longer side and 3 along the shorter one, or 4 x 4 if both are equal.
    """
    width, height = image.size
    columns, rows = (4 if width >= height else 3), (4 if height >= width else 3)
    light = _LINEAR[np.asarray(on_white(image))]
    across, down = _at_the_edges(columns, width), _at_the_edges(rows, height)
    factors = np.einsum("jy,yxc,ix->jic", down, light, across, optimize=True).reshape(-1, 3) / (width * height)
    mean, waves = factors[0], 2 * factors[1:]
    scale = min(82, max(0, math.floor(float(np.abs(waves).max()) * 166 - 0.5)))
    red, green, blue = (_level(value) for value in mean.tolist())
    text = _base83(columns - 1 + (rows - 1) * 9, 1) + _base83(scale, 1)
    text += _base83((red << 16) + (green << 8) + blue, 4)
    for wave in waves.tolist():
        red, green, blue = (_step(value * 166 / (scale + 1)) for value in wave)
        text += _base83((red * 19 + green) * 19 + blue, 2)
    return text


def _at_the_edges(count: int, length: int) -> Numbers:
    """BlurHash takes the cosines at the left and top edges of the pixels, not at their centres as the DCT does."""
    basis: Numbers = np.cos(np.pi / length * np.outer(np.arange(count), np.arange(length)))
    return basis


def _light(value: float) -> float:
    """The light of a coded value, both 0 to 1 (IEC 61966-2-1)."""
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4


_LINEAR: Numbers = np.array([_light(level / 255) for level in range(256)])


def _level(light: float) -> int:
    """The level, 0 to 255, of light in 0 to 1."""
    light = min(1.0, max(0.0, light))
    return math.floor(255 * (12.92 * light if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055) + 0.5)


def _step(value: float) -> int:
    """-1 to 1 as 0 to 18, in finer steps near the middle. Noise of floating point counts as 0."""
    value = round(value, 10)
    return min(18, max(0, math.floor(math.copysign(math.sqrt(abs(value)), value) * 9 + 9.5)))


def _base83(value: int, length: int) -> str:
    return "".join(_DIGITS[value // 83**place % 83] for place in reversed(range(length)))
