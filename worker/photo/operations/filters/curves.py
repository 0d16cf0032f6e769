"""Filters that bend the tones of a picture along a curve."""

from __future__ import annotations

import numpy as np
from PIL import Image

from darkroom.jobs.steps.filters.curves import Curves, ExposureChange, Gamma, Highlights, Levels, Shadows
from worker.photo.operations.bands import change_bands
from worker.photo.operations.filters.luma import curve
from worker.photo.operations.filters.monotone_cubic import monotone_cubic
from worker.photo.operations.filters.srgb import level_of, light_of


def gamma(image: Image.Image, spec: Gamma) -> Image.Image:
    return image.point(curve(lambda level: 255 * (level / 255) ** (1 / spec.gamma)) * 3)


def exposure(image: Image.Image, spec: ExposureChange) -> Image.Image:
    return image.point(curve(lambda level: level_of(light_of(level) * 2**spec.stops)) * 3)


def levels(image: Image.Image, spec: Levels) -> Image.Image:
    def changed(level: float) -> float:
        share = min(1.0, max(0.0, (level - spec.black) / (spec.white - spec.black)))
        return float(spec.out_black + (spec.out_white - spec.out_black) * share ** (1 / spec.gamma))

    return image.point(curve(changed) * 3)


def curves(image: Image.Image, spec: Curves) -> Image.Image:
    of_all = monotone_cubic(spec.points)
    table = []
    for points in (spec.red, spec.green, spec.blue):
        of_one = monotone_cubic(points)
        table += curve(lambda level, of_one=of_one: of_all(of_one(level)))  # type: ignore[misc]
    return image.point(table)


def shadows(image: Image.Image, spec: Shadows) -> Image.Image:
    return _multiplied_by_largest(image, [_shadow_factor(level / 255, spec.amount) for level in range(256)])


def highlights(image: Image.Image, spec: Highlights) -> Image.Image:
    return _multiplied_by_largest(image, [_highlight_factor(level / 255, spec.amount) for level in range(256)])


def _shadow_factor(largest: float, amount: float) -> float:
    return 1 + (2 * amount if amount > 0 else amount) * (1 - largest) ** 3


def _highlight_factor(largest: float, amount: float) -> float:
    return 1 + (2 * amount if amount < 0 else amount) * (1 - largest) * largest**2


def _multiplied_by_largest(image: Image.Image, factors: list[float]) -> Image.Image:
    """Multiply each pixel by the factor for the largest of its three channels."""
    table = np.array(factors, np.float32)
    return change_bands(image, lambda planes, _top: planes * table[planes.max(axis=0)])
