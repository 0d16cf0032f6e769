"""Write animated WebPs."""

from __future__ import annotations

import io
from typing import BinaryIO

from darkroom.jobs.output import Output
from worker.photo.encode.frame_sequence import Clock, FrameByFrame, Frames
from worker.photo.encode.webp_encoder import webp_options
from worker.photo.result_metadata.blocks import MetadataBlocks

MOST_PLAYS, MOST_DURATION = 0xFFFF, 0xFFFFFF
"""Numbers of 16 and 24 bits in the file."""

ALPHA = 0x10
"""The flag of a file with transparent pixels. libwebp leaves it out if each frame is opaque on its own part of the
canvas; decoders then show the rest of the canvas opaque."""


def write_webp_frames(frames: Frames, file: BinaryIO, output: Output, blocks: MetadataBlocks) -> None:
    """libwebp stores what changes from frame to frame, and makes one of equal frames that follow each other.

    Without key frames. Pillow's default, one in three to five frames, made a scene with a moving camera no larger and
    took 1.5 times the CPU time; a scene with a still background became 2.5 times as large.
    """
    animation = FrameByFrame(frames, Clock(1, 1, MOST_DURATION))
    written = io.BytesIO()
    animation.save(
        written,
        "WEBP",
        save_all=True,
        duration=animation.durations,
        loop=min(frames.plays, MOST_PLAYS),
        kmin=0,
        kmax=0,
        **webp_options(output, blocks),
    )
    data = bytearray(written.getvalue())
    if frames.mode == "RGBA" and data[12:16] == b"VP8X":
        data[20] |= ALPHA
    file.write(data)
