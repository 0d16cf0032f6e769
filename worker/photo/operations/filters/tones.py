"""Filters that change how light a picture is."""

from __future__ import annotations

from itertools import accumulate

from PIL import Image, ImageOps, ImageStat

from darkroom.jobs.steps.filters.tones import (
    AutoContrast,
    Brightness,
    Contrast,
    Invert,
    Linear,
    Posterize,
    Solarize,
    Threshold,
)
from worker.photo.operations.filters.luma import curve, luma


def invert(image: Image.Image, _spec: Invert) -> Image.Image:
    return ImageOps.invert(image)


def auto_contrast(image: Image.Image, alpha: Image.Image | None, spec: AutoContrast) -> list[int]:
    """The curve. Transparent pixels do not count. A picture of one tone stays as it is."""
    counts = luma(image).histogram(alpha)
    ignored = sum(counts) * spec.cutoff / 100
    darkest = _first_above(ignored, counts)
    lightest = 255 - _first_above(ignored, counts[::-1])
    if darkest >= lightest:
        darkest, lightest = 0, 255
    return curve(lambda level: (level - darkest) * 255 / (lightest - darkest))


def posterize(image: Image.Image, spec: Posterize) -> Image.Image:
    last = 2**spec.bits - 1
    return image.point(curve(lambda level: int(level * last / 255 + 0.5) * 255 / last) * 3)


def brightness(image: Image.Image, spec: Brightness) -> Image.Image:
    return image.point(curve(lambda level: spec.amount * level) * 3)


def contrast(image: Image.Image, alpha: Image.Image | None, spec: Contrast) -> list[int]:
    """The curve. The mean is that of the visible pixels."""
    pivot = 127.5
    if spec.pivot == "mean":
        statistics = ImageStat.Stat(luma(image), alpha)
        pivot = statistics.mean[0] if statistics.count[0] else pivot
    return curve(lambda level: pivot + spec.amount * (level - pivot))


def linear(image: Image.Image, spec: Linear) -> Image.Image:
    return image.point(curve(lambda level: spec.a * level + spec.b) * 3)


def solarize(image: Image.Image, spec: Solarize) -> Image.Image:
    return ImageOps.solarize(image, spec.threshold)


def threshold(image: Image.Image, spec: Threshold) -> Image.Image:
    table = [255 if level >= spec.threshold else 0 for level in range(256)]
    return luma(image).point(table).convert("RGB") if spec.grayscale else image.point(table * 3)


def _first_above(ignored: float, counts: list[int]) -> int:
    """The first level up to which more than `ignored` pixels are counted; 255 if there is none."""
    return next((level for level, total in enumerate(accumulate(counts)) if total > ignored), 255)
