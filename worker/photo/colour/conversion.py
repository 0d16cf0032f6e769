"""Bring pixels of any kind into a mode that can be resized, and then into 8-bit sRGB."""

from __future__ import annotations

import math
from dataclasses import dataclass

from PIL import Image, ImageChops, ImageCms, ImageFile, ImageMath
from PIL.TiffImagePlugin import TiffImageFile

from darkroom.errors import UnreadablePhoto
from worker.photo.colour.icc_profiles import RESULT_PROFILES, SRGB_PROFILE, colour_space

_MODES_OF_SPACE = {"GRAY": {"L", "LA"}, "RGB": {"RGB", "RGBA"}, "CMYK": {"CMYK"}}
"""The colour space of an ICC profile (ICC.1:2022, table 19) -> the modes that it describes."""

_SRGB_TOLERANCE = 2
"""Levels of 255. A profile that moves no colour of a coarse grid by more than this counts as sRGB."""


@dataclass(frozen=True)
class GrayLevels:
    """What the levels of a gray image mean. Pillow's mode does not say it: 12 bits of gray have mode I;16, for example.

    `white`: the highest level in mode I;16.
    `inverted`: 0 is white, in a mode of more than 8 bits.
    `unsigned`: negative levels in mode I stand for levels of 2**31 and more.
    `step`: Pillow spreads the levels of a PNG of 2 or 4 bits over 0 to 255, this far apart. It leaves the number of the
    transparent level as it is.
    `halved`: Pillow keeps the upper 8 of 16 bits of an RGB PNG. It leaves its transparent colour at 16 bits.
    """

    white: float = 65535.0
    inverted: bool = False
    unsigned: bool = False
    step: int = 1
    halved: bool = False


_PLAIN_LEVELS = GrayLevels()


def gray_levels(image: ImageFile.ImageFile) -> GrayLevels:
    """Call this before the pixels are loaded. Afterwards Pillow no longer has the file's description of them."""
    if isinstance(image, TiffImageFile):
        bits_per_sample, photometric, sample_format = (image.tag_v2.get(tag) for tag in (258, 262, 339))
        return GrayLevels(
            white=4095.0 if bits_per_sample == (12,) else 65535.0,
            inverted=not photometric,  # 0 is WhiteIsZero; Pillow takes a missing tag for that
            unsigned=sample_format in {None, (1,)},
        )
    if image.format == "PNG" and image.tile:
        rawmode = str(image.tile[0].args)
        return GrayLevels(step={"L;2": 85, "L;4": 17}.get(rawmode, 1), halved=rawmode == "RGB;16B")
    return _PLAIN_LEVELS


def resizable(
    image: Image.Image, profile: ImageCms.ImageCmsProfile | None, levels: GrayLevels = _PLAIN_LEVELS
) -> tuple[Image.Image, ImageCms.ImageCmsProfile | None]:
    """Bring a picture into a mode that can be resized: L, RGB or RGBA, 8 bits a channel.

    RGB and gray keep their own colours, because it is cheaper to convert the result of a resize: the profile that they
    still have is returned, too. CMYK, LAB and gray with alpha become sRGB at once. An image that has the right form
    already is returned as is.
    """
    image = _plain(image, levels)
    if image.mode == "L":
        return image, profile
    if image.mode in {"RGB", "RGBA"}:
        return without_opaque_alpha(image), profile
    if image.mode == "LAB":
        image = transformed(image, ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")), SRGB_PROFILE, "RGB")
        profile = None
    return without_opaque_alpha(to_srgb(image, profile)), None


def to_srgb(image: Image.Image, profile: ImageCms.ImageCmsProfile | None) -> Image.Image:
    """Convert L, LA, RGB, RGBA or CMYK to sRGB, in mode RGB or RGBA. An image that has this form is returned as is.

    A profile that is broken or describes another kind of pixels is ignored; the levels then stay as they are.
    """
    return converted(image, profile, "srgb")


def converted(image: Image.Image, profile: ImageCms.ImageCmsProfile | None, target: str) -> Image.Image:
    """The same for any profile of RESULT_PROFILES. Without a profile the image is sRGB."""
    if profile is None and target != "srgb":
        profile = SRGB_PROFILE
    if profile is not None:
        image = _with_profile(image, profile, RESULT_PROFILES[target])
    return image if image.mode in {"RGB", "RGBA"} else image.convert("RGBA" if image.mode == "LA" else "RGB")


def without_opaque_alpha(image: Image.Image) -> Image.Image:
    """Drop an alpha channel that is opaque everywhere. It costs memory and time, and it prevents JPEG."""
    return image if image.mode == "RGB" or has_transparency(image) else image.convert("RGB")


def has_transparency(image: Image.Image) -> bool:
    """Whether any pixel of an RGB or RGBA image is not opaque."""
    return image.mode == "RGBA" and image.getchannel("A").getextrema()[0] != 255


def _plain(image: Image.Image, levels: GrayLevels) -> Image.Image:
    """Remove palette, unusual depth and premultiplied alpha. The mode is then L, LA, RGB, RGBA, CMYK or LAB."""
    if image.mode in {"I", "F"} or image.mode.startswith("I;"):
        return _eight_bit(image, levels)
    if image.mode in {"La", "RGBa"}:
        return image.convert(image.mode.upper())
    if image.mode in {"L", "1"} and image.has_transparency_data:
        image.info["transparency"] *= levels.step
        return image.convert("LA")
    if image.mode == "RGB" and levels.halved and image.has_transparency_data:
        image.info["transparency"] = tuple(level >> 8 for level in image.info["transparency"])
    if image.mode == "1":
        return image.convert("L")
    if image.mode in {"L", "LA", "CMYK", "LAB"}:
        return image
    wanted = "RGBA" if image.has_transparency_data else "RGB"
    return image if image.mode == wanted else image.convert(wanted)  # converting to the same mode would copy


def _eight_bit(image: Image.Image, levels: GrayLevels) -> Image.Image:
    """Scale a gray image of more than 8 bits to L, or LA if a level is transparent. Pillow would clip levels above 255.

    16 bits are scaled by their full range. 32-bit integers and floats have no certain range: they are scaled by the
    smallest of 0..1 (floats only), 0..255 and 0..65535 that holds all values. If none does, they are scaled by the
    range of their values.
    """
    if image.mode == "F":
        deep, ranges = image, [1.0, 255.0, 65535.0]
    elif image.mode == "I":
        deep, ranges = _unsigned(image) if levels.unsigned else image, [255.0, 65535.0]
    else:
        deep, ranges = image.convert("I"), [levels.white]
    if image.mode == "F" and not _is_finite(image):
        raise UnreadablePhoto("The TIFF has pixel values that are not finite numbers.")
    low, high = (float(value) for value in deep.getextrema())  # type: ignore[arg-type]
    black, white = 0.0, next((top for top in ranges if low >= 0 and high <= top), 0.0)
    if not white:
        black, white = low, high
    scale = 255.0 / (white - black) if white > black else 0.0
    rounding = 0.5  # the conversion to L drops the fraction
    # For such images Pillow accepts only this form: it derives a scale and an offset and never calls it for a pixel.
    gray = deep.point(lambda value: value * scale + (rounding - black * scale)).convert("L")
    if levels.inverted:
        gray = ImageChops.invert(gray)
    clear = image.info.get("transparency")
    if clear is not None:
        gray.putalpha(ImageMath.lambda_eval(lambda args: (args["deep"] != clear) * 255, deep=deep).convert("L"))
    return gray


def _is_finite(image: Image.Image) -> bool:
    """One NaN makes the mean NaN. `getextrema` ignores NaN."""
    mean = image.resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))
    return isinstance(mean, float) and math.isfinite(mean)


