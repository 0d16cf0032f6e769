"""Random numbers that depend only on a seed and a place, and are the same on every machine and for every tile.

Source: Steele, Lea and Flood, Fast Splittable Pseudorandom Number Generators, 2014 (SplitMix64). numpy.random has no
cheap access by place, and it needs 6 MB of memory in every child.
"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from worker.photo.operations.bands import Numbers

_GOLDEN, _FIRST, _SECOND = (np.uint64(n) for n in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))

_ROW = 2**22
"""Places of a row, more than any picture has."""

_NORMAL = np.array([NormalDist().inv_cdf((step + 0.5) / 4096) for step in range(4096)], np.float32)
"""The normal distribution in 4,096 equally likely steps, from -3.7 to 3.7."""


def normal_numbers(seed: int, left: int, top: int, columns: int, rows: int) -> Numbers:
    """Rows x columns of independent numbers with a normal distribution, mean 0 and standard deviation 1."""
    first, last = left // 4, (left + columns + 3) // 4  # each 64 bits give four numbers
    of_rows = np.arange(top, top + rows, dtype=np.uint64)[:, None] * np.uint64(_ROW)
    places: npt.NDArray[np.uint64] = np.add(of_rows, np.arange(first, last, dtype=np.uint64))
    bits = _mixed(places + _mixed(np.array([seed], np.uint64) * _GOLDEN))
    parts: npt.NDArray[np.uint16] = bits.astype("<u8").view("<u2")
    numbers: Numbers = _NORMAL[(parts >> 4)[:, left - 4 * first : left - 4 * first + columns]]
    return numbers


def _mixed(places: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    bits = (places + np.uint64(1)) * _GOLDEN
    bits = (bits ^ (bits >> np.uint64(30))) * _FIRST
    bits = (bits ^ (bits >> np.uint64(27))) * _SECOND
    return bits ^ (bits >> np.uint64(31))
