"""Write animated WebPs."""

from __future__ import annotations

from typing import BinaryIO

from darkroom.jobs.output import Output
from worker.photo.encode.frame_sequence import Clock, FrameByFrame, Frames
from worker.photo.encode.webp_encoder import webp_options
from worker.photo.result_metadata.blocks import MetadataBlocks

MOST_PLAYS, MOST_DURATION = 0xFFFF, 0xFFFFFF
"""Numbers of 16 and 24 bits in the file."""


def write_webp_frames(frames: Frames, file: BinaryIO, output: Output, blocks: MetadataBlocks) -> None:
    """libwebp stores what changes from frame to frame, and makes one of equal frames that follow each other."""
    animation = FrameByFrame(frames, Clock(1, 1, MOST_DURATION))
    animation.save(
        file,
        "WEBP",
        save_all=True,
        duration=animation.durations,
        loop=min(frames.plays, MOST_PLAYS),
        **webp_options(output, blocks),
    )
