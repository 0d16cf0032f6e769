"""How far two colours are apart for the eye: CIEDE2000."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Colours = npt.NDArray[np.float64]
"""... x 3."""

WHITE = np.array([0.95047, 1.0, 1.08883])
"""CIE XYZ of D65, to which sRGB refers."""

XYZ_OF_LINEAR_SRGB = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
"""IEC 61966-2-1, with more digits."""


def linear(srgb: Any) -> Colours:
    """Linear light, 0 to 1, of sRGB values, 0 to 255 (IEC 61966-2-1)."""
    shares = np.asarray(srgb, np.float64) / 255
    return np.where(shares <= 0.04045, shares / 12.92, ((np.maximum(shares, 0.04045) + 0.055) / 1.055) ** 2.4)


def lab(srgb: Any) -> Colours:
    """CIE L*a*b* of sRGB values, 0 to 255 (CIE 15:2004, section 8.2.1)."""
    ratios = linear(srgb) @ XYZ_OF_LINEAR_SRGB.T / WHITE
    roots = np.where(ratios > (6 / 29) ** 3, np.cbrt(ratios), ratios * (29 / 6) ** 2 / 3 + 4 / 29)
    x, y, z = roots[..., 0], roots[..., 1], roots[..., 2]
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def ciede2000(one: Colours, other: Colours) -> npt.NDArray[np.float64]:
    """The difference of L*a*b* colours, with all three weights 1.

    Source: Sharma, Wu, Dalal, "The CIEDE2000 color-difference formula: Implementation notes, supplementary test data,
    and mathematical observations", Color Research and Application 30 (2005), equations 2 to 22.
    """
    chroma_mean = (np.hypot(one[..., 1], one[..., 2]) + np.hypot(other[..., 1], other[..., 2])) / 2
    stretch = 1.5 - 0.5 * _share_of_chroma(chroma_mean)
    chroma_1, hue_1 = _polar(one, stretch)
    chroma_2, hue_2 = _polar(other, stretch)
    grey = chroma_1 * chroma_2 == 0

    turn = hue_2 - hue_1
    turn = np.where(turn > 180, turn - 360, np.where(turn < -180, turn + 360, turn))
    lightness_step = other[..., 0] - one[..., 0]
    chroma_step = chroma_2 - chroma_1
    hue_step = 2 * np.sqrt(chroma_1 * chroma_2) * np.sin(np.radians(np.where(grey, 0, turn)) / 2)

    hue_sum = hue_1 + hue_2
    beyond = np.where(hue_sum < 360, hue_sum + 360, hue_sum - 360)
    hue = np.where(grey, hue_sum, np.where(np.abs(hue_1 - hue_2) <= 180, hue_sum, beyond) / 2)
    chroma = (chroma_1 + chroma_2) / 2
    above_middle = ((one[..., 0] + other[..., 0]) / 2 - 50) ** 2

    lightness_scale = 1 + 0.015 * above_middle / np.sqrt(20 + above_middle)
    chroma_scale = 1 + 0.045 * chroma
    hue_scale = 1 + 0.015 * chroma * _hue_weight(hue)
    rotation = -2 * _share_of_chroma(chroma) * np.sin(np.radians(60 * np.exp(-(((hue - 275) / 25) ** 2))))
    steps = lightness_step / lightness_scale, chroma_step / chroma_scale, hue_step / hue_scale
    squares = steps[0] ** 2 + steps[1] ** 2 + steps[2] ** 2 + rotation * steps[1] * steps[2]
    return np.asarray(np.sqrt(np.maximum(squares, 0)))


def _share_of_chroma(chroma: Any) -> Any:
    return np.sqrt(chroma**7 / (chroma**7 + 25.0**7))


def _polar(colours: Colours, stretch: Any) -> tuple[Any, Any]:
    """Chroma, and hue in degrees, after a* is stretched."""
    a, b = colours[..., 1] * stretch, colours[..., 2]
    return np.hypot(a, b), np.degrees(np.arctan2(b, a)) % 360


def _hue_weight(hue: Any) -> Any:
    def cosine(times: int, degrees: float) -> Any:
        return np.cos(np.radians(times * hue + degrees))

    return 1 - 0.17 * cosine(1, -30) + 0.24 * cosine(2, 0) + 0.32 * cosine(3, 6) - 0.20 * cosine(4, -63)
