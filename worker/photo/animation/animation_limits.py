"""How long an animation may be: its frames, and the pixels of all of them."""

from __future__ import annotations

from dataclasses import dataclass

from darkroom.errors import TooManyFrames, TooManyPixels
from darkroom.jobs.sizes import Size


@dataclass(frozen=True)
class AnimationLimits:
    """`frames` that a job may take of a photo, and `pixels` (width x height) of them together. They hold for the photo
    and for each result."""

    frames: int = 1_000
    pixels: int = 250_000_000

    def check(self, what: str, frames: int, size: Size) -> None:
        """Raises TooManyFrames or TooManyPixels. `what`: the subject of the message, such as "The animation"."""
        if frames > self.frames:
            raise TooManyFrames(
                f"{what} has {frames:,} frames; at most {self.frames:,} are allowed. "
                f'Ask for a part of them: "frames": {self.frames}.'
            )
        pixels = frames * size[0] * size[1]
        if pixels > self.pixels:
            fit = self.pixels // (size[0] * size[1])
            raise TooManyPixels(
                f"{what} has {frames:,} frames of {size[0]} x {size[1]}, {pixels:,} pixels in all; at most "
                f"{self.pixels:,} are allowed. "
                + (f'Ask for fewer of them, such as "frames": {fit}.' if fit > 1 else "A still result is possible.")
            )


USUAL_LIMITS = AnimationLimits()
