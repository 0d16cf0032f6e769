"""Write animated PNGs (W3C PNG, third edition, 4.9 and 11.3.6)."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from itertools import count
from typing import BinaryIO

from PIL import Image, ImageChops

from darkroom.containers.png import END, SIGNATURE, Chunk, chunks_of
from darkroom.jobs.output import Output
from worker.photo.encode.frame_sequence import Clock, Frames
from worker.photo.encode.png_encoder import write_png
from worker.photo.result_metadata.blocks import MetadataBlocks

_NOTHING = MetadataBlocks()


def write_png_frames(frames: Frames, file: BinaryIO, output: Output, blocks: MetadataBlocks) -> None:
    """Each frame replaces the part of the picture that changes."""
    output = output.model_copy(update={"colours": None})  # all frames would have to share one palette
    numbers = count()
    clock = Clock(1, 1, 0xFFFF)
    shown: Image.Image | None = None
    for frame in frames.frames:
        box = (0, 0, *frames.size) if shown is None else _changed_box(frame.image, shown)
        still = io.BytesIO()
        write_png(frame.image.crop(box), still, output, _NOTHING if shown else blocks)
        if shown is None:
            _write_head(still, frames, file)
        left, top, right, bottom = box
        place = struct.pack(">5I", next(numbers), right - left, bottom - top, left, top)
        file.write(_chunk(b"fcTL", place + struct.pack(">HHBB", clock.units(frame.duration), 1000, 0, 0)))
        for data in _pixels(still):
            if shown is None:
                file.write(_chunk(b"IDAT", data))
            else:
                file.write(_chunk(b"fdAT", struct.pack(">I", next(numbers)) + data))
        shown = frame.image
    file.write(END)


def _write_head(still: BinaryIO, frames: Frames, file: BinaryIO) -> None:
    """What stands before the pixels of the first frame: all chunks of a still PNG, and the number of frames."""
    file.write(SIGNATURE)
    for chunk in chunks_of(still, until=b"IDAT"):
        if chunk.kind != b"IDAT":
            file.write(_chunk(chunk.kind, _data(still, chunk)))
        if chunk.kind == b"IHDR":
            file.write(_chunk(b"acTL", struct.pack(">II", frames.count, frames.plays)))


def _changed_box(image: Image.Image, shown: Image.Image) -> tuple[int, int, int, int]:
    """The part in which two pictures differ; one pixel if they are equal, because a frame cannot be empty."""
    return ImageChops.difference(image, shown).getbbox(alpha_only=False) or (0, 0, 1, 1)


def _pixels(still: BinaryIO) -> Iterator[bytes]:
    for chunk in list(chunks_of(still, until=b"IEND")):
        if chunk.kind == b"IDAT":
            yield _data(still, chunk)


def _data(still: BinaryIO, chunk: Chunk) -> bytes:
    still.seek(chunk.start)
    return still.read(chunk.length)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(kind)))
