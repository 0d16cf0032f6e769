"""Bring pixels of any kind to 8-bit sRGB, in mode RGB, or RGBA where something is really transparent."""

from __future__ import annotations

import io
import math

from PIL import Image, ImageChops, ImageCms

SRGB = ImageCms.createProfile("sRGB")

_MODES_OF_SPACE = {"GRAY": {"L", "LA"}, "RGB": {"RGB", "RGBA"}, "CMYK": {"CMYK"}}
"""The colour space of an ICC profile (ICC.1:2022, table 19) -> the modes that it describes."""

_SAME = 2
"""A profile that moves no colour of a coarse grid by more than this, of 255, counts as sRGB."""


def profile_of(icc: object) -> ImageCms.ImageCmsProfile | None:
    """The embedded profile, None when there is none or it is broken: colours then count as sRGB."""
    if not isinstance(icc, bytes) or not icc:
        return None
    try:
        return ImageCms.getOpenProfile(io.BytesIO(icc))
    except (ImageCms.PyCMSError, OSError):
        return None


def profile_name(profile: ImageCms.ImageCmsProfile | None) -> str | None:
    """What the profile calls itself, such as `Display P3`."""
    if profile is None:
        return None
    try:
        name = ImageCms.getProfileDescription(profile).replace("\0", "").strip()
    except (ImageCms.PyCMSError, UnicodeDecodeError):
        return None
    return name[:200] or None


def to_srgb(image: Image.Image, profile: ImageCms.ImageCmsProfile | None) -> Image.Image:
    """The same picture in sRGB, as RGB or RGBA, 8 bits a channel.

    A profile that is broken or belongs to another kind of pixels is ignored, and the numbers are kept as they are.
    """
    image = _plain(image)
    if image.mode == "LAB":
        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
        image = _transformed(image, profile, "RGB")
    elif profile is not None:
        image = _with_profile(image, profile)
    if image.mode not in {"RGB", "RGBA"}:
        image = image.convert("RGBA" if image.mode == "LA" else "RGB")
    return without_idle_alpha(image)


def without_idle_alpha(image: Image.Image) -> Image.Image:
    """Drop an alpha channel that hides nothing: it costs memory, time and the choice of JPEG."""
    return image if image.mode == "RGB" or has_real_alpha(image) else image.convert("RGB")


def has_real_alpha(image: Image.Image) -> bool:
    """Whether any pixel of an RGB or RGBA image is not opaque."""
    return image.mode == "RGBA" and image.getchannel("A").getextrema()[0] != 255


def _plain(image: Image.Image) -> Image.Image:
    """Without palette, odd depth or premultiplied alpha: L, LA, RGB, RGBA, CMYK or LAB."""
    if image.mode in {"I", "F"} or image.mode.startswith("I;"):
        return _eight_bit(image)
    if image.mode in {"La", "RGBa"}:
        return image.convert(image.mode.upper())
    if image.mode in {"L", "LA"}:
        return image.convert("LA") if image.has_transparency_data else image
    if image.mode == "1":
        return image.convert("L")
    if image.mode in {"CMYK", "LAB"}:
        return image
    return image.convert("RGBA" if image.has_transparency_data else "RGB")


def _eight_bit(image: Image.Image) -> Image.Image:
    """Scale a deep gray image to L; Pillow's own conversion clips everything above 255 to white.

    16 bits are scaled by their full range. For 32-bit integers and floats no range is certain: the smallest of
    0..1 (floats), 0..255 and 0..65535 that holds all values is taken, else the values' own range.
    """
    if image.mode == "F":
        deep, ranges = image, [1.0, 255.0, 65535.0]
    else:
        deep, ranges = image.convert("I"), [255.0, 65535.0] if image.mode == "I" else [65535.0]
    low, high = (float(value) for value in deep.getextrema())  # type: ignore[arg-type]
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ValueError("pixel values are not finite")
    black, white = 0.0, next((top for top in ranges if low >= 0 and high <= top), 0.0)
    if not white:
        black, white = low, high
    scale = 255.0 / (white - black) if white > black else 0.0
    rounding = 0.5  # conversion to L cuts the fraction off
    # Pillow only accepts this form for deep images: it is read as a scale and an offset, not run for each pixel.
    return deep.point(lambda value: value * scale + (rounding - black * scale)).convert("L")


def _with_profile(image: Image.Image, profile: ImageCms.ImageCmsProfile) -> Image.Image:
    space = profile.profile.xcolor_space.strip()
    if space == "RGB" and image.mode in {"L", "LA"}:
        image = image.convert("RGB" if image.mode == "L" else "RGBA")
    if image.mode not in _MODES_OF_SPACE.get(space, set()) or (space == "RGB" and _is_srgb(profile)):
        return image
    try:
        if image.mode == "LA":
            coloured = _transformed(image.getchannel("L"), profile, "RGB")
            coloured.putalpha(image.getchannel("A"))
            return coloured
        return _transformed(image, profile, "RGBA" if image.mode == "RGBA" else "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image


def _transformed(image: Image.Image, profile: ImageCms.ImageCmsProfile, mode: str) -> Image.Image:
    """Perceptual intent, as browsers and sharp use it."""
    changed = ImageCms.profileToProfile(image, profile, SRGB, ImageCms.Intent.PERCEPTUAL, outputMode=mode)
    assert changed is not None  # only in-place transforms return nothing
    return changed


def _is_srgb(profile: ImageCms.ImageCmsProfile) -> bool:
    """Most embedded profiles are sRGB under one of many names; trying a few colours saves the work on all pixels."""
    levels = range(0, 256, 51)
    grid = Image.frombytes("RGB", (36, 6), bytes(v for r in levels for g in levels for b in levels for v in (r, g, b)))
    try:
        moved = ImageChops.difference(grid, _transformed(grid, profile, "RGB"))
    except (ImageCms.PyCMSError, OSError, ValueError):
        return True  # cannot be used: the colours stay as they are
    return all(channel.getextrema()[1] <= _SAME for channel in moved.split())  # type: ignore[operator]
