"""The looks: what each makes of colours. docs/filters.md has the same as a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import reduce

import numpy as np
import numpy.typing as npt

from darkroom.jobs.steps.filters.looks import LookName
from worker.photo.operations.filters.luma import LUMA
from worker.photo.operations.filters.monotone_cubic import Points, monotone_cubic

Colours = npt.NDArray[np.float32]
"""Any shape, with red, green and blue as the last axis, from 0 to 1."""

Change = Callable[[Colours], Colours]


def _luma(colours: Colours) -> Colours:
    tones: Colours = (colours @ np.array(LUMA["rec709"], np.float32))[..., None]
    return tones


def saturated(amount: float) -> Change:
    """As the filter `saturation`."""
    return lambda colours: _luma(colours) + np.float32(amount) * (colours - _luma(colours))


def bent(*points: tuple[float, float]) -> Change:
    """As the filter `curves`, with values from 0 to 255."""
    return channels_bent(points, points, points)


def channels_bent(*points_of_channels: Points) -> Change:
    """As the filter `curves`, with points for red, green and blue."""
    of_channels = [monotone_cubic(points) for points in points_of_channels]

    def change(colours: Colours) -> Colours:
        steps = np.arange(0, 256, 0.25)
        result = np.empty_like(colours)
        for channel, value in enumerate(of_channels):
            result[..., channel] = np.interp(colours[..., channel] * 255, steps, [value(step) for step in steps]) / 255
        return result

    return change


def toned(shadows: tuple[int, int, int], highlights: tuple[int, int, int], amount: float) -> Change:
    """Mix the picture with the tones between two colours, as the filter `duotone`. Then bring back its luma."""
    dark, light = (np.array(colour, np.float32) / np.float32(255) for colour in (shadows, highlights))

    def change(colours: Colours) -> Colours:
        luma = _luma(colours)
        tones = np.asarray(dark + (light - dark) * luma, np.float32)
        tones += luma - _luma(tones)
        return np.asarray(colours + np.float32(amount) * (tones - colours), np.float32)

    return change


def multiplied(red: float, green: float, blue: float) -> Change:
    """Multiply each channel."""
    factors = np.array((red, green, blue), np.float32)
    return lambda colours: colours * factors


def _look(*changes: Change) -> Change:
    """One change after the other. The values are kept within 0 to 1 after each."""
    return lambda colours: reduce(lambda now, change: np.clip(change(now), 0, 1), changes, colours)


LOOKS: Mapping[LookName, Change] = {
    "faded": _look(saturated(0.7), bent((0, 42), (70, 88), (180, 186), (255, 236))),
    "matte": _look(bent((0, 28), (40, 46), (128, 132), (210, 214), (255, 240)), saturated(0.9)),
    "warm": _look(multiplied(1.06, 1.0, 0.88), saturated(1.08), bent((0, 4), (128, 134), (255, 255))),
    "cool": _look(multiplied(0.92, 1.0, 1.08), saturated(0.95), bent((0, 0), (64, 60), (192, 196), (255, 255))),
    "golden": _look(
        toned((70, 38, 20), (255, 214, 140), 0.28),
        multiplied(1.06, 1.0, 0.9),
        bent((0, 8), (64, 66), (150, 164), (255, 252)),
    ),
    "moonlight": _look(
        saturated(0.35), toned((8, 18, 48), (176, 206, 255), 0.6), bent((0, 0), (96, 58), (190, 148), (255, 232))
    ),
    "teal-orange": _look(
        toned((0, 84, 96), (255, 190, 128), 0.38), saturated(1.25), bent((0, 0), (64, 56), (192, 202), (255, 255))
    ),
    "bleached": _look(saturated(0.45), bent((0, 0), (64, 42), (128, 132), (192, 218), (255, 255))),
    "pastel": _look(saturated(0.8), bent((0, 58), (96, 142), (192, 220), (255, 250)), multiplied(1.02, 0.99, 1.02)),
    "noir": _look(saturated(0.0), bent((0, 0), (56, 22), (128, 122), (190, 220), (255, 255))),
}
"""Name -> the change of colours."""
