"""Bring pixels of any kind to 8-bit sRGB, in mode RGB, or RGBA where something is really transparent."""

from __future__ import annotations

import io
import math
import struct
from dataclasses import dataclass

from PIL import Image, ImageChops, ImageCms, ImageFile, ImageMath
from PIL.TiffImagePlugin import TiffImageFile

SRGB = ImageCms.createProfile("sRGB")

_MODES_OF_SPACE = {"GRAY": {"L", "LA"}, "RGB": {"RGB", "RGBA"}, "CMYK": {"CMYK"}}
"""The colour space of an ICC profile (ICC.1:2022, table 19) -> the modes that it describes."""

_SAME = 2
"""A profile that moves no colour of a coarse grid by more than this, of 255, counts as sRGB."""


@dataclass(frozen=True)
class GrayLevels:
    """What levels mean, where Pillow's mode does not tell: it gives 12 bits of gray as I;16, and so on.

    `white` is the highest level of I;16, `inverted` says that 0 is white in a mode of more than 8 bits, `unsigned`
    that what is negative in mode I lies above 2**31. `step` lies between two levels of a PNG of 2 or 4 bits once
    Pillow has spread them over 0 to 255, which it does not do with the number of the transparent one. `halved` says
    that it has cut the 16 bits of an RGB PNG to the upper 8, but not its transparent colour.
    """

    white: float = 65535.0
    inverted: bool = False
    unsigned: bool = False
    step: int = 1
    halved: bool = False


_PLAIN_LEVELS = GrayLevels()


def gray_levels(image: ImageFile.ImageFile) -> GrayLevels:
    """To be asked before the pixels are loaded: afterwards the file's own description of them is gone."""
    if isinstance(image, TiffImageFile):
        bits_per_sample, photometric, sample_format = (image.tag_v2.get(tag) for tag in (258, 262, 339))
        return GrayLevels(
            white=4095.0 if bits_per_sample == (12,) else 65535.0,
            inverted=not photometric,  # WhiteIsZero, and what Pillow takes a missing tag for
            unsigned=sample_format in {None, (1,)},
        )
    if image.format == "PNG" and image.tile:
        rawmode = str(image.tile[0].args)
        return GrayLevels(step={"L;2": 85, "L;4": 17}.get(rawmode, 1), halved=rawmode == "RGB;16B")
    return _PLAIN_LEVELS


def profile_of(icc: object) -> ImageCms.ImageCmsProfile | None:
    """The embedded profile, None when there is none or it is broken: colours then count as sRGB."""
    if not isinstance(icc, bytes) or not icc:
        return None
    try:
        return ImageCms.getOpenProfile(io.BytesIO(icc))
    except (ImageCms.PyCMSError, OSError):
        return None


def nclx_profile(nclx: object) -> ImageCms.ImageCmsProfile | None:
    """The profile for a HEIC that tells its colours by numbers (ITU-T H.273), None for all but Display P3.

    That is sRGB with other primaries (SMPTE EG 432-1, adapted to D50 as in ICC.1:2022, annex E). PQ and HLG are HDR.
    """
    primaries_p3, transfers_of_hdr = 12, {16, 18}
    if not isinstance(nclx, dict) or nclx.get("color_primaries") != primaries_p3:
        return None
    if nclx.get("transfer_characteristics") in transfers_of_hdr:
        return None
    icc = bytearray(ImageCms.ImageCmsProfile(SRGB).tobytes())
    for tag, xyz in (
        (b"rXYZ", (0.51512, 0.24120, -0.00105)),
        (b"gXYZ", (0.29198, 0.69225, 0.04189)),
        (b"bXYZ", (0.15710, 0.06657, 0.78407)),
    ):
        (offset,) = struct.unpack_from(">I", icc, icc.index(tag) + 4)
        struct.pack_into(">3i", icc, offset + 8, *(round(value * 65536) for value in xyz))
    return ImageCms.ImageCmsProfile(io.BytesIO(icc))


def profile_name(profile: ImageCms.ImageCmsProfile | None) -> str | None:
    """What the profile calls itself, such as `Display P3`."""
    if profile is None:
        return None
    try:
        name = ImageCms.getProfileDescription(profile).replace("\0", "").strip()
    except (ImageCms.PyCMSError, UnicodeDecodeError):
        return None
    return name[:200] or None


def to_srgb(
    image: Image.Image, profile: ImageCms.ImageCmsProfile | None, levels: GrayLevels = _PLAIN_LEVELS
) -> Image.Image:
    """The same picture in sRGB, as RGB or RGBA, 8 bits a channel; the image itself when it is that already.

    A profile that is broken or belongs to another kind of pixels is ignored, and the numbers are kept as they are.
    """
    image = _plain(image, levels)
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


def _plain(image: Image.Image, levels: GrayLevels) -> Image.Image:
    """Without palette, odd depth or premultiplied alpha: L, LA, RGB, RGBA, CMYK or LAB."""
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
    return image if image.mode == wanted else image.convert(wanted)  # converting to the same mode is a whole copy


def _eight_bit(image: Image.Image, levels: GrayLevels) -> Image.Image:
    """Scale a deep gray image to L, or LA where a level is transparent; Pillow's conversion clips above 255 to white.

    16 bits are scaled by their full range. For 32-bit integers and floats no range is certain: the smallest of
    0..1 (floats), 0..255 and 0..65535 that holds all values is taken, else the values' own range.
    """
    if image.mode == "F":
        deep, ranges = image, [1.0, 255.0, 65535.0]
    elif image.mode == "I":
        deep, ranges = _unsigned(image) if levels.unsigned else image, [255.0, 65535.0]
    else:
        deep, ranges = image.convert("I"), [levels.white]
    if image.mode == "F" and not _is_finite(image):
        raise ValueError("pixel values are not finite")
    low, high = (float(value) for value in deep.getextrema())  # type: ignore[arg-type]
    black, white = 0.0, next((top for top in ranges if low >= 0 and high <= top), 0.0)
    if not white:
        black, white = low, high
    scale = 255.0 / (white - black) if white > black else 0.0
    rounding = 0.5  # conversion to L cuts the fraction off
    # Pillow only accepts this form for deep images: it is read as a scale and an offset, not run for each pixel.
    gray = deep.point(lambda value: value * scale + (rounding - black * scale)).convert("L")
    if levels.inverted:
        gray = ImageChops.invert(gray)
    clear = image.info.get("transparency")
    if clear is not None:
        gray.putalpha(ImageMath.lambda_eval(lambda args: (args["deep"] != clear) * 255, deep=deep).convert("L"))
    return gray


def _is_finite(image: Image.Image) -> bool:
    """One value that is no number makes the mean none; getextrema passes over NaN."""
    mean = image.resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))
    return isinstance(mean, float) and math.isfinite(mean)


def _unsigned(image: Image.Image) -> Image.Image:
    """Mode I is signed: its negative levels put back above the others, as floats."""
    if image.getextrema()[0] >= 0:  # type: ignore[operator]
        return image
    lifted: Image.Image = ImageMath.lambda_eval(
        lambda args: args["f"] + (args["f"] < 0) * 2.0**32, f=image.convert("F")
    )
    return lifted


def _with_profile(image: Image.Image, profile: ImageCms.ImageCmsProfile) -> Image.Image:
    try:
        space = profile.profile.xcolor_space.strip()
    except UnicodeDecodeError:
        return image
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
