"""The median of squares of pixels, by comparisons alone.

Each column of a square is sorted, once for all squares that share it. Then sorted columns are merged. What is sorted
are not numbers but whole tiles: the smaller and the larger of two tiles are one numpy call each, which compares 32
pixels at a time. Only what the median depends on is computed.

Source: K. E. Batcher, Sorting Networks and Their Applications, 1968 (odd-even merge).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from itertools import zip_longest

import numpy as np
from PIL import Image

from worker.photo.operations.bands import Values
from worker.photo.operations.tiles import Area, paste_values, read_visible

ROWS, COLUMNS = 24, 256
"""Pixels that are computed at a time: some hundred tiles of them have room in the processor's cache."""


def median(image: Image.Image, size: int) -> Image.Image:
    """The median of squares of `size` pixels, for each channel. `size` is odd. Alpha stays."""
    result = image.copy()
    reach = size // 2
    for top in range(0, image.height, ROWS):
        for left in range(0, image.width, COLUMNS):
            area: Area = (left, top, min(left + COLUMNS, image.width), min(top + ROWS, image.height))
            pixels = read_visible(image, area, reach)
            paste_values(result, _medians(pixels, size), area)
    return result


def _medians(pixels: Values, size: int) -> Values:
    """The result is smaller by size - 1."""
    rows, columns = pixels.shape[0] - size + 1, pixels.shape[1] - size + 1
    sorted_rows = [tile.value for tile in _sorted([Given(pixels[row : row + rows]) for row in range(size)])]
    squares: list[list[Tile]] = [
        [Given(row[:, column : column + columns]) for row in sorted_rows] for column in range(size)
    ]
    return _merge_all(squares)[size * size // 2].value


@dataclass
class Given:
    """A tile that is known."""

    value: Values


class Extreme:
    """The smaller of two tiles in each pixel, or the larger. It is computed when it is needed, and once."""

    def __init__(self, larger: bool, one: Tile, other: Tile) -> None:
        self._larger, self._one, self._other = larger, one, other

    @cached_property
    def value(self) -> Values:
        one, other = self._one.value, self._other.value
        del self._one, self._other
        value: Values = np.maximum(one, other) if self._larger else np.minimum(one, other)
        return value


Tile = Given | Extreme


def _sorted(tiles: Sequence[Tile]) -> list[Tile]:
    return _merge_all([[tile] for tile in tiles])


def _merge_all(lists: Sequence[list[Tile]]) -> list[Tile]:
    """Merge sorted lists into one, two neighbours at a time."""
    while len(lists) > 1:
        lists = [reduce(_merged, lists[at : at + 2]) for at in range(0, len(lists), 2)]
    return lists[0]


def _merged(one: list[Tile], other: list[Tile]) -> list[Tile]:
    """Merge two sorted lists of any length."""
    if not one or not other:
        return one + other
    if len(one) == len(other) == 1:
        return [Extreme(False, one[0], other[0]), Extreme(True, one[0], other[0])]
    evens, odds = _merged(one[::2], other[::2]), _merged(one[1::2], other[1::2])
    merged = [evens[0]]
    for odd, even in zip_longest(odds, evens[1:]):
        if odd and even:
            merged += [Extreme(False, odd, even), Extreme(True, odd, even)]
        else:
            merged += [tile for tile in (odd, even) if tile]
    return merged
