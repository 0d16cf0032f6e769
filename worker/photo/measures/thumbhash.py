"""ThumbHash: a blurred picture in about 30 characters, with its shape and its transparent parts.

Source: the code of its author, Evan Wallace: https://github.com/evanw/thumbhash/blob/main/js/thumbhash.js
"""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator

import numpy as np
from PIL import Image

from worker.photo.measures.cosines import Numbers, cosines
from worker.photo.operations.resampling import resample

LONGEST_SIDE = 100
"""Pixels of a side of the picture that becomes a ThumbHash, at most: its author's code demands it."""


def thumbhash(image: Image.Image) -> str:
    """The ThumbHash of an RGB or RGBA image, in Base64."""
    image = _small(image).convert("RGBA")
    pixels = np.asarray(image).astype(np.float64) / 255
    colours, alpha = pixels[..., :3], pixels[..., 3]
    visible = float(alpha.sum())
    mean = (colours * alpha[..., None]).sum((0, 1)) / visible if visible else np.zeros(3)
    red, green, blue = np.moveaxis(mean * (1 - alpha[..., None]) + colours * alpha[..., None], 2, 0)
    has_alpha = bool((alpha < 1).any())
    limit, longest = (5 if has_alpha else 7), max(image.size)
    columns, rows = (max(1, _rounded(limit * side / longest)) for side in image.size)
    light = _Waves((red + green + blue) / 3, max(3, columns), max(3, rows))
    yellow, pink = _Waves((red + green) / 2 - blue, 3, 3), _Waves(red - green, 3, 3)
    is_landscape = image.width > image.height
    data = _packed(
        (63 * light.mean, 6),
        (31.5 + 31.5 * yellow.mean, 6),
        (31.5 + 31.5 * pink.mean, 6),
        (31 * light.scale, 5),
        (has_alpha, 1),
        (rows if is_landscape else columns, 3),
        (63 * yellow.scale, 6),
        (63 * pink.scale, 6),
        (is_landscape, 1),
    )
    channels = [light, yellow, pink]
    if has_alpha:
        opacity = _Waves(alpha, 5, 5)
        data += _packed((15 * opacity.mean, 4), (15 * opacity.scale, 4))
        channels.append(opacity)
    data += _packed(*((15 * value, 4) for channel in channels for value in channel.values))
    return base64.b64encode(data).decode()


class _Waves:
    """The lowest frequencies of a channel. `values` are those above the mean, where 1 stands for `scale` and 0 for
    -`scale`."""

    def __init__(self, channel: Numbers, columns: int, rows: int) -> None:
        self.mean, *others = _frequencies(channel, columns, rows)
        self.scale = max(map(abs, others), default=0.0)
        self.values = [0.5 + 0.5 / self.scale * value if self.scale else value for value in others]


def _frequencies(channel: Numbers, columns: int, rows: int) -> Iterator[float]:
    """Those in the upper left triangle of columns x rows, row by row. Noise of floating point is rounded off, so that
    a plain picture has none."""
    height, width = channel.shape
    found = cosines(rows, height) @ channel @ cosines(columns, width).T / (width * height)
    for row in range(rows):
        for column in range(columns):
            if column * rows < columns * (rows - row):
                yield round(float(found[row, column]), 12)


def _packed(*fields: tuple[float, int]) -> bytes:
    """Numbers with their bits, the first one in the lowest bits of the first byte."""
    number = place = 0
    for value, bits in fields:
        number |= _rounded(value) << place
        place += bits
    return number.to_bytes(-(-place // 8), "little")


def _rounded(value: float) -> int:
    """To the nearest whole number, halves up: as JavaScript does."""
    return math.floor(value + 0.5)


def _small(image: Image.Image) -> Image.Image:
    longest = max(image.size)
    if longest <= LONGEST_SIDE:
        return image
    width, height = (max(1, _rounded(side * LONGEST_SIDE / longest)) for side in image.size)
    return resample(image, (width, height), "box")
