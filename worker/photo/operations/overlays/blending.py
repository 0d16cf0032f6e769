"""How an overlay's colour meets that of the picture: the formulas of W3C Compositing and Blending Level 1.

Levels are 0 to 1, as float32. They are those of the picture's own colours, with their curve, as in CSS and in sharp.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

Levels = npt.NDArray[np.float32]
"""Rows, columns, and for colours the channels red, green and blue."""

LUMINOSITY = (0.3, 0.59, 0.11)
"""The weights of red, green and blue in the blend modes that are not separable (section 10.2)."""


def _multiply(backdrop: Levels, source: Levels) -> Levels:
    return backdrop * source


def _screen(backdrop: Levels, source: Levels) -> Levels:
    return backdrop + source - backdrop * source


def _overlay(backdrop: Levels, source: Levels) -> Levels:
    return _hard_light(source, backdrop)


def _hard_light(backdrop: Levels, source: Levels) -> Levels:
    mixed: Levels = np.where(source <= 0.5, _multiply(backdrop, 2 * source), _screen(backdrop, 2 * source - 1))
    return mixed


def _soft_light(backdrop: Levels, source: Levels) -> Levels:
    curve = np.where(backdrop <= 0.25, ((16 * backdrop - 12) * backdrop + 4) * backdrop, np.sqrt(backdrop))
    darker = backdrop - (1 - 2 * source) * backdrop * (1 - backdrop)
    lighter = backdrop + (2 * source - 1) * (curve - backdrop)
    return np.where(source <= 0.5, darker, lighter)


def _colour_dodge(backdrop: Levels, source: Levels) -> Levels:
    quotient = np.divide(backdrop, 1 - source, out=np.ones_like(backdrop), where=source < 1)
    return np.where(backdrop == 0, np.float32(0), np.minimum(np.float32(1), quotient))


def _colour_burn(backdrop: Levels, source: Levels) -> Levels:
    quotient = np.divide(1 - backdrop, source, out=np.ones_like(backdrop), where=source > 0)
    mixed: Levels = np.where(backdrop == 1, np.float32(1), 1 - np.minimum(np.float32(1), quotient))
    return mixed


def _difference(backdrop: Levels, source: Levels) -> Levels:
    distance: Levels = np.abs(backdrop - source)
    return distance


def _exclusion(backdrop: Levels, source: Levels) -> Levels:
    return backdrop + source - 2 * backdrop * source


def _hue(backdrop: Levels, source: Levels) -> Levels:
    return _with_luminosity(_with_saturation(source, _saturation(backdrop)), _luminosity(backdrop))


def _saturate(backdrop: Levels, source: Levels) -> Levels:
    return _with_luminosity(_with_saturation(backdrop, _saturation(source)), _luminosity(backdrop))


def _colour(backdrop: Levels, source: Levels) -> Levels:
    return _with_luminosity(source, _luminosity(backdrop))


def _luminous(backdrop: Levels, source: Levels) -> Levels:
    return _with_luminosity(backdrop, _luminosity(source))


def _luminosity(colour: Levels) -> Levels:
    """Lum of section 10.2."""
    red, green, blue = (colour[..., channel : channel + 1] * LUMINOSITY[channel] for channel in range(3))
    total: Levels = red + green + blue
    return total


def _saturation(colour: Levels) -> Levels:
    """Sat of section 10.2."""
    spread: Levels = colour.max(axis=-1, keepdims=True) - colour.min(axis=-1, keepdims=True)
    return spread


def _with_luminosity(colour: Levels, luminosity: Levels) -> Levels:
    """SetLum and ClipColor of section 10.2."""
    colour = colour + (luminosity - _luminosity(colour))
    middle = _luminosity(colour)
    low, high = colour.min(axis=-1, keepdims=True), colour.max(axis=-1, keepdims=True)
    up = np.divide(middle, middle - low, out=np.ones_like(middle), where=(low < 0) & (middle > low))
    down = np.divide(1 - middle, high - middle, out=np.ones_like(middle), where=(high > 1) & (high > middle))
    clipped: Levels = middle + (colour - middle) * np.minimum(up, down)
    return clipped


def _with_saturation(colour: Levels, saturation: Levels) -> Levels:
    """SetSat of section 10.2: the lowest channel becomes 0 and the highest becomes the saturation."""
    low, spread = colour.min(axis=-1, keepdims=True), _saturation(colour)
    factor = np.divide(saturation, spread, out=np.zeros_like(spread), where=spread > 0)
    stretched: Levels = (colour - low) * factor
    return stretched


BLEND_FUNCTIONS: Mapping[str, Callable[[Levels, Levels], Levels]] = {
    "multiply": _multiply,
    "screen": _screen,
    "overlay": _overlay,
    "darken": np.minimum,
    "lighten": np.maximum,
    "colour-dodge": _colour_dodge,
    "colour-burn": _colour_burn,
    "hard-light": _hard_light,
    "soft-light": _soft_light,
    "difference": _difference,
    "exclusion": _exclusion,
    "hue": _hue,
    "saturation": _saturate,
    "colour": _colour,
    "luminosity": _luminous,
}
"""Blend mode (sections 9.1 and 10) -> function(colour of the backdrop, colour of the overlay), which mixes them."""

OPERATORS: Mapping[str, Callable[[Levels, Levels], tuple[Levels | float, Levels | float]]] = {
    "over": lambda _backdrop, source: (1.0, 1 - source),
    "atop": lambda backdrop, source: (backdrop, 1 - source),
    "dest-over": lambda backdrop, _source: (1 - backdrop, 1.0),
    "dest-out": lambda _backdrop, source: (0.0, 1 - source),
    "xor": lambda backdrop, source: (1 - backdrop, 1 - source),
    "add": lambda _backdrop, _source: (1.0, 1.0),
}
"""Operator of Porter and Duff (section 8) -> function(alpha of the backdrop, alpha of the overlay): the shares of the
overlay and of the backdrop in the result. A blend mode goes with `over`."""
