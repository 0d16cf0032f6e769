"""The formats whose animations are found by walking the file: each of their frames is a part of a canvas."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import BinaryIO

from darkroom.containers import gif_frames, png_frames, webp_frames
from darkroom.containers.animation import FOREVER, MOST_COUNTED, StoredFrames, shown_duration
from darkroom.containers.track_times import track_times


@dataclass(frozen=True)
class FrameFormat:
    """`stored_frames(stream, most)` are the first frames. `plays(stream)`: how many times they are shown."""

    stored_frames: Callable[[BinaryIO, int], StoredFrames]
    plays: Callable[[BinaryIO], int]


FRAME_FORMATS: Mapping[str, FrameFormat] = {
    "gif": FrameFormat(gif_frames.stored_frames, gif_frames.plays),
    "webp": FrameFormat(webp_frames.stored_frames, webp_frames.plays),
    "png": FrameFormat(png_frames.stored_frames, png_frames.plays),
}
"""Names as in darkroom/sniff.py."""


def frame_count(stream: BinaryIO, photo_format: str) -> int:
    """The number of frames of a GIF, WebP or PNG, at most MOST_COUNTED; 1 for a still photo. Decodes nothing.

    For a PNG it is the number that the header announces.
    """
    if photo_format == "png":
        counts = png_frames.announced(stream)
        return max(1, min(MOST_COUNTED, counts[0])) if counts else 1
    return max(1, len(FRAME_FORMATS[photo_format].stored_frames(stream, MOST_COUNTED).frames))


def shown_durations(stream: BinaryIO, photo_format: str) -> list[float]:
    """For how many milliseconds browsers show each frame of a GIF, WebP, PNG or AVIF. Empty for a still photo."""
    if photo_format == "avif":
        times = track_times(stream)
        durations = times.durations if times else []
    else:
        frames, _whole = FRAME_FORMATS[photo_format].stored_frames(stream, MOST_COUNTED)
        durations = [frame.duration for frame in frames]
    return [shown_duration(duration) for duration in durations] if len(durations) > 1 else []


def plays(stream: BinaryIO, photo_format: str) -> int:
    """How many times a GIF, WebP, PNG or AVIF is shown, or FOREVER."""
    if photo_format == "avif":
        times = track_times(stream)
        return times.plays if times else FOREVER
    return FRAME_FORMATS[photo_format].plays(stream)
