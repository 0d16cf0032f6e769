"""The filters. Each takes an RGB or RGBA image and its spec, and gives a new image of the same mode and size.

Colour filters leave alpha as it is. Blur and sharpen weigh colours by their alpha, so that what hides under
transparent pixels never shows; blur softens the edge of the alpha too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PIL import Image, ImageEnhance, ImageFilter, ImageOps, ImageStat

from darkroom.jobs.specs import (
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


def grayscale(image: Image.Image, _spec: Grayscale) -> Image.Image:
    """Luma of ITU-R BT.601, which is Pillow's L."""
    return image.convert("L").convert("RGB")


def sepia(image: Image.Image, spec: Sepia) -> Image.Image:
    """The sepia matrix of W3C Filter Effects Module Level 1, section 13.2, mixed with the original by `amount`."""
    toned = ((0.393, 0.769, 0.189), (0.349, 0.686, 0.168), (0.272, 0.534, 0.131))
    matrix: tuple[float, ...] = ()
    for row, weights in enumerate(toned):
        kept = (1.0 if row == column else 0.0 for column in range(3))
        mixed = (spec.amount * weight + (1 - spec.amount) * own for weight, own in zip(weights, kept, strict=True))
        matrix += (*mixed, 0.0)
    return image.convert("RGB", matrix)


def invert(image: Image.Image, _spec: Invert) -> Image.Image:
    return ImageOps.invert(image)


def auto_contrast(image: Image.Image, spec: AutoContrast, alpha: Image.Image | None = None) -> Image.Image:
    """Stretch by luma, all channels alike, so that the colours keep their balance; hidden pixels do not count."""
    return ImageOps.autocontrast(image, cutoff=spec.cutoff, preserve_tone=True, mask=alpha)


def posterize(image: Image.Image, spec: Posterize) -> Image.Image:
    return ImageOps.posterize(image, spec.bits)


def brightness(image: Image.Image, spec: Brightness) -> Image.Image:
    return ImageEnhance.Brightness(image).enhance(spec.amount)


def contrast(image: Image.Image, spec: Contrast, alpha: Image.Image | None = None) -> Image.Image:
    """Around the mean luma of what is visible, so that the photo as a whole gets neither darker nor lighter."""
    statistics = ImageStat.Stat(image.convert("L"), alpha)
    mean = round(statistics.mean[0]) if statistics.count[0] else 128
    return Image.blend(Image.new("RGB", image.size, (mean, mean, mean)), image, spec.amount)


def saturation(image: Image.Image, spec: Saturation) -> Image.Image:
    return ImageEnhance.Color(image).enhance(spec.amount)


def blur(image: Image.Image, spec: Blur) -> Image.Image:
    """Pillow's GaussianBlur takes the standard deviation as its radius."""
    return _premultiplied(image, ImageFilter.GaussianBlur(spec.sigma))


def sharpen(image: Image.Image, spec: Sharpen) -> Image.Image:
    mask = ImageFilter.UnsharpMask(spec.sigma, round(spec.amount * 100), spec.threshold)
    if image.mode == "RGB":
        return image.filter(mask)
    # Where nothing is visible, the colours around it go on, so that no edge is sharpened against what is hidden.
    around = _premultiplied(image, ImageFilter.GaussianBlur(2 * spec.sigma)).convert("RGB")
    alpha = image.getchannel("A")
    sharp = Image.composite(image.convert("RGB"), around, alpha).filter(mask)
    sharp.putalpha(alpha)
    return sharp


def _colours(function: Callable[..., Image.Image], sees_alpha: bool = False) -> Callable[..., Image.Image]:
    """Let a function of RGB work on RGBA: its alpha is taken off and put back."""

    def apply(image: Image.Image, spec: Any) -> Image.Image:
        if image.mode == "RGB":
            return function(image, spec)
        alpha = image.getchannel("A")
        rgb = image.convert("RGB")
        changed = function(rgb, spec, alpha) if sees_alpha else function(rgb, spec)
        changed.putalpha(alpha)
        return changed

    return apply


def _premultiplied(image: Image.Image, kernel: ImageFilter.Filter) -> Image.Image:
    return image.filter(kernel) if image.mode == "RGB" else image.convert("RGBa").filter(kernel).convert("RGBA")


FILTERS: dict[type[Filter], Callable[..., Image.Image]] = {
    Grayscale: _colours(grayscale),
    Sepia: _colours(sepia),
    Invert: _colours(invert),
    AutoContrast: _colours(auto_contrast, sees_alpha=True),
    Posterize: _colours(posterize),
    Blur: blur,
    Sharpen: sharpen,
    Brightness: _colours(brightness),
    Contrast: _colours(contrast, sees_alpha=True),
    Saturation: _colours(saturation),
}
"""Every filter's spec -> (image, spec) -> image."""
