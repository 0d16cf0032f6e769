"""The frames of an animated PNG (W3C PNG, third edition, 4.9 and 11.3.6)."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from itertools import islice
from typing import BinaryIO

from darkroom.containers.animation import FOREVER, Disposal, StoredFrame, StoredFrames
from darkroom.containers.png import END, MAX_CHUNKS, SIGNATURE, Chunk, chunks_of
from darkroom.containers.view import Part

_PIXELS = frozenset({b"PLTE", b"tRNS", b"sBIT", b"cICP", b"iCCP", b"sRGB", b"gAMA", b"cHRM", b"cLLI", b"mDCV"})
"""Chunks before the pixels that say what the pixels of each frame mean."""

_OVER = 1
"""The number of the blending that shows what was there before. Without alpha it does not matter."""

_DISPOSALS: tuple[Disposal, ...] = ("keep", "clear", "restore")
_WITH_ALPHA = (4, 6)
"""Colour types."""

_CONTROL = struct.Struct(">4x4I2H2B")
_NO_CHECKSUM = b"\0\0\0\0"
"""The checksum of a frame's data, which the decoder does not read: the compressed data has one of its own."""


def announced(stream: BinaryIO) -> tuple[int, int] | None:
    """The number of frames, and how many times they are shown, as the header says; None if it announces none."""
    for chunk in chunks_of(stream, until=b"IDAT"):
        if chunk.kind == b"acTL":
            stream.seek(chunk.start)
            data = stream.read(8)
            if len(data) == 8:
                return struct.unpack(">II", data)
    return None


def stored_frames(stream: BinaryIO, most: int) -> StoredFrames:
    """The first frames of a PNG, at most `most`. A still picture that is not one of them is left out."""
    counts = announced(stream) or (0, FOREVER)
    frames = list(islice(_frames(stream), most))
    return StoredFrames(frames, len(frames) >= min(most, counts[0]))


def plays(stream: BinaryIO) -> int:
    """How many times it is shown, or FOREVER."""
    return (announced(stream) or (0, FOREVER))[1]


def _frames(stream: BinaryIO) -> Iterator[StoredFrame]:
    shared: list[Part] = []
    header, has_alpha = b"", False
    control: tuple[int, ...] = ()
    data: list[Part] = []
    for chunk in [*islice(chunks_of(stream, until=b"IEND"), MAX_CHUNKS), None]:
        if data and (chunk is None or chunk.kind in (b"fcTL", b"IEND")):
            yield _frame(header, shared, control if has_alpha else (*control[:-1], _OVER), data)
            control, data = (), []
        if chunk is None:
            return
        if chunk.kind == b"IHDR":
            stream.seek(chunk.start)
            header = stream.read(13)
            has_alpha = len(header) == 13 and header[9] in _WITH_ALPHA
        elif chunk.kind in _PIXELS and not data:
            shared.append(chunk.span)
            has_alpha = has_alpha or chunk.kind == b"tRNS"
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
        blending == _OVER,
        _DISPOSALS[disposal] if disposal < len(_DISPOSALS) else "keep",
        (SIGNATURE, head, *shared, *data, END),
    )


def _checksum(header: bytes) -> bytes:
    return struct.pack(">I", zlib.crc32(header, zlib.crc32(b"IHDR")))
