"""The limit of a photo's pixels, checked with the size in its header."""

from __future__ import annotations

from darkroom.errors import TooManyPixels


def check_pixels(width: int, height: int, max_pixels: int) -> None:
    """Raise TooManyPixels when a photo of this size is larger than allowed."""
    if width * height > max_pixels:
        raise TooManyPixels(
            f"The photo has {width * height:,} pixels ({width} x {height}); at most {max_pixels:,} are allowed."
        )
