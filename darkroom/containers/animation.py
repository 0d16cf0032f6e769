"""The frames of an animation as its file stores them, found without decoding any.

GIF, WebP and PNG store each frame as pixels for a part of the canvas. `StoredFrame.still` makes of each one a still
photo of the same format, so that the decoder of photos reads it. `worker/photo/animation/` draws them on the canvas.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from darkroom.containers.view import Part

FOREVER = 0
"""`plays` of an animation that begins again without an end."""

MOST_COUNTED = 100_000
"""Frames that are counted in a file. The settings allow fewer."""

Disposal = Literal["keep", "clear", "restore"]
"""What becomes of a frame when the next one follows: it stays, its part of the canvas becomes transparent, or the part
becomes what it was before."""


@dataclass(frozen=True)
class StoredFrame:
    """One frame. `left` and `top` are its place on the canvas, and `width` and `height` its size, in pixels.

    `duration` is in milliseconds, as stored. `blends`: its transparent pixels show what was there before. Otherwise
    they replace it. `still`: the parts of a file with this frame alone.
    """

    left: int
    top: int
    width: int
    height: int
    duration: float
    blends: bool
    disposal: Disposal
    still: tuple[Part, ...]


@dataclass(frozen=True)
class StoredAnimation:
    """The frames of a file, which `frames` reads one after the other.

    `plays`: how many times it is shown, or FOREVER. `announced`: the number of frames that the header names; None if it
    names none.
    """

    plays: int
    frames: Iterator[StoredFrame]
    announced: int | None = None
