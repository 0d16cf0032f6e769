"""The frames of an animation as its file stores them, found without decoding any.

GIF, WebP and PNG store each frame as pixels for a part of the canvas. `StoredFrame.still` makes of each one a still
photo of the same format, so that the decoder of photos reads it. `worker/photo/animation/` draws them on the canvas.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from darkroom.containers.view import Part

FOREVER = 0
"""`plays` of an animation that begins again without an end."""

MOST_COUNTED = 10_000
"""Frames that are counted in a file. The settings allow no more."""

SHORT_DURATION, USUAL_DURATION = 10.0, 100.0
"""Milliseconds. Browsers show a frame for the second time if the file says at most the first one (Chromium,
deferred_image_decoder.cc; Firefox, FrameTimeout.h; WebKit, ScalableImageDecoder)."""

Disposal = Literal["keep", "clear", "restore"]
"""What becomes of a frame when the next one follows: it stays, its part of the canvas becomes transparent, or the part
becomes what it was before."""


@dataclass(frozen=True)
class StoredFrame:
    """One frame. `left` and `top` are its place on the canvas, and `width` and `height` its size, in pixels.

    `duration` is in milliseconds, as stored. `blends`: its transparent pixels, if it can have some, show what was there
    before. Otherwise they replace it. `still`: the parts of a file with this frame alone.
    """

    left: int
    top: int
    width: int
    height: int
    duration: float
    blends: bool
    disposal: Disposal
    still: tuple[Part, ...]


class StoredFrames(NamedTuple):
    """The first frames of a file. `whole`: they do not end at damage, or where the file is cut short."""

    frames: list[StoredFrame]
    whole: bool


def shown_duration(stored: float) -> float:
    """For how many milliseconds browsers show a frame with this duration."""
    return stored if stored > SHORT_DURATION else USUAL_DURATION
