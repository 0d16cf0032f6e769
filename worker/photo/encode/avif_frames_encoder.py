"""Write AVIF sequences."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from typing import Any, BinaryIO

from darkroom.containers.animation import FOREVER
from darkroom.containers.boxes import Box, boxes, first_boxes
from darkroom.jobs.output import Output
from darkroom.jobs.output_formats import OUTPUT_FORMATS
from worker.photo.encode.chroma import subsampling
from worker.photo.encode.frame_sequence import Clock, FrameByFrame, Frames
from worker.photo.result_metadata.blocks import MetadataBlocks

SPEED = 7
"""Of 0..10. From 7 on, aom works as for live video. On a scene of 10 frames, 480 pixels wide, 6 takes 5.8 times the CPU
time, and 8 saves 13 percent of it with files 1 percent larger. The quality means less at 7: 29.3 instead of 31.3 dB, in
files of 60 instead of 87 KB."""

_TIMES = {b"mvhd": (4, 24), b"tkhd": (4, 28), b"mdhd": (4, None)}
"""Boxes of version 1 -> where the two times stand at which the file was made, and where the duration stands (ISO/IEC
14496-12, 8.2.2, 8.3.2, 8.4.2)."""


def write_avif_frames(frames: Frames, file: BinaryIO, output: Output, blocks: MetadataBlocks) -> None:
    """libavif writes sequences that begin again without an end, and the time at which it does so. Both are corrected:
    the bytes of a result depend on nothing but its pixels and its output."""
    animation = FrameByFrame(frames, Clock(1, 1, 0xFFFFFF))
    quality = OUTPUT_FORMATS["avif"].quality if output.quality is None else output.quality
    options: dict[str, Any] = {"exif": blocks.exif, "xmp": blocks.xmp, "icc_profile": blocks.icc}
    written = io.BytesIO()
    animation.save(
        written,
        "AVIF",
        save_all=True,
        duration=animation.durations,
        quality=quality,
        speed=SPEED if output.effort is None else 9 - output.effort,
        subsampling=subsampling(animation, output, "4:2:0"),
        codec="aom",
        max_threads=1,
        **options,
    )
    data = bytearray(written.getvalue())
    for box in _boxes_with_times(written):
        made, duration = _TIMES[box.kind]
        data[box.start + made : box.start + made + 16] = bytes(16)
        if duration and frames.plays != FOREVER:
            struct.pack_into(">Q", data, box.start + duration, frames.plays * sum(animation.durations))
    file.write(data)


def _boxes_with_times(stream: BinaryIO) -> Iterator[Box]:
    movie = first_boxes(stream).get(b"moov")
    inside = [movie] if movie else []  # a sequence of one frame is a still picture
    while inside:
        outer = inside.pop()
        for box in boxes(stream, outer.start, outer.end):
            if box.kind in (b"trak", b"mdia"):
                inside.append(box)
            elif box.kind in _TIMES:
                yield box
