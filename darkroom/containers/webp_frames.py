"""The frames of a WebP (WebP Container Specification)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import islice
from typing import BinaryIO

from darkroom.containers.animation import FOREVER, StoredFrame, StoredFrames
from darkroom.containers.view import Part
from darkroom.containers.webp import RiffChunk, chunks

_HEAD = 16
"""Bytes of a frame before its chunks."""

_DISPOSE, _NO_BLENDING, _HAS_ALPHA = 0x01, 0x02, 0x10
_ALPHA_IS_USED = 0x10


def stored_frames(stream: BinaryIO, most: int) -> StoredFrames:
    """The first frames of a WebP, at most `most`. One that is cut short is not among them."""
    size = stream.seek(0, 2)
    stream.seek(4)
    announced = 8 + int.from_bytes(stream.read(4), "little")
    frames = list(islice(_frames(stream, size), most))
    return StoredFrames(frames, len(frames) == most or announced <= size)


def plays(stream: BinaryIO) -> int:
    """How many times it is shown, or FOREVER."""
    for chunk in chunks(stream):
        if chunk.kind == b"ANIM":
            stream.seek(chunk.start)
            return int.from_bytes(stream.read(6)[4:], "little")
        if chunk.kind == b"ANMF":
            break
    return FOREVER


def _frames(stream: BinaryIO, size: int) -> Iterator[StoredFrame]:
    for chunk in chunks(stream):
        if chunk.start + chunk.length > size:
            return
        if chunk.kind == b"ANMF" and chunk.length > _HEAD:
            stream.seek(chunk.start)
            head = stream.read(_HEAD)
            first = stream.read(13)
            left, top, width, height, duration = (int.from_bytes(head[at : at + 3], "little") for at in range(0, 15, 3))
            yield StoredFrame(
                2 * left,
                2 * top,
                width + 1,
                height + 1,
                duration,
                not (head[15] & _NO_BLENDING and _has_alpha(first)),
                "clear" if head[15] & _DISPOSE else "keep",
                _still(chunk, head, first[:4] == b"ALPH"),
            )


def _has_alpha(chunk: bytes) -> bool:
    """Whether a frame whose first chunk begins so has alpha (WebP Lossless Bitstream, 3)."""
    lossless = chunk[:4] == b"VP8L" and len(chunk) == 13
    return chunk[:4] == b"ALPH" or (lossless and bool(chunk[12] & _ALPHA_IS_USED))


def _still(frame: RiffChunk, head: bytes, alpha: bool) -> tuple[Part, ...]:
    """A file with the pixels of the frame. Alpha beside a lossy picture needs the long form of a file (VP8X)."""
    data = range(frame.start + _HEAD, frame.start + frame.length)
    extended = b"VP8X\x0a\0\0\0" + bytes([_HAS_ALPHA]) + b"\0\0\0" + head[6:12] if alpha else b""
    return b"RIFF" + struct.pack("<I", 4 + len(extended) + len(data)) + b"WEBP" + extended, data
