"""The filters.

Each entry of FILTER_FUNCTIONS takes an RGB or RGBA image and its spec, and returns a new image of the same mode and
size. darkroom/jobs/steps.py defines what each does. Every value is within one level of its definition in floating
point. Of the plain functions, only blur and sharpen take RGBA, because neighbours mix there (gaussian.py);
`_keep_alpha` makes the others fit, and they leave alpha as it is. CONTRIBUTING.md shows how to add a filter.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate
from typing import Any

from PIL import Image, ImageOps, ImageStat

from darkroom.jobs.steps import (
    AutoContrast,
    Blur,
    Brightness,
    Contrast,
    Filter,
    Grayscale,
    Invert,
    Posterize,
    Saturation,
    Sepia,
    Sharpen,
)
from worker.photo.gaussian import blurred, sharpened

SEPIA = ((0.393, 0.769, 0.189), (0.349, 0.686, 0.168), (0.272, 0.534, 0.131))
"""Rows: the new red, green and blue. Columns: the weights of the old red, green and blue.

Source: W3C Filter Effects Module Level 1, section 13.2.
"""

LUMA = {"rec709": (0.2126, 0.7152, 0.0722), "rec601": (0.299, 0.587, 0.114)}
"""The weights of red, green and blue in the luma of ITU-R BT.709 and BT.601."""


def grayscale(image: Image.Image, spec: Grayscale) -> Image.Image:
    return _luma(image, spec.luma).convert("RGB")


def sepia(image: Image.Image, spec: Sepia) -> Image.Image:
    """Multiply each pixel by amount * SEPIA + (1 - amount) * identity."""
    return image.convert("RGB", _mixed_matrix(SEPIA, spec.amount))


def invert(image: Image.Image, _spec: Invert) -> Image.Image:
    return ImageOps.invert(image)


def auto_contrast(image: Image.Image, spec: AutoContrast, alpha: Image.Image | None = None) -> Image.Image:
    """Transparent pixels do not count. A picture of one tone stays as it is."""
    counts = _luma(image).histogram(alpha)
    ignored = sum(counts) * spec.cutoff / 100
    darkest = _first_above(ignored, counts)
    lightest = 255 - _first_above(ignored, counts[::-1])
    if darkest >= lightest:
        return image.copy()
    return image.point(_curve(lambda level: (level - darkest) * 255 / (lightest - darkest)) * 3)


def posterize(image: Image.Image, spec: Posterize) -> Image.Image:
    last = 2**spec.bits - 1
    return image.point(_curve(lambda level: int(level * last / 255 + 0.5) * 255 / last) * 3)


def brightness(image: Image.Image, spec: Brightness) -> Image.Image:
    return image.point(_curve(lambda level: spec.amount * level) * 3)


def contrast(image: Image.Image, spec: Contrast, alpha: Image.Image | None = None) -> Image.Image:
    """The mean is that of the visible pixels."""
    pivot = 127.5
    if spec.pivot == "mean":
        statistics = ImageStat.Stat(_luma(image), alpha)
        pivot = statistics.mean[0] if statistics.count[0] else pivot
    return image.point(_curve(lambda level: pivot + spec.amount * (level - pivot)) * 3)


def saturation(image: Image.Image, spec: Saturation) -> Image.Image:
    """Multiply each pixel by amount * identity + (1 - amount) * luma."""
    return image.convert("RGB", _mixed_matrix((LUMA["rec709"],) * 3, 1 - spec.amount))


def blur(image: Image.Image, spec: Blur) -> Image.Image:
    return blurred(image, spec.sigma)


def sharpen(image: Image.Image, spec: Sharpen) -> Image.Image:
    return sharpened(image, spec.sigma, spec.amount, spec.threshold)


def _luma(image: Image.Image, standard: str = "rec709") -> Image.Image:
    """The luma of an RGB image, in mode L."""
    return image.convert("L", (*LUMA[standard], 0.0))


def _curve(value: Callable[[int], float]) -> list[int]:
    """For each level 0 to 255 its new one: the value, kept within 0 to 255 and rounded half up."""
    return [int(min(255.0, max(0.0, value(level))) + 0.5) for level in range(256)]


def _first_above(ignored: float, counts: list[int]) -> int:
    """The first level up to which more than `ignored` pixels are counted; 255 if there is none."""
    return next((level for level, total in enumerate(accumulate(counts)) if total > ignored), 255)


def _mixed_matrix(rows: tuple[tuple[float, float, float], ...], amount: float) -> tuple[float, ...]:
    """amount * rows + (1 - amount) * identity, in Pillow's form: each row has a fourth number, which is added."""
    matrix: tuple[float, ...] = ()
    for at, weights in enumerate(rows):
        identity_row = [1.0 if at == column else 0.0 for column in range(3)]
        mixed = (amount * weight + (1 - amount) * same for weight, same in zip(weights, identity_row, strict=True))
        matrix += (*mixed, 0.0)
    return matrix


def _keep_alpha(function: Callable[..., Image.Image], needs_alpha: bool = False) -> Callable[..., Image.Image]:
    """Make a function for RGB work on RGBA: remove the alpha, and put it back afterwards.

    `needs_alpha`: the function takes the alpha as a third argument.
    """

    def apply(image: Image.Image, spec: Any) -> Image.Image:
        if image.mode == "RGB":
            return function(image, spec)
        alpha = image.getchannel("A")
        rgb = image.convert("RGB")
        changed = function(rgb, spec, alpha) if needs_alpha else function(rgb, spec)
        changed.putalpha(alpha)
        return changed

    return apply


FILTER_FUNCTIONS: dict[type[Filter], Callable[..., Image.Image]] = {
    Grayscale: _keep_alpha(grayscale),
    Sepia: _keep_alpha(sepia),
    Invert: _keep_alpha(invert),
    AutoContrast: _keep_alpha(auto_contrast, needs_alpha=True),
    Posterize: _keep_alpha(posterize),
    Blur: blur,
    Sharpen: sharpen,
    Brightness: _keep_alpha(brightness),
    Contrast: _keep_alpha(contrast, needs_alpha=True),
    Saturation: _keep_alpha(saturation),
}
"""Every filter: spec class -> function(image, spec)."""
