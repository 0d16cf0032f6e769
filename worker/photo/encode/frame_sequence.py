"""What the encoders of animations get: frames one after the other, so that only a few are in memory at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple

from PIL import Image

from darkroom.jobs.output import Output
from darkroom.jobs.sizes import Size
from worker.photo.result_metadata.blocks import MetadataBlocks


class ShownFrame(NamedTuple):
    """A whole picture, RGB or RGBA, and for how many milliseconds it is shown."""

    image: Image.Image
    duration: float


@dataclass(frozen=True)
class Frames:
    """An animation to write: `count` frames of one size and one mode, RGB or RGBA. They can be read once.

    `plays`: how many times it is shown; FOREVER of darkroom/containers/animation.py for no end.
    """

    size: Size
    mode: str
    count: int
    plays: int
    frames: Iterator[ShownFrame]


WriteFrames = Callable[[Frames, BinaryIO, Output, MetadataBlocks], None]
"""function(frames, file, output, blocks) that writes an animation to an empty file. The same pictures and output give
the same bytes."""


class Clock:
    """Durations in whole `unit`s of milliseconds, rounded so that the frames keep to the times of the animation.

    Each duration has at least `least` units, and at most `most`.
    """

    def __init__(self, unit: int, least: int, most: int) -> None:
        self._unit, self._least, self._most = unit, least, most
        self._time = 0.0
        """Until when the frames so far are shown, in milliseconds."""
        self._given = 0

    def units(self, duration: float) -> int:
        """The duration of the next frame."""
        self._time += duration
        units = min(self._most, max(self._least, int(self._time / self._unit + 0.5) - self._given))
        self._given += units
        return units


class FrameByFrame(Image.Image):
    """An animation as Pillow's writers take it: an opened file with `n_frames` and `seek`.

    Pillow asks for the frames in their order, and for the duration of a frame after it has taken the frame.
    `durations` is filled on the way.
    """

    def __init__(self, frames: Frames, clock: Clock) -> None:
        super().__init__()
        self.n_frames = frames.count
        self.is_animated = frames.count > 1
        self.durations: list[int] = []
        self._frames = frames.frames
        self._clock = clock
        self._at = -1
        self.seek(0)

    def seek(self, frame: int) -> None:
        if frame >= self.n_frames:
            raise EOFError
        if frame > self._at:  # at the end Pillow goes back to the first one, and does not read it again
            image, duration = next(self._frames)
            self._im, self._mode, self._size = image.im, image.mode, image.size
            self.durations.append(self._clock.units(duration))
            self._at = frame

    def tell(self) -> int:
        return max(0, self._at)
