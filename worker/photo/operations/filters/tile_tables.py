"""The tables of CLAHE: for each tile of a picture, the new luma of each luma.

Source: K. Zuiderveld, Contrast Limited Adaptive Histogram Equalization, in Graphics Gems IV, 1994. What is above the
limit is spread once, over all luma.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from PIL import Image

from worker.photo.operations.bands import Numbers, Values


class Along:
    """Tiles along one side of the picture. Each pixel lies between the middles of the tiles `before` and `after`.
    `share` is how far it is on the way from the first one to the second."""

    def __init__(self, side: int, wanted: int) -> None:
        count = max(1, round(side / wanted))
        self.edges = [side * at // count for at in range(count + 1)]
        places = (np.arange(side) + 0.5) * (count / side) - 0.5
        whole = np.floor(places)
        self._whole = whole
        self.before: npt.NDArray[np.intp] = np.clip(whole, 0, count - 1).astype(np.intp)
        self.after: npt.NDArray[np.intp] = np.clip(whole + 1, 0, count - 1).astype(np.intp)
        self.share: Numbers = (places - whole).astype(np.float32)

    def stretches(self) -> Iterator[tuple[int, int]]:
        """The runs of pixels that lie between the same tiles."""
        changes = np.flatnonzero(np.diff(self._whole)) + 1
        yield from pairwise([0, *map(int, changes), len(self._whole)])


class TileTables:
    """Tables of the tiles of one or two rows at a time. Only pixels that are visible count; of a tile without any, the
    neighbours' tables are used."""

    def __init__(
        self, tones: Image.Image, alpha: Image.Image | None, across: Along, down: Along, max_slope: float
    ) -> None:
        self._tones, self._alpha, self._across, self.down = tones, alpha, across, down
        self._limit = max_slope / 256
        self._row = lru_cache(maxsize=2)(self._tables_of_row)

    def new_luma(self, old: Values, top: int) -> Numbers:
        """The new luma of rows that lie between the same tiles; `top` is the first."""
        across, down = self._across, self.down
        share_down = down.share[top : top + len(old), None]
        total = np.zeros(old.shape, np.float32)
        weights = np.zeros(old.shape, np.float32)
        for row, of_row in ((down.before[top], 1 - share_down), (down.after[top], share_down)):
            tables, visible = self._row(int(row))
            for tile, of_tile in ((across.before, 1 - across.share), (across.after, across.share)):
                weight = of_row * (of_tile * visible[tile])
                total += weight * tables[tile * 256 + old]
                weights += weight
        return np.asarray(total / np.maximum(weights, np.float32(1e-6)), np.float32)

    def _tables_of_row(self, row: int) -> tuple[Numbers, Numbers]:
        """The tables of a row of tiles, one after the other, and for each tile 1 if it has visible pixels, else 0."""
        tables, visible = [], []
        top, bottom = self.down.edges[row : row + 2]
        for left, right in pairwise(self._across.edges):
            box = left, top, right, bottom
            counts = self._tones.crop(box).histogram(self._alpha and self._alpha.crop(box))
            total = sum(counts)
            visible.append(float(total > 0))
            tables.append(_table(np.array(counts) / max(1, total), self._limit))
        return np.concatenate(tables), np.array(visible, np.float32)


def _table(shares: npt.NDArray[np.float64], limit: float) -> Numbers:
    """The new luma for the share of pixels that each luma has. `limit` is the largest share that counts; 0 is none."""
    if limit:
        above = np.maximum(shares - limit, 0).sum()
        shares = np.minimum(shares, limit) + above / 256
    return (255 * shares.cumsum()).astype(np.float32)
