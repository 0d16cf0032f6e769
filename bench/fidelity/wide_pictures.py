"""Pictures in other colour spaces than sRGB, made in code, with what their pixels are in sRGB by the standards."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from bench.fidelity.colour_difference import XYZ_OF_LINEAR_SRGB
from worker.photo.colour.icc_profiles import icc_profile

Levels = npt.NDArray[np.float64]
"""Height x width x 3, 0 to 1."""

D65 = (0.3127, 0.3290)
P3 = (0.680, 0.320, 0.265, 0.690, 0.150, 0.060)
ADOBE_RGB = (0.64, 0.33, 0.21, 0.71, 0.15, 0.06)
BT2020 = (0.708, 0.292, 0.170, 0.797, 0.131, 0.046)
"""x and y of red, green and blue: SMPTE EG 432-1, Adobe RGB (1998), ITU-R BT.2020. All have the white of D65."""

ADOBE_GAMMA = 563 / 256
SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)

PAPER = 203.0
"""cd/m2 of white paper in HDR (ITU-R BT.2408)."""

PEAK = 1000.0
"""cd/m2 of the brightest pixel that is assumed (ITU-R BT.2408)."""


@dataclass(frozen=True)
class WidePicture:
    """A file, and its pixels in sRGB, 0 to 255."""

    file: bytes
    expected: Levels


def xyz_of(primaries: tuple[float, ...]) -> Any:
    """The matrix from linear light in these primaries to CIE XYZ (SMPTE RP 177)."""
    columns = np.array([[x / y, 1, (1 - x - y) / y] for x, y in zip(primaries[::2], primaries[1::2], strict=True)]).T
    white = np.array([D65[0] / D65[1], 1, (1 - D65[0] - D65[1]) / D65[1]])
    return columns * np.linalg.solve(columns, white)


def srgb(light: Levels) -> Levels:
    """0 to 255, of light in the primaries of sRGB (IEC 61966-2-1). What is outside is cut off."""
    light = np.clip(light, 0, 1)
    shares: Levels = np.where(light <= 0.0031308, 12.92 * light, 1.055 * np.maximum(light, 0.003) ** (1 / 2.4) - 0.055)
    return 255 * shares


def from_srgb(levels: Levels) -> Levels:
    """Light of levels 0 to 1 with the curve of sRGB."""
    return np.where(levels <= 0.04045, levels / 12.92, ((np.maximum(levels, 0.04) + 0.055) / 1.055) ** 2.4)


def in_srgb(light: Levels, primaries: tuple[float, ...]) -> Levels:
    return srgb(light @ xyz_of(primaries).T @ np.linalg.inv(XYZ_OF_LINEAR_SRGB).T)


def cube(steps: int = 9) -> Levels:
    """Every combination of levels, one of 8 x 8 pixels each."""
    axis = np.linspace(0, 1, steps)
    colours = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(steps, steps * steps, 3)
    return colours.repeat(8, 0).repeat(8, 1)


def pq_nits(levels: Any) -> Any:
    """cd/m2 of PQ levels (ITU-R BT.2100, table 4)."""
    root = np.asarray(levels, np.float64) ** (32 / 2523)
    return 10000 * (np.maximum(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root)) ** (16384 / 2610)


def pq_levels(nits: Any) -> Any:
    power = (np.asarray(nits, np.float64) / 10000) ** (2610 / 16384)
    return ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** (2523 / 32)


def hlg_nits(levels: Any) -> Any:
    """cd/m2 of HLG levels on a screen of 1000, whose system gamma is 1.2 (ITU-R BT.2100, table 5)."""
    levels = np.asarray(levels, np.float64)
    light = np.where(levels <= 0.5, levels**2 / 3, (np.exp((levels - 0.55991073) / 0.17883277) + 0.28466892) / 12)
    return PEAK * light**1.2


def tone_mapped(nits: Any) -> Any:
    """Light 0 to 1 of paper: the EETF of ITU-R BT.2390, 5.4.1, from a screen of PEAK to one of PAPER."""
    whole = pq_levels(PEAK)
    level, top = np.minimum(pq_levels(nits) / whole, 1), pq_levels(PAPER) / whole
    knee = 1.5 * top - 0.5
    share = np.clip((level - knee) / (1 - knee), 0, 1)
    spline = (
        (2 * share**3 - 3 * share**2 + 1) * knee
        + (share**3 - 2 * share**2 + share) * (1 - knee)
        + (3 * share**2 - 2 * share**3) * top
    )
    return np.minimum(pq_nits(np.where(level < knee, level, spline) * whole) / PAPER, 1)


def _display_p3() -> WidePicture:
    pixels = np.round(cube() * 255).astype(np.uint8)
    expected = in_srgb(from_srgb(pixels / 255), P3)
    return WidePicture(_png(pixels, icc_profile("Display P3", (*D65, *P3), SRGB_CURVE)), expected)


def _adobe_rgb() -> WidePicture:
    pixels = np.round(cube() * 255).astype(np.uint8)
    expected = in_srgb((pixels / 255) ** ADOBE_GAMMA, ADOBE_RGB)
    return WidePicture(_png(pixels, icc_profile("Adobe RGB", (*D65, *ADOBE_RGB), (ADOBE_GAMMA,))), expected)


def _hdr(transfer: int, nits: Callable[[Any], Any]) -> WidePicture:
    """PNG of 16 bits with a cICP chunk: BT.2020, full range."""
    levels = np.round(cube() * 65535) / 65535
    return WidePicture(_deep_png(levels, bytes([9, transfer, 0, 1])), in_srgb(tone_mapped(nits(levels)), BT2020))


PICTURES: Mapping[str, Callable[[], WidePicture]] = {
    "Display P3": _display_p3,
    "Adobe RGB": _adobe_rgb,
    "PQ": lambda: _hdr(16, pq_nits),
    "HLG": lambda: _hdr(18, hlg_nits),
}


def _png(pixels: npt.NDArray[np.uint8], profile: bytes) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", icc_profile=profile)
    return file.getvalue()


def _deep_png(levels: Levels, cicp: bytes) -> bytes:
    rows = np.round(levels * 65535).astype(">u2")
    pixels = b"".join(b"\0" + row.tobytes() for row in rows)
    head = struct.pack(">IIBBBBB", levels.shape[1], levels.shape[0], 16, 2, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"cICP", cicp), (b"IDAT", zlib.compress(pixels)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
