"""ICC profiles: those that photos have, and those that are made for colours that a photo describes by numbers."""

from __future__ import annotations

import io
import struct
from functools import cache

from PIL import ImageCms

from darkroom.containers.colour_numbers import Cicp, ColourNumbers

SRGB_PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))

Chromaticities = tuple[float, ...]
"""x and y of white, red, green and blue."""

_D65 = (0.3127, 0.3290)
_PRIMARIES: dict[int, tuple[str, Chromaticities]] = {
    1: ("sRGB", (*_D65, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)),
    4: ("BT.470 M", (0.310, 0.316, 0.67, 0.33, 0.21, 0.71, 0.14, 0.08)),
    5: ("BT.470 BG", (*_D65, 0.64, 0.33, 0.29, 0.60, 0.15, 0.06)),
    6: ("BT.601", (*_D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070)),
    7: ("SMPTE 240M", (*_D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070)),
    8: ("Film", (0.310, 0.316, 0.681, 0.319, 0.243, 0.692, 0.145, 0.049)),
    9: ("BT.2020", (*_D65, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046)),
    11: ("DCI P3", (0.314, 0.351, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060)),
    12: ("Display P3", (*_D65, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060)),
    22: ("EBU 3213", (*_D65, 0.630, 0.340, 0.295, 0.605, 0.155, 0.077)),
}
"""Colour primaries (ITU-T H.273, table 2) -> name, and chromaticities. Other numbers count as sRGB."""

_SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
"""The curve of sRGB (IEC 61966-2-1): the parameters g, a, b, c and d of a curve of type 3 (ICC.1:2022, 10.18)."""

_GAMMAS = {4: 2.2, 5: 2.8, 8: 1.0}
"""Transfer characteristics (ITU-T H.273, table 3) that are a power of the level -> the exponent.

All others of SDR count as sRGB: pictures with the curves of cameras (BT.601, BT.709, BT.2020) are graded on screens,
and other readers show them like this.
"""

_SRGB_GAMMA, _GAMMA_THRESHOLD = 1 / 2.2, 0.05
"""A gAMA that differs from 1/2.2 by a smaller share means the curve of sRGB, as in libpng (PNG_GAMMA_THRESHOLD)."""

_D50 = (0.9642, 1.0, 0.8249)
"""The white of profiles (ICC.1:2022, 7.2.16)."""

_BRADFORD = ((0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296))
"""How profiles adapt to another white (ICC.1:2022, annex E)."""

_VERSION, _MADE = 0x04400000, (2026, 1, 1, 0, 0, 0)
"""Version and date in the header of a profile that is made: always the same, so that results have the same bytes."""

Matrix = tuple[tuple[float, ...], ...]


def profile_of(icc: object) -> ImageCms.ImageCmsProfile | None:
    """The embedded profile. None if there is none or it is broken: the colours then count as sRGB."""
    if not isinstance(icc, bytes) or not icc:
        return None
    try:
        return ImageCms.getOpenProfile(io.BytesIO(icc))
    except (ImageCms.PyCMSError, OSError):
        return None


def profile_name(profile: ImageCms.ImageCmsProfile | None) -> str | None:
    """The profile's own name, such as `Display P3`."""
    if profile is None:
        return None
    try:
        name = ImageCms.getProfileDescription(profile).replace("\0", "").strip()
    except (ImageCms.PyCMSError, UnicodeDecodeError):
        return None
    return name[:200] or None


def colour_space(profile: ImageCms.ImageCmsProfile) -> str | None:
    """The colour space that a profile describes, such as `RGB`. None if it cannot be read."""
    try:
        return profile.profile.xcolor_space.strip()
    except UnicodeDecodeError:
        return None


def profile_of_numbers(numbers: ColourNumbers) -> ImageCms.ImageCmsProfile | None:
    """The profile that says the same. None for sRGB, and for numbers that are missing or impossible.

    For HDR it is that of the tone-mapped picture: the same primaries, with the curve of sRGB.
    """
    try:
        if numbers.cicp:
            return _profile_of_cicp(numbers.cicp)
        if numbers.gamma is None and numbers.chromaticities is None:
            return None
        gamma = numbers.gamma or _SRGB_GAMMA
        is_srgb = abs(gamma / _SRGB_GAMMA - 1) < _GAMMA_THRESHOLD
        curve = _SRGB_CURVE if is_srgb else (1 / gamma,)
        return ImageCms.ImageCmsProfile(
            io.BytesIO(icc_profile("PNG", numbers.chromaticities or _PRIMARIES[1][1], curve))
        )
    except (ZeroDivisionError, struct.error, ImageCms.PyCMSError, OSError):
        return None


@cache
def _profile_of_cicp(cicp: Cicp) -> ImageCms.ImageCmsProfile | None:
    name, chromaticities = _PRIMARIES.get(cicp.primaries, _PRIMARIES[1])
    curve = (_GAMMAS[cicp.transfer],) if cicp.transfer in _GAMMAS else _SRGB_CURVE
    if name == "sRGB" and curve == _SRGB_CURVE:
        return None
    return ImageCms.ImageCmsProfile(io.BytesIO(icc_profile(name, chromaticities, curve)))


