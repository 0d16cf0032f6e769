"""worker/photo/operations/overlays: overlays meet a picture as W3C Compositing and Blending Level 1 says."""

from __future__ import annotations

import math
from typing import get_args

import numpy as np
import pytest
from PIL import Image

from darkroom.jobs.steps.overlays.overlay import BLEND_ALIASES, Blend
from worker.photo.operations.overlays.blending import BLEND_FUNCTIONS, OPERATORS
from worker.photo.operations.overlays.compositing import BOUND, composite

BLENDS = get_args(Blend)

ROUNDING = 1e-3

# --- the formulas again, for single numbers of Python -----------------------------------------------------------------


def hard_light(backdrop: float, source: float) -> float:
    if source <= 0.5:
        return backdrop * 2 * source
    return backdrop + (2 * source - 1) - backdrop * (2 * source - 1)


def soft_light(backdrop: float, source: float) -> float:
    if source <= 0.5:
        return backdrop - (1 - 2 * source) * backdrop * (1 - backdrop)
    curve = ((16 * backdrop - 12) * backdrop + 4) * backdrop if backdrop <= 0.25 else math.sqrt(backdrop)
    return backdrop + (2 * source - 1) * (curve - backdrop)


def dodge(backdrop: float, source: float) -> float:
    return 0 if backdrop == 0 else 1 if source == 1 else min(1, backdrop / (1 - source))


def burn(backdrop: float, source: float) -> float:
    return 1 if backdrop == 1 else 0 if source == 0 else 1 - min(1, (1 - backdrop) / source)


SEPARABLE = {
    "multiply": lambda b, s: b * s,
    "screen": lambda b, s: b + s - b * s,
    "overlay": lambda b, s: hard_light(s, b),
    "darken": min,
    "lighten": max,
    "colour-dodge": dodge,
    "colour-burn": burn,
    "hard-light": hard_light,
    "soft-light": soft_light,
    "difference": lambda b, s: abs(b - s),
    "exclusion": lambda b, s: b + s - 2 * b * s,
}


def lum(colour):
    return 0.3 * colour[0] + 0.59 * colour[1] + 0.11 * colour[2]


def sat(colour):
    return max(colour) - min(colour)


def clip_colour(colour):
    middle, low, high = lum(colour), min(colour), max(colour)
    if low < 0:
        colour = [middle + (value - middle) * middle / (middle - low) for value in colour]
    if high > 1:
        colour = [middle + (value - middle) * (1 - middle) / (high - middle) for value in colour]
    return colour


def set_lum(colour, luminosity):
    return clip_colour([value + luminosity - lum(colour) for value in colour])


def set_sat(colour, saturation):
    low, high = min(colour), max(colour)
    return [(value - low) * saturation / (high - low) if high > low else 0 for value in colour]


TOGETHER = {
    "hue": lambda b, s: set_lum(set_sat(s, sat(b)), lum(b)),
    "saturation": lambda b, s: set_lum(set_sat(b, sat(s)), lum(b)),
    "colour": lambda b, s: set_lum(s, lum(b)),
    "luminosity": lambda b, s: set_lum(b, lum(s)),
}

FACTORS = {
    "over": lambda b, s: (1, 1 - s),
    "atop": lambda b, s: (b, 1 - s),
    "dest-over": lambda b, s: (1 - b, 1),
    "dest-out": lambda b, s: (0, 1 - s),
    "xor": lambda b, s: (1 - b, 1 - s),
    "add": lambda b, s: (1, 1),
}


def expected(backdrop, source, blend, opacity):
    """The result of one pixel, 0 to 255: colours times alpha, and alpha."""
    *b, alpha_b = (value / 255 for value in backdrop)
    *s, alpha_s = (value / 255 for value in source)
    alpha_s *= opacity
    if blend in TOGETHER:
        mixed = TOGETHER[blend](b, s)
    elif blend in SEPARABLE:
        mixed = [SEPARABLE[blend](one, other) for one, other in zip(b, s, strict=True)]
    else:
        mixed = s
    shown = [(1 - alpha_b) * own + alpha_b * both for own, both in zip(s, mixed, strict=True)]
    above, below = FACTORS.get(blend, FACTORS["over"])(alpha_b, alpha_s)
    alpha = min(1, alpha_s * above + alpha_b * below)
    colours = [min(alpha, alpha_s * above * one + alpha_b * below * other) for one, other in zip(shown, b, strict=True)]
    return np.array([*colours, alpha]) * 255


