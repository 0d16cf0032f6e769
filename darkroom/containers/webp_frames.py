"""The frames of a WebP (WebP Container Specification)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

from darkroom.containers.animation import FOREVER, StoredAnimation, StoredFrame
from darkroom.containers.view import Part
from darkroom.containers.webp import RiffChunk, chunks

_HEAD = 16
"""Bytes of a frame before its chunks."""

_DISPOSE, _NO_BLENDING, _HAS_ALPHA = 0x01, 0x02, 0x10


def animation(stream: BinaryIO) -> StoredAnimation:
    """The frames of a WebP. Their walk ends at the first one that is cut short."""
    plays = FOREVER
    for chunk in chunks(stream):
        if chunk.kind == b"ANIM":
            stream.seek(chunk.start)
            plays = int.from_bytes(stream.read(6)[4:], "little")
        if chunk.kind in (b"ANIM", b"ANMF"):
            break
    return StoredAnimation(plays, _frames(stream))


def _frames(stream: BinaryIO) -> Iterator[StoredFrame]:
    for chunk in chunks(stream):
        if chunk.kind == b"ANMF" and chunk.length > _HEAD:
            stream.seek(chunk.start)
            head = stream.read(_HEAD)
            alpha = stream.read(4) == b"ALPH"
            if len(head) < _HEAD:
                return
            left, top, width, height, duration = (int.from_bytes(head[at : at + 3], "little") for at in range(0, 15, 3))
            yield StoredFrame(
                2 * left,
                2 * top,
                width + 1,
                height + 1,
                duration,
                not head[15] & _NO_BLENDING,
                "clear" if head[15] & _DISPOSE else "keep",
                _still(chunk, head, alpha),
            )


def _still(frame: RiffChunk, head: bytes, alpha: bool) -> tuple[Part, ...]:
    """A file with the pixels of the frame. Alpha beside a lossy picture needs the long form of a file (VP8X)."""
    data = range(frame.start + _HEAD, frame.start + frame.length)
    extended = b"VP8X\x0a\0\0\0" + bytes([_HAS_ALPHA]) + b"\0\0\0" + head[6:12] if alpha else b""
    return b"RIFF" + struct.pack("<I", 4 + len(extended) + len(data)) + b"WEBP" + extended, data
