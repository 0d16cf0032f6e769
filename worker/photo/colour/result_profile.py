"""The colour profile of a result, and background colours in it. Jobs name colours in sRGB."""

from __future__ import annotations

from PIL import Image, ImageCms, ImageColor

from worker.photo.colour.conversion import transformed
from worker.photo.colour.icc_profiles import DISPLAY_P3, RESULT_PROFILES, SRGB_PROFILE


def result_profile(colours: str, decoded: ImageCms.ImageCmsProfile | None) -> bytes:
    """The ICC profile of a result with these colours: `srgb`, `p3`, or `photo`. Empty for sRGB.

    `decoded`: the profile of the decoded photo.
    """
    if colours == "p3":
        return DISPLAY_P3
    return decoded.tobytes() if colours == "photo" and decoded else b""


def background_colour(background: str, colours: str, decoded: ImageCms.ImageCmsProfile | None) -> tuple[int, ...]:
    """The levels of an sRGB colour, `#rrggbb` or `#rrggbbaa`, in a picture with these colours."""
    levels = ImageColor.getrgb(background)
    target = decoded if colours == "photo" else RESULT_PROFILES[colours]
    if target is None or colours == "srgb":
        return levels
    pixel = transformed(Image.new("RGB", (1, 1), levels[:3]), SRGB_PROFILE, target, "RGB").getpixel((0, 0))
    assert isinstance(pixel, tuple)
    return (*(int(level) for level in pixel), *levels[3:])