EDGES = np.array([0, 1, 63, 64, 65, 127, 128, 191, 254, 255], np.uint8)


def pixels(seed: int, channels: int) -> np.ndarray:
    """60 x 50 pixels: random levels, and many that lie at the limits of the formulas."""
    chance = np.random.default_rng(seed)
    random = chance.integers(0, 256, (50, 60, channels)).astype(np.uint8)
    return np.where(chance.random((50, 60, channels)) < 0.4, chance.choice(EDGES, (50, 60, channels)), random)


def worst(backdrop: np.ndarray, source: np.ndarray, blend: str, opacity: float) -> float:
    image = Image.fromarray(backdrop)
    composite(image, Image.fromarray(source), (0, 0), blend, opacity)
    found = np.asarray(image.convert("RGBA"), float)
    found[..., :3] *= found[..., 3:] / 255
    opaque = np.full((*backdrop.shape[:2], 1), 255, np.uint8)
    whole = backdrop if backdrop.shape[-1] == 4 else np.concatenate([backdrop, opaque], -1)
    right = [
        [expected(one, other, blend, opacity) for one, other in zip(*rows, strict=True)]
        for rows in zip(whole.tolist(), source.tolist(), strict=True)
    ]
    return float(np.abs(found - right).max())


@pytest.mark.parametrize("opacity", [1.0, 0.37])
@pytest.mark.parametrize("blend", BLENDS)
def test_every_blend_mode_follows_its_formula_on_a_picture_with_alpha(blend, opacity):
    assert worst(pixels(1, 4), pixels(2, 4), blend, opacity) <= BOUND + ROUNDING


@pytest.mark.parametrize("opacity", [1.0, 0.37])
@pytest.mark.parametrize("blend", [blend for blend in BLENDS if blend not in ("dest-out", "xor")])
def test_every_blend_mode_follows_its_formula_on_an_opaque_picture(blend, opacity):
    assert worst(pixels(3, 3), pixels(4, 4), blend, opacity) <= BOUND + ROUNDING


def test_every_blend_mode_has_its_formula_and_the_other_way_round():
    assert {*BLEND_FUNCTIONS, *OPERATORS} == {*SEPARABLE, *TOGETHER, *FACTORS} == set(BLENDS)
    assert set(BLEND_ALIASES.values.values()) <= set(BLENDS)


@pytest.mark.parametrize("blend", BLENDS)
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_transparent_overlay_and_one_without_opacity_change_nothing(noise, mode, blend):
    image = noise.convert(mode)
    composite(image, Image.new("RGBA", (90, 70), (255, 0, 0, 0)), (0, 0), blend)
    composite(image, Image.new("RGBA", (90, 70), (255, 0, 0, 255)), (0, 0), blend, 0.0)
    assert image.tobytes() == noise.convert(mode).tobytes()


@pytest.mark.parametrize("corner", [(-30, -20), (70, 60), (-200, 0), (0, 90), (95, 5), (-1, 3)])
@pytest.mark.parametrize("blend", ["over", "multiply"])
def test_only_what_lies_on_the_picture_is_mixed(noise, corner, blend):
    overlay = Image.new("RGBA", (40, 30), (200, 100, 50, 128))
    whole = Image.new("RGB", (490, 470))
    whole.paste(noise, (200, 200))
    composite(whole, overlay, (200 + corner[0], 200 + corner[1]), blend)
    image = noise.copy()
    composite(image, overlay, corner, blend)
    assert image.tobytes() == whole.crop((200, 200, 290, 270)).tobytes()


def test_the_colours_of_transparent_pixels_never_show():
    """Neither those of the picture nor those of the overlay."""
    shown = []
    for hidden in ((0, 255, 255), (255, 0, 0)):
        image = Image.new("RGBA", (20, 20), (*hidden, 0))
        overlay = Image.new("RGBA", (20, 20), (*hidden, 0))
        overlay.paste((10, 200, 30, 90), (5, 5, 15, 15))
        composite(image, overlay, (0, 0))
        assert image.getpixel((7, 7)) == (10, 200, 30, 90)
        shown.append(image.crop((5, 5, 15, 15)).tobytes())
        assert image.getchannel("A").getbbox() == (5, 5, 15, 15)
    assert shown[0] == shown[1]