def icc_profile(name: str, chromaticities: Chromaticities, curve: tuple[float, ...]) -> bytes:
    """A profile of version 4 for RGB (ICC.1:2022): primaries, white, and a curve for all channels.

    `curve` has the parameters of a parametric curve (10.18): one for a power, five for one that begins with a line.
    Raises ZeroDivisionError or struct.error for chromaticities that no colours can have.
    """
    white_x, white_y, *primaries = chromaticities
    white = _xyz(white_x, white_y)
    columns = _columns([_xyz(x, y) for x, y in zip(primaries[::2], primaries[1::2], strict=True)])
    shares = _times(_inverse(columns), white)
    adapted = _adaptation(white)
    colourants = [_times(adapted, tuple(row[at] * shares[at] for row in columns)) for at in range(3)]
    tags: list[tuple[bytes, bytes]] = [
        (b"desc", _text_tag(name)),
        (b"cprt", _text_tag("No copyright")),
        (b"wtpt", _xyz_tag(_D50)),
        (b"chad", b"sf32\0\0\0\0" + b"".join(_fixed(value) for row in adapted for value in row)),
        *((kind, _xyz_tag(xyz)) for kind, xyz in zip((b"rXYZ", b"gXYZ", b"bXYZ"), colourants, strict=True)),
    ]
    shape = {1: 0, 5: 3}[len(curve)]
    transfer = b"para\0\0\0\0" + struct.pack(">HH", shape, 0) + b"".join(_fixed(value) for value in curve)
    tags += [(kind, transfer) for kind in (b"rTRC", b"gTRC", b"bTRC")]
    return _written(tags)


def _written(tags: list[tuple[bytes, bytes]]) -> bytes:
    """A profile of these tags. Equal contents are stored once."""
    start = 128 + 4 + 12 * len(tags)
    table, data = struct.pack(">I", len(tags)), b""
    places: dict[bytes, int] = {}
    for kind, content in tags:
        if content not in places:
            places[content] = start + len(data)
            data += content + bytes(-len(content) % 4)
        table += struct.pack(">4sII", kind, places[content], len(content))
    kind = struct.pack(">I4xI4s4s4s", start + len(data), _VERSION, b"mntr", b"RGB ", b"XYZ ")
    made = struct.pack(">6H4s", *_MADE, b"acsp")
    header = kind + made + bytes(28) + b"".join(_fixed(value) for value in _D50)
    return header.ljust(128, b"\0") + table + data


def _fixed(value: float) -> bytes:
    return struct.pack(">i", round(value * 65536))


def _text_tag(text: str) -> bytes:
    return b"mluc\0\0\0\0" + struct.pack(">II4sII", 1, 12, b"enUS", 2 * len(text), 28) + text.encode("utf-16-be")


def _xyz_tag(xyz: tuple[float, ...]) -> bytes:
    return b"XYZ \0\0\0\0" + b"".join(_fixed(value) for value in xyz)


def _xyz(x: float, y: float) -> tuple[float, float, float]:
    return x / y, 1.0, (1 - x - y) / y


def _adaptation(white: tuple[float, ...]) -> Matrix:
    """The matrix that turns XYZ of this white into XYZ of D50."""
    from_cone, to_cone = _times(_BRADFORD, white), _times(_BRADFORD, _D50)
    scaled = tuple(
        tuple(value * after / before for value in row)
        for row, before, after in zip(_BRADFORD, from_cone, to_cone, strict=True)
    )
    back = _inverse(_BRADFORD)
    return tuple(tuple(_dot(row, column) for column in zip(*scaled, strict=True)) for row in back)


def _columns(vectors: list[tuple[float, float, float]]) -> Matrix:
    return tuple(zip(*vectors, strict=True))


def _dot(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


def _times(matrix: Matrix, vector: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(_dot(row, vector) for row in matrix)


def _inverse(matrix: Matrix) -> Matrix:
    """The inverse of a matrix of 3 x 3, by its adjugate. Raises ZeroDivisionError if there is none."""
    (a, b, c), (d, e, f), (g, h, i) = matrix
    adjugate = (
        (e * i - f * h, c * h - b * i, b * f - c * e),
        (f * g - d * i, a * i - c * g, c * d - a * f),
        (d * h - e * g, b * g - a * h, a * e - b * d),
    )
    determinant = a * adjugate[0][0] + b * adjugate[1][0] + c * adjugate[2][0]
    return tuple(tuple(value / determinant for value in row) for row in adjugate)


DISPLAY_P3 = icc_profile(*_PRIMARIES[12], _SRGB_CURVE)
"""The profile of results in Display P3: the primaries of SMPTE EG 432-1 with white and curve of sRGB."""

RESULT_PROFILES = {"srgb": SRGB_PROFILE, "p3": ImageCms.ImageCmsProfile(io.BytesIO(DISPLAY_P3))}
"""The profiles that results are converted to -> the profile."""
