"""HDR levels (PQ and HLG) become SDR levels: each channel by itself, with one table.

The result has the curve of sRGB and the primaries of the photo. Its white is HDR_WHITE, so that what is not brighter
than paper keeps its brightness, and what is brighter is compressed (ITU-R BT.2390, EETF). Both reports allow to apply
the curve to R, G and B. That keeps colours within the primaries, and takes saturation off bright lights.
"""

from __future__ import annotations

import math

from darkroom.containers.colour_numbers import HLG, PQ

HDR_WHITE = 203.0
"""The luminance of white paper in HDR, in cd/m2 (ITU-R BT.2408, 2.2)."""

USUAL_PEAK = 1000.0
"""The luminance of the brightest pixel, in cd/m2, of a photo that does not say it: the nominal peak of HLG, and that of
most screens on which PQ is graded (ITU-R BT.2408)."""

HIGHEST_PEAK = 10_000.0

_M1, _M2 = 2610 / 16384, 2523 / 4096 * 128
_C1, _C2, _C3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
"""The constants of PQ (SMPTE ST 2084, ITU-R BT.2100, table 4)."""

_A = 0.17883277
_B = 1 - 4 * _A
_C = 0.5 - _A * math.log(4 * _A)
"""The constants of HLG (ITU-R BT.2100, table 5)."""

_HLG_GAMMA = 1.2
"""The system gamma of HLG for a peak of 1000 cd/m2 (ITU-R BT.2100, table 5). Here it is applied to each channel."""


def sdr_level(level: float, transfer: int, peak: float | None) -> float:
    """The level 0..1 in sRGB of a level 0..1 in PQ or HLG. `peak`: the luminance of the brightest pixel, in cd/m2."""
    if transfer == HLG:
        nits, peak = USUAL_PEAK * hlg_light(level) ** _HLG_GAMMA, USUAL_PEAK
    else:
        assert transfer == PQ
        nits, peak = pq_luminance(level), min(peak or USUAL_PEAK, HIGHEST_PEAK)
    return srgb_level(min(1.0, mapped(nits, peak) / HDR_WHITE))


def mapped(nits: float, peak: float) -> float:
    """A luminance in cd/m2 after the EETF (ITU-R BT.2390, 5.4.1), from a screen of `peak` to one of HDR_WHITE."""
    if peak <= HDR_WHITE:
        return nits
    whole = pq_level(peak)
    level, top = min(1.0, pq_level(nits) / whole), pq_level(HDR_WHITE) / whole
    knee = 1.5 * top - 0.5
    if level >= knee:
        t = (level - knee) / (1 - knee)
        level = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (3 * t**2 - 2 * t**3) * top
    return pq_luminance(level * whole)


def pq_luminance(level: float) -> float:
    """The luminance in cd/m2 of a PQ level 0..1: the EOTF of ITU-R BT.2100, table 4."""
    root: float = level ** (1 / _M2)
    nits: float = 10_000 * (max(0.0, root - _C1) / (_C2 - _C3 * root)) ** (1 / _M1)
    return nits


def pq_level(nits: float) -> float:
    """The inverse of `pq_luminance`."""
    power: float = (nits / 10_000) ** _M1
    level: float = ((_C1 + _C2 * power) / (1 + _C3 * power)) ** _M2
    return level


def hlg_light(level: float) -> float:
    """The light of the scene 0..1 of an HLG level 0..1: the inverse OETF of ITU-R BT.2100, table 5."""
    return level * level / 3 if level <= 0.5 else (math.exp((level - _C) / _A) + _B) / 12


def srgb_level(light: float) -> float:
    """The level 0..1 of light 0..1 (IEC 61966-2-1)."""
    return 12.92 * light if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055
