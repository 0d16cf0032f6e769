"""Filters that spread the tones of a picture by how often each occurs."""

from __future__ import annotations

import numpy as np
from PIL import Image

from darkroom.jobs.steps.filters.equalization import Clahe, Equalize
from worker.photo.materials import Materials
from worker.photo.operations.bands import BAND, Numbers, Values, change_bands, rounded
from worker.photo.operations.filters.alpha import keep_alpha
from worker.photo.operations.filters.luma import luma
from worker.photo.operations.filters.tile_tables import Along, TileTables


def equalize(image: Image.Image, spec: Equalize, materials: Materials) -> Image.Image:
    """All frames of an animation get the changes of the first one."""
    alpha = image.getchannel("A") if image.mode == "RGBA" else None
    changes = materials.once("changes", lambda: _changes(luma(image.convert("RGB")).histogram(alpha), spec.amount))
    return keep_alpha(lambda rgb, _spec: _changed_by_luma(rgb, changes))(image, spec)


def _changes(counts: list[int], amount: float) -> Numbers:
    """What is added to the channels of a pixel, for each luma. `counts` are those of the visible pixels."""
    sums = np.array(counts, np.float64).cumsum()
    darkest = sums[sums > 0][:1]
    if not darkest.size or darkest[0] == sums[-1]:
        return np.zeros(256, np.float32)
    new = 255 * np.maximum(sums - darkest[0], 0) / (sums[-1] - darkest[0])
    return np.asarray(amount * (new - np.arange(256)), np.float32)


def _changed_by_luma(image: Image.Image, changes: Numbers) -> Image.Image:
    tones = luma(image)

    def change(planes: Values, top: int) -> Numbers:
        return np.asarray(planes + changes[_rows(tones, top, top + planes.shape[1])], np.float32)

    return change_bands(image, change)


def clahe(image: Image.Image, spec: Clahe, materials: Materials) -> Image.Image:
    """All frames of an animation get the tables of the first one."""
    alpha = image.getchannel("A") if image.mode == "RGBA" else None
    across, down = Along(image.width, spec.width), Along(image.height, spec.height)
    tables = materials.once(
        "tables", lambda: TileTables(luma(image.convert("RGB")), alpha, across, down, spec.max_slope)
    )
    return keep_alpha(lambda rgb, _spec: _changed_by_tables(rgb, tables))(image, spec)


def _changed_by_tables(image: Image.Image, tables: TileTables) -> Image.Image:
    tones = luma(image)
    result = Image.new("RGB", image.size)
    at_a_time = max(1, BAND // image.width)
    for start, end in tables.down.stretches():
        for top in range(start, end, at_a_time):
            bottom = min(top + at_a_time, end)
            old = _rows(tones, top, bottom)
            change = tables.new_luma(old, top) - old
            band = np.asarray(image.crop((0, top, image.width, bottom)))
            result.paste(Image.fromarray(rounded(band + change[..., None])), (0, top))
    return result


def _rows(tones: Image.Image, top: int, bottom: int) -> Values:
    levels: Values = np.asarray(tones.crop((0, top, tones.width, bottom)))
    return levels
