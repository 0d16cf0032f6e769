"""The luma of a picture, and curves of levels."""

from __future__ import annotations

from collections.abc import Callable

from PIL import Image

LUMA = {"rec709": (0.2126, 0.7152, 0.0722), "rec601": (0.299, 0.587, 0.114)}
"""The weights of red, green and blue in the luma of ITU-R BT.709 and BT.601."""


def luma(image: Image.Image, standard: str = "rec709") -> Image.Image:
    """The luma of an RGB image, in mode L."""
    return image.convert("L", (*LUMA[standard], 0.0))


def curve(value: Callable[[int], float]) -> list[int]:
    """For each level 0 to 255 its new one: the value, kept within 0 to 255 and rounded half up."""
    return [int(min(255.0, max(0.0, value(level))) + 0.5) for level in range(256)]
