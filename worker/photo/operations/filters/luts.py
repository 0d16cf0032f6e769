"""Filters that give a picture the colours of a lookup table."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from darkroom.asset_errors import UnreadableAsset
from darkroom.containers.cube import Cube, CubeError, read_cube
from darkroom.jobs.steps.filters.looks import Lut, NamedLook
from worker.photo.materials import Materials
from worker.photo.operations.filters.alpha import keep_alpha
from worker.photo.operations.filters.looks import LOOKS

Table = npt.NDArray[np.float32]
"""Blue, green, red, channels: the new colour of each colour of a grid. Colours are from 0 to 1."""

LOOK_SIZE = 33

WIDEST = 65
"""The largest table that Pillow takes."""


def look(image: Image.Image, spec: NamedLook) -> Image.Image:
    if not spec.amount:
        return image.copy()
    return _looked_up(image, LOOKS[spec.look](grid(LOOK_SIZE)), spec.amount)


def lut(image: Image.Image, spec: Lut, materials: Materials) -> Image.Image:
    """Raises UnreadableAsset if the file is not a .cube file that we can read."""
    found = materials.prepare(("lut", spec.asset), lambda: _read(spec.asset, materials))
    if not spec.amount:
        return image.copy()
    if isinstance(found, Cube):
        return keep_alpha(lambda rgb, _spec: rgb.point(_curves(found, spec.amount)))(image, spec)
    return _looked_up(image, found, spec.amount)


def _read(asset: str, materials: Materials) -> Cube | Table:
    """A 1D LUT as it is, a 3D LUT as its table."""
    try:
        cube = read_cube(materials.asset(asset))
    except CubeError as error:
        raise UnreadableAsset(f"the .cube file {asset} cannot be used: {error}") from error
    return cube if cube.dimensions == 1 else _table(cube)


def grid(size: int) -> Table:
    """A table that changes nothing."""
    steps = np.linspace(0, 1, size, dtype=np.float32)
    blue, green, red = np.meshgrid(steps, steps, steps, indexing="ij")
    return np.stack([red, green, blue], axis=-1)


def _looked_up(image: Image.Image, table: Table, amount: float) -> Image.Image:
    """Pillow interpolates between the eight nearest colours of the table. Alpha stays."""
    size = len(table)
    mixed = grid(size) + np.float32(amount) * (table - grid(size))
    return image.filter(ImageFilter.Color3DLUT(size, mixed.reshape(-1), _copy_table=False))


def _table(cube: Cube) -> Table:
    """The table of a 3D LUT for colours from 0 to 1. If its own range is another one, it is interpolated."""
    table = np.array(cube.table, np.float32).reshape(cube.size, cube.size, cube.size, 3)
    if cube.has_usual_domain:
        return table
    ranges = zip(cube.domain_min, cube.domain_max, strict=True)
    of_red, of_green, of_blue = (_weights(cube.size, low, high) for low, high in ranges)
    table = np.einsum("nb,bgrc->ngrc", of_blue, table)
    table = np.einsum("ng,bgrc->bnrc", of_green, table)
    return np.asarray(np.einsum("nr,bgrc->bgnc", of_red, table), np.float32)


def _weights(size: int, low: float, high: float) -> Table:
    """WIDEST rows: what each of `size` entries, which are spread over low to high, counts for a colour from 0 to 1."""
    places = (np.linspace(0, 1, WIDEST) - low) / (high - low) * (size - 1)
    distances = np.abs(np.clip(places, 0, size - 1)[:, None] - np.arange(size))
    return np.asarray(np.maximum(1 - distances, 0), np.float32)


def _curves(cube: Cube, amount: float) -> list[int]:
    """The new level of each level, for red, green and blue."""
    levels = np.arange(256)
    table = np.array(cube.table, np.float64).reshape(cube.size, 3)
    result: list[int] = []
    for channel in range(3):
        low, high = cube.domain_min[channel], cube.domain_max[channel]
        new = np.interp(levels / 255, np.linspace(low, high, cube.size), table[:, channel]) * 255
        result += [int(level) for level in np.clip(levels + amount * (new - levels), 0, 255) + 0.5]
    return result
