"""Tint a picture, as sharp does: keep the lightness of CIELAB, and take the colour from a table."""

from __future__ import annotations

import numpy as np
from PIL import Image

from darkroom.jobs.steps.filters.colours import Tint
from worker.photo.operations.bands import Numbers, Values, change_bands
from worker.photo.operations.filters.srgb import RGB_OF_XYZ, XYZ_OF_RGB, Floats, levels_of, light_of, rgb_of

WHITE = (0.9505, 1.0, 1.089)
"""X, Y and Z of the white of sRGB."""

_SHARES = 65_535
"""Steps of luminance in the table."""


def tint(image: Image.Image, spec: Tint) -> Image.Image:
    """Each value is the definition for a luminance in 65,536 steps. That is exact to 0.05 levels above a luma of 3."""
    if not spec.amount:
        return image.copy()
    table = _table(spec.colour)
    of_level = np.array([light_of(level) for level in range(256)])
    red, green, blue = (np.rint(_SHARES * weight * of_level).astype(np.int32) for weight in XYZ_OF_RGB[1])
    amount = np.float32(spec.amount)

    def change(planes: Values, _top: int) -> Numbers:
        luminance = np.minimum(red[planes[0]] + green[planes[1]] + blue[planes[2]], _SHARES)
        return table[:, luminance] * amount + planes * (1 - amount)

    return change_bands(image, change)


def _table(colour: str) -> Numbers:
    """Red, green and blue of the tinted pixel for each luminance."""
    tint_xyz = np.array(XYZ_OF_RGB) @ [light_of(level) for level in rgb_of(colour)]
    x, y, z = _root(tint_xyz / WHITE)
    of_luminance = _root(np.arange(_SHARES + 1) / _SHARES)
    lightness = 1.16 * of_luminance - 0.16
    strength = 1 - 4 * (lightness - 0.5) ** 2
    xyz = [of_luminance + strength * (x - y), of_luminance, of_luminance - strength * (y - z)]
    light = np.stack([_cube(part) for part in xyz], axis=1) * WHITE @ np.array(RGB_OF_XYZ).T
    return levels_of(light.T).astype(np.float32)


def _root(shares: Floats) -> Floats:
    """The function f of CIELAB (CIE 15:2004, 8.2.1.1)."""
    return np.where(shares > (6 / 29) ** 3, np.cbrt(shares), shares * (29 / 6) ** 2 / 3 + 4 / 29)


def _cube(values: Floats) -> Floats:
    """Its inverse."""
    return np.where(values > 6 / 29, values**3, 3 * (6 / 29) ** 2 * (values - 4 / 29))
