"""A palette for a picture with soft transparency: each entry has a colour and an alpha.

Pillow's own method for this (a fast octree) is off by up to 220 of 255 levels with 64 entries. Here the pixels of a
sample are cut into groups, always the group with the largest squared error, at the mean of its most varied axis (Wan
and others 1988). k-means then moves each entry to the mean of the pixels that are nearest to it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from worker.photo.encode.similarity import BAND
from worker.photo.operations.resampling import resample

SAMPLE = 20_000
"""Pixels that the palette is made from."""

ROUNDS = 3
"""Of k-means. A fourth one changes the mean error by less than a tenth of a level."""

_BITS = 5
"""Bits of each channel by which pixels are looked up: all pixels of a cell get the same entry."""

Values = NDArray[np.float32]
"""One row a pixel: red, green and blue, each times alpha / 255, and alpha. So hidden colours do not count."""


def with_soft_palette(image: Image.Image, colours: int) -> Image.Image:
    """An RGBA image with a palette of at most `colours` entries, 2 to 256."""
    entries = _entries(_sample(image), colours)
    alpha = entries[:, 3:]
    straight = np.divide(entries[:, :3] * 255, alpha, out=np.zeros_like(entries[:, :3]), where=alpha > 0)
    palette = np.hstack([straight, alpha]).round().clip(0, 255).astype(np.uint8)
    made = Image.frombytes("P", image.size, _indices(image, palette).tobytes())
    made.putpalette(palette.tobytes(), "RGBA")
    return made


def _sample(image: Image.Image) -> Values:
    step = max(1, round((image.width * image.height / SAMPLE) ** 0.5))
    size = max(1, image.width // step), max(1, image.height // step)
    return _values(np.asarray(resample(image, size, "nearest")).reshape(-1, 4))


def _values(pixels: NDArray[np.uint8]) -> Values:
    values = pixels.astype(np.float32)
    values[:, :3] *= values[:, 3:] / 255
    return values


def _entries(values: Values, colours: int) -> Values:
    groups = [values]
    errors = [_error(values)]
    while len(groups) < colours:
        worst = int(np.argmax(errors))
        group = groups[worst]
        if errors[worst] <= 0:
            break
        axis = int(np.argmax(group.var(axis=0)))
        low = group[:, axis] <= group[:, axis].mean()
        if low.all():  # the mean was rounded up to the largest value
            errors[worst] = 0.0
            continue
        groups[worst : worst + 1] = [group[low], group[~low]]
        errors[worst : worst + 1] = [_error(group[low]), _error(group[~low])]
    entries = np.array([group.mean(axis=0) for group in groups], np.float32)
    for _round in range(ROUNDS):
        nearest = _nearest(values, entries)
        counts = np.bincount(nearest, minlength=len(entries))
        for channel in range(4):
            sums = np.bincount(nearest, values[:, channel], minlength=len(entries))
            np.divide(sums, counts, out=entries[:, channel], where=counts > 0, casting="unsafe")
    return entries


def _error(group: Values) -> float:
    return float(group.var(axis=0, dtype=np.float64).sum() * len(group))


def _nearest(values: Values, entries: Values) -> NDArray[np.uint8]:
    """The number of the nearest entry for each row, without a matrix product: numpy would start threads for it."""
    best = np.full(len(values), np.inf, np.float32)
    found = np.zeros(len(values), np.uint8)
    for number, entry in enumerate(entries):
        distance = ((values - entry) ** 2).sum(axis=1)
        nearer = distance < best
        best[nearer] = distance[nearer]
        found[nearer] = number
    return found


def _indices(image: Image.Image, palette: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The entry of each pixel. A cell of pixels is looked up when the first pixel of it comes."""
    entries = _values(palette)
    table = np.full(1 << (4 * _BITS), -1, np.int16)
    indices = np.empty((image.height, image.width), np.uint8)
    drop = 8 - _BITS
    for top in range(0, image.height, BAND):
        pixels = np.asarray(image.crop((0, top, image.width, min(top + BAND, image.height))))
        cells = np.zeros(pixels.shape[:2], np.int32)
        for channel in range(4):
            cells = (cells << _BITS) | (pixels[..., channel] >> drop)
        unknown = cells[table[cells] < 0]
        if len(unknown):
            new = np.flatnonzero(np.bincount(unknown))  # np.unique would load a module
            parts = [(new >> (_BITS * (3 - channel))) & ((1 << _BITS) - 1) for channel in range(4)]
            levels = np.stack(parts, axis=1) * 255 // ((1 << _BITS) - 1)
            table[new] = _nearest(_values(levels.astype(np.uint8)), entries)
        indices[top : top + len(pixels)] = table[cells]
    return indices
