"""Resizes in floating point, by the definition of the Lanczos kernel, without rounding between the passes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Plane = npt.NDArray[np.float32]
"""Height x width, or height x width x channels; 0 to 255."""

LOBES = 3


def lanczos(distance: Any) -> Any:
    """The kernel with three lobes: sinc(x) * sinc(x / 3) within 3, else 0. `np.sinc` has the factor pi."""
    return np.where(np.abs(distance) < LOBES, np.sinc(distance) * np.sinc(distance / LOBES), 0)


def resampled(picture: Plane, width: int, height: int) -> Plane:
    """The whole picture at another size. Colours with alpha have to be multiplied by it before."""
    return _columns(_columns(picture, height).swapaxes(0, 1), width).swapaxes(0, 1)


def _columns(picture: Plane, length: int) -> Plane:
    """The first axis at another length. The outermost pixels are repeated beyond the border where it becomes longer;
    where it becomes shorter, the border ends the kernel."""
    source = picture.shape[0]
    scale = source / length
    stretch = max(1.0, scale)
    result = np.empty((length, *picture.shape[1:]), np.float32)
    for at in range(length):
        centre = (at + 0.5) * scale
        taps = np.arange(int(np.floor(centre - LOBES * stretch)), int(np.ceil(centre + LOBES * stretch)) + 1)
        weights = lanczos((taps + 0.5 - centre) / stretch)
        if scale > 1:
            inside = (taps >= 0) & (taps < source)
            taps, weights = taps[inside], weights[inside]
        rows = picture[np.clip(taps, 0, source - 1)]
        result[at] = np.tensordot((weights / weights.sum()).astype(np.float32), rows, axes=1)
    return result


def premultiplied(rgba: Plane) -> Plane:
    """Colours times alpha, and alpha. 0 to 255."""
    multiplied: Plane = np.concatenate([rgba[..., :3] * rgba[..., 3:] / 255, rgba[..., 3:]], axis=-1)
    return multiplied


def on_white(colours_times_alpha: Plane) -> Plane:
    """A premultiplied picture on white."""
    shown: Plane = np.clip(colours_times_alpha[..., :3] + 255 - colours_times_alpha[..., 3:], 0, 255)
    return shown
