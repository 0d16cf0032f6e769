"""Filters that change colours."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image

from darkroom.jobs.steps.filters.colours import Duotone, Grayscale, Hue, Saturation, Sepia, Temperature, Vibrance
from worker.photo.operations.bands import Numbers, Values, change_bands
from worker.photo.operations.filters.luma import LUMA, curve, luma
from worker.photo.operations.filters.srgb import RGB_OF_XYZ, level_of, light_of, rgb_of

SEPIA = ((0.393, 0.769, 0.189), (0.349, 0.686, 0.168), (0.272, 0.534, 0.131))
"""Rows: the new red, green and blue. Columns: the weights of the old red, green and blue.

Source: W3C Filter Effects Module Level 1, section 13.2.
"""


_HUE = ((0.213, 0.715, 0.072),) * 3
_HUE_COSINE = ((0.787, -0.715, -0.072), (-0.213, 0.285, -0.072), (-0.213, -0.715, 0.928))
_HUE_SINE = ((-0.213, -0.715, 0.928), (0.143, 0.140, -0.283), (-0.787, 0.715, 0.072))


def grayscale(image: Image.Image, spec: Grayscale) -> Image.Image:
    return luma(image, spec.luma).convert("RGB")


def sepia(image: Image.Image, spec: Sepia) -> Image.Image:
    """Multiply each pixel by amount * SEPIA + (1 - amount) * identity."""
    return image.convert("RGB", _mixed_matrix(SEPIA, spec.amount))


def saturation(image: Image.Image, spec: Saturation) -> Image.Image:
    """Multiply each pixel by amount * identity + (1 - amount) * luma."""
    return image.convert("RGB", _mixed_matrix((LUMA["rec709"],) * 3, 1 - spec.amount))


def hue(image: Image.Image, spec: Hue) -> Image.Image:
    """Source of the matrix: W3C Filter Effects Module Level 1, feColorMatrix of type hueRotate."""
    cosine, sine = math.cos(math.radians(spec.degrees)), math.sin(math.radians(spec.degrees))
    rows = zip(_HUE, _HUE_COSINE, _HUE_SINE, strict=True)
    matrix = tuple((*(a + cosine * b + sine * c for a, b, c in zip(*parts, strict=True)), 0.0) for parts in rows)
    return image.convert("RGB", sum(matrix, ()))


def duotone(image: Image.Image, spec: Duotone) -> Image.Image:
    """The definition is linear in the three channels, so it is one matrix. Nothing is rounded on the way."""
    matrix: tuple[float, ...] = ()
    identity = _mixed_matrix(SEPIA, 0)
    for channel, (dark, light) in enumerate(zip(rgb_of(spec.dark), rgb_of(spec.light), strict=True)):
        row = [spec.amount * (light - dark) / 255 * weight for weight in LUMA["rec709"]] + [spec.amount * dark]
        matrix += tuple(new + (1 - spec.amount) * old for new, old in zip(row, identity[4 * channel :], strict=False))
    return image.convert("RGB", matrix)


def vibrance(image: Image.Image, spec: Vibrance) -> Image.Image:
    red, green, blue = (np.float32(weight) for weight in LUMA["rec709"])
    amount = np.float32(spec.amount)

    def change(planes: Values, _top: int) -> Numbers:
        strength = planes.max(axis=0) - planes.min(axis=0)
        factor = 1 + amount - amount / 255 * strength
        tones = planes[0] * red + planes[1] * green + planes[2] * blue
        return np.asarray(tones + factor * (planes - tones), np.float32)

    return change_bands(image, change)


def temperature(image: Image.Image, spec: Temperature) -> Image.Image:
    table = []
    for factor in _daylight_factors(spec.amount):
        table += curve(lambda level, factor=factor: level_of(factor * light_of(level)))  # type: ignore[misc]
    return image.point(table)


def _daylight_factors(amount: float) -> list[float]:
    """Red, green and blue of daylight of that temperature, divided by those of daylight of 154 mired. Both have the
    luminance 1."""
    new, neutral = (_daylight(1e6 / (154 + 90 * shift)) for shift in (amount, 0))
    return [channel / of_neutral for channel, of_neutral in zip(new, neutral, strict=True)]


def _daylight(kelvin: float) -> list[float]:
    """Linear red, green and blue of daylight with the luminance 1.

    Source: CIE 15:2004, 3.1, for 4,000 to 25,000 kelvin. The matrix is that of IEC 61966-2-1.
    """
    inverse = 1e3 / kelvin
    cube, square, single, one = (
        (-4.6070, 2.9678, 0.09911, 0.244063) if kelvin <= 7000 else (-2.0064, 1.9018, 0.24748, 0.237040)
    )
    x = cube * inverse**3 + square * inverse**2 + single * inverse + one
    y = -3 * x**2 + 2.87 * x - 0.275
    xyz = x / y, 1.0, (1 - x - y) / y
    return [sum(weight * part for weight, part in zip(row, xyz, strict=True)) for row in RGB_OF_XYZ]


def _mixed_matrix(rows: tuple[tuple[float, float, float], ...], amount: float) -> tuple[float, ...]:
    """amount * rows + (1 - amount) * identity, in Pillow's form: each row has a fourth number, which is added."""
    matrix: tuple[float, ...] = ()
    for at, weights in enumerate(rows):
        identity_row = [1.0 if at == column else 0.0 for column in range(3)]
        mixed = (amount * weight + (1 - amount) * same for weight, same in zip(weights, identity_row, strict=True))
        matrix += (*mixed, 0.0)
    return matrix
