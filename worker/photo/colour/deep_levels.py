"""Levels of more than 8 bits, and HDR levels, become 8 bits of SDR: with a table, so that each is rounded only once."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from functools import lru_cache

from PIL import Image, ImageMath

from worker.photo.colour.tone_mapping import sdr_level

_STRIP = 256
"""Rows that are converted at a time."""

_TABLE = 65536
"""Entries of a table with which Pillow makes mode L of mode I."""


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
    result = Image.new(mode, size)
    width, height = size
    row = width * len(mode)
    for top in range(0, height, _STRIP):
        rows = min(_STRIP, height - top)
        levels = array("H")
        levels.frombytes(data[2 * row * top : 2 * row * (top + rows)])
        planes = (
            Image.frombytes("I;16", (width, rows), levels[at :: len(mode)].tobytes(), "raw", "I;16N").convert("I")
            for at in range(len(mode))
        )
        strip = [
            plane.point(_full_table(depth, None if name == "A" else curve), "L")
            for plane, name in zip(planes, mode, strict=True)
        ]
        result.paste(strip[0] if len(strip) == 1 else Image.merge(mode, strip), (0, top))
    return result


def joined(upper: Image.Image, lower: Image.Image, curve: HdrCurve) -> Image.Image:
    """A picture in SDR of the upper and the lower 8 bits of its HDR levels, both in mode RGB or RGBA."""
    channels = []
    for name, high, low in zip(upper.mode, upper.split(), lower.split(), strict=True):
        levels = ImageMath.lambda_eval(lambda args: args["high"] * 16 + args["low"] / 16, high=high, low=low)
        channels.append(high if name == "A" else levels.point(_full_table(12, curve), "L"))
    return Image.merge(upper.mode, channels)


def tone_mapped(image: Image.Image, curve: HdrCurve) -> Image.Image:
    """An HDR picture of 8 bits, in mode L, LA, RGB or RGBA, in SDR."""
    table, same = level_table(8, curve), tuple(range(256))
    return image.point([level for name in image.mode for level in (same if name == "A" else table)])


@lru_cache(maxsize=8)
def _full_table(depth: int, curve: HdrCurve | None) -> list[int]:
    table = list(level_table(depth, curve))
    return table + [table[-1]] * (_TABLE - len(table))
