"""Levels of more than 8 bits, and HDR levels, become 8 bits of SDR: with a table, so that each is rounded only once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image

from worker.photo.colour.tone_mapping import sdr_level


@dataclass(frozen=True)
class HdrCurve:
    """How the levels of an HDR photo stand for light: a transfer characteristic of ITU-T H.273, PQ or HLG. `peak`: the
    luminance of the brightest pixel in cd/m2, if it is known."""

    transfer: int
    peak: float | None = None


@lru_cache(maxsize=8)
def level_table(depth: int, curve: HdrCurve | None) -> tuple[int, ...]:
    """The level in 8 bits of each level of `depth` bits, at most 12. Higher ones are white."""
    white = 2**depth - 1
    shares = (level / white for level in range(white + 1))
    if curve:
        shares = (sdr_level(share, curve.transfer, curve.peak) for share in shares)
    return tuple(round(255 * share) for share in shares)


def eight_bit(data: memoryview, size: tuple[int, int], mode: str, depth: int, curve: HdrCurve | None) -> Image.Image:
    """A picture in mode L, LA, RGB or RGBA, of interleaved levels that have 16 bits each in the machine's byte order.

    `depth`: how many bits of them count, at most 12. Alpha has no curve.
    """
    levels = np.frombuffer(data, np.uint16).reshape(size[1], size[0], len(mode))
    found = np.empty(levels.shape, np.uint8)
    for channel, name in enumerate(mode):
        table = np.array(level_table(depth, None if name == "A" else curve), np.uint8)
        np.take(table, levels[:, :, channel], out=found[:, :, channel], mode="clip")
    return Image.fromarray(found[:, :, 0] if len(mode) == 1 else found)


def joined(upper: Image.Image, lower: Image.Image, curve: HdrCurve) -> Image.Image:
    """A picture in SDR of the upper and the lower 8 bits of its HDR levels, both in mode RGB or RGBA. The upper 12 bits
    count."""
    table = np.array(level_table(12, curve), np.uint8)
    high, low = np.asarray(upper), np.asarray(lower)
    found = np.take(table, (high.astype(np.uint16) << 4) | (low >> 4))
    if upper.mode == "RGBA":
        found[:, :, 3] = high[:, :, 3]
    return Image.fromarray(found)


def tone_mapped(image: Image.Image, curve: HdrCurve) -> Image.Image:
    """An HDR picture of 8 bits, in mode L, LA, RGB or RGBA, in SDR."""
    table, same = level_table(8, curve), tuple(range(256))
    return image.point([level for name in image.mode for level in (same if name == "A" else table)])
