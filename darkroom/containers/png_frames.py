"""The frames of an animated PNG (W3C PNG, third edition, 4.9 and 11.3.6)."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from itertools import islice
from typing import BinaryIO

from darkroom.containers.animation import Disposal, StoredAnimation, StoredFrame
from darkroom.containers.png import END, MAX_CHUNKS, SIGNATURE, Chunk, chunks_of
from darkroom.containers.view import Part

_PIXELS = frozenset({b"PLTE", b"tRNS", b"sBIT", b"cICP", b"iCCP", b"sRGB", b"gAMA", b"cHRM", b"cLLI", b"mDCV"})
"""Chunks before the pixels that say what the pixels of each frame mean."""

_DISPOSALS: tuple[Disposal, ...] = ("keep", "clear", "restore")
_CONTROL = struct.Struct(">4x4I2H2B")
_NO_CHECKSUM = b"\0\0\0\0"
"""The checksum of a frame's data, which the decoder does not read: the compressed data has one of its own."""


def announced(stream: BinaryIO) -> tuple[int, int] | None:
    """The number of frames, and how many times they are shown, as the header says; None if it announces none."""
    for chunk in chunks_of(stream, until=b"IDAT"):
        if chunk.kind == b"acTL":
            stream.seek(chunk.start)
            data = stream.read(8)
            if len(data) < 8:
                return None
            frames, plays = struct.unpack(">II", data)
            return (frames, plays) if frames else None
    return None


def animation(stream: BinaryIO) -> StoredAnimation | None:
    """The frames of a PNG; None if it is not animated. Their walk ends at the end of the file, or where it is
    damaged. A still picture that is not a frame is left out."""
    counts = announced(stream)
    return StoredAnimation(counts[1], _frames(stream), counts[0]) if counts else None


def _frames(stream: BinaryIO) -> Iterator[StoredFrame]:
    shared: list[Part] = []
    header = b""
    control: tuple[int, ...] = ()
    data: list[Part] = []
    for chunk in [*islice(chunks_of(stream, until=b"IEND"), MAX_CHUNKS), None]:
        if data and (chunk is None or chunk.kind in (b"fcTL", b"IEND")):
            yield _frame(header, shared, control, data)
            control, data = (), []
        if chunk is None:
            return
        if chunk.kind == b"IHDR":
            stream.seek(chunk.start)
            header = stream.read(13)
        elif chunk.kind in _PIXELS and not data:
            shared.append(chunk.span)
        elif chunk.kind == b"fcTL":
            stream.seek(chunk.start)
            fields = stream.read(_CONTROL.size)
            control = _CONTROL.unpack(fields) if len(fields) == _CONTROL.size else ()
        elif chunk.kind in (b"IDAT", b"fdAT") and control:
            data += _pixels(chunk)


def _pixels(chunk: Chunk) -> list[Part]:
    """The chunk as one of a still picture: without the number that stands before the data of later frames."""
    if chunk.kind == b"IDAT":
        return [chunk.span]
    length = max(0, chunk.length - 4)
    return [struct.pack(">I", length) + b"IDAT", range(chunk.start + 4, chunk.start + 4 + length), _NO_CHECKSUM]


def _frame(header: bytes, shared: list[Part], control: tuple[int, ...], data: list[Part]) -> StoredFrame:
    width, height, left, top, delay, unit, disposal, blending = control
    changed = struct.pack(">II", width, height) + header[8:]
    head = struct.pack(">I", len(changed)) + b"IHDR" + changed + _checksum(changed)
    return StoredFrame(
        left,
        top,
        width,
        height,
        1000 * delay / (unit or 100),
        blending == 1,
        _DISPOSALS[disposal] if disposal < len(_DISPOSALS) else "keep",
        (SIGNATURE, head, *shared, *data, END),
    )


def _checksum(header: bytes) -> bytes:
    return struct.pack(">I", zlib.crc32(header, zlib.crc32(b"IHDR")))