def _unsigned(image: Image.Image) -> Image.Image:
    """Mode I is signed: turn its negative levels into the high ones that they stand for, as floats."""
    if image.getextrema()[0] >= 0:  # type: ignore[operator]
        return image
    lifted: Image.Image = ImageMath.lambda_eval(
        lambda args: args["f"] + (args["f"] < 0) * 2.0**32, f=image.convert("F")
    )
    return lifted


def _with_profile(
    image: Image.Image, profile: ImageCms.ImageCmsProfile, target: ImageCms.ImageCmsProfile
) -> Image.Image:
    space = colour_space(profile) or ""
    if space == "RGB" and image.mode in {"L", "LA"}:
        image = image.convert("RGB" if image.mode == "L" else "RGBA")
    if image.mode not in _MODES_OF_SPACE.get(space, set()):
        return image
    try:
        if image.mode == "LA":
            coloured = transformed(image.getchannel("L"), profile, target, "RGB")
            coloured.putalpha(image.getchannel("A"))
            return coloured
        return transformed(image, profile, target, "RGBA" if image.mode == "RGBA" else "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image


def transformed(
    image: Image.Image, profile: ImageCms.ImageCmsProfile, target: ImageCms.ImageCmsProfile, mode: str
) -> Image.Image:
    """Convert with perceptual intent, as browsers and sharp do."""
    changed = ImageCms.profileToProfile(image, profile, target, ImageCms.Intent.PERCEPTUAL, outputMode=mode)
    assert changed is not None  # only in-place transforms return nothing
    return changed


def describes(profile: ImageCms.ImageCmsProfile, mode: str) -> bool:
    """Whether a profile is for pixels that Pillow stores in this mode."""
    space = colour_space(profile)
    kind = "L" if mode in {"1", "L", "LA", "La", "F"} or mode.startswith("I") else "CMYK" if mode == "CMYK" else "RGB"
    return kind in _MODES_OF_SPACE.get(space or "", set()) or (kind == "L" and space == "RGB")


def is_srgb(profile: ImageCms.ImageCmsProfile) -> bool:
    """Whether a profile is sRGB. Most embedded ones are, under one of many names. Testing a few colours saves
    converting all pixels. Raises PyCMSError, OSError or ValueError if the profile cannot be used."""
    mode = {"GRAY": "L", "CMYK": "CMYK"}.get(colour_space(profile) or "", "RGB")
    if mode != "RGB":
        transformed(Image.new(mode, (1, 1)), profile, SRGB_PROFILE, "RGB")
        return False
    levels = range(0, 256, 51)
    grid = Image.frombytes("RGB", (36, 6), bytes(v for r in levels for g in levels for b in levels for v in (r, g, b)))
    moved = ImageChops.difference(grid, transformed(grid, profile, SRGB_PROFILE, "RGB"))
    return all(channel.getextrema()[1] <= _SRGB_TOLERANCE for channel in moved.split())  # type: ignore[operator]
