"""The filters.

Each entry of FILTER_FUNCTIONS takes an RGB or RGBA image and its spec, and returns a new image of the same mode and
size. Of the plain functions, only blur and sharpen take RGBA; `_keep_alpha` makes the others fit, and they leave alpha
as it is. Blur and sharpen weight colours by their alpha, so that the colours of transparent pixels never show. Blur
also blurs the alpha. CONTRIBUTING.md shows how to add a filter.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PIL import Image, ImageFilter, ImageOps, ImageStat

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

SEPIA = ((0.393, 0.769, 0.189), (0.349, 0.686, 0.168), (0.272, 0.534, 0.131))
"""Rows: the new red, green and blue. Columns: the weights of the old red, green and blue.

Source: W3C Filter Effects Module Level 1, section 13.2.
"""

LUMA = (0.299, 0.587, 0.114)
"""The weights of red, green and blue in the luma of ITU-R BT.601, as in Pillow's mode L."""


def grayscale(image: Image.Image, _spec: Grayscale) -> Image.Image:
    """The luma of ITU-R BT.601, which is Pillow's mode L."""
    return image.convert("L").convert("RGB")


def sepia(image: Image.Image, spec: Sepia) -> Image.Image:
    """Multiply each pixel by amount * SEPIA + (1 - amount) * identity."""
    return image.convert("RGB", _mixed_matrix(SEPIA, spec.amount))


def invert(image: Image.Image, _spec: Invert) -> Image.Image:
    return ImageOps.invert(image)


def auto_contrast(image: Image.Image, spec: AutoContrast, alpha: Image.Image | None = None) -> Image.Image:
    """Stretch all channels equally, by luma, so that the colour balance stays. Transparent pixels do not count."""
    return ImageOps.autocontrast(image, cutoff=spec.cutoff, preserve_tone=True, mask=alpha)


def posterize(image: Image.Image, spec: Posterize) -> Image.Image:
    return ImageOps.posterize(image, spec.bits)


def brightness(image: Image.Image, spec: Brightness) -> Image.Image:
    return image.point(_scaled(0, spec.amount) * 3)


def contrast(image: Image.Image, spec: Contrast, alpha: Image.Image | None = None) -> Image.Image:
    """Scale around the mean luma of the visible pixels, so that the photo gets neither darker nor lighter overall."""
    statistics = ImageStat.Stat(image.convert("L"), alpha)
    mean = round(statistics.mean[0]) if statistics.count[0] else 128
    return image.point(_scaled(mean, spec.amount) * 3)


def saturation(image: Image.Image, spec: Saturation) -> Image.Image:
    """Multiply each pixel by amount * identity + (1 - amount) * luma."""
    return image.convert("RGB", _mixed_matrix((LUMA, LUMA, LUMA), 1 - spec.amount))


def blur(image: Image.Image, spec: Blur) -> Image.Image:
    """The radius of Pillow's GaussianBlur is the standard deviation."""
    return _premultiplied(image, ImageFilter.GaussianBlur(spec.sigma))


def sharpen(image: Image.Image, spec: Sharpen) -> Image.Image:
    unsharp = ImageFilter.UnsharpMask(spec.sigma, round(spec.amount * 100), spec.threshold)
    if image.mode == "RGB":
        return image.filter(unsharp)
    # Transparent pixels get the blurred colours around them. Otherwise the edge to their hidden colours would be
    # sharpened.
    surroundings = _premultiplied(image, ImageFilter.GaussianBlur(2 * spec.sigma)).convert("RGB")
    alpha = image.getchannel("A")
    sharp = Image.composite(image.convert("RGB"), surroundings, alpha).filter(unsharp)
    sharp.putalpha(alpha)
    return sharp


def _scaled(around: int, amount: float) -> list[int]:
    """For each level 0 to 255 the level that is `amount` times as far from the level `around`."""
    return [min(255, max(0, round(around + amount * (level - around)))) for level in range(256)]


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


def _premultiplied(image: Image.Image, kernel: ImageFilter.Filter) -> Image.Image:
    """Filter an image with its colours multiplied by alpha (Pillow's mode RGBa), so that alpha is their weight."""
    return image.filter(kernel) if image.mode == "RGB" else image.convert("RGBa").filter(kernel).convert("RGBA")


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
