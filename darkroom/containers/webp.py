"""The chunks of a WebP (WebP Container Specification), and what is done for one that is not decoded as it should be."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import takewhile
from typing import BinaryIO, NamedTuple

from darkroom.containers.view import Cleaned, Part, view
from darkroom.errors import UnreadablePhoto
from darkroom.photo_warnings import PhotoWarning

MAX_CHUNKS = 4096
"""Chunks of a file, frames included. libwebp allocates memory for each when it opens a file: 5 million took 160 MB."""

_ANIMATION, _ALPHA = 0x02, 0x10
"""Flags of the VP8X chunk."""

_PIXELS = frozenset({b"VP8 ", b"VP8L", b"ANMF"})


class RiffChunk(NamedTuple):
    kind: bytes
    start: int
    """Where its data begins."""
    length: int

    @property
    def end(self) -> int:
        """The first byte of the next chunk: chunks begin at even positions."""
        return self.start + self.length + self.length % 2


def cleaned(stream: BinaryIO) -> Cleaned:
    """The WebP, with an alpha channel where its first frame does not cover the canvas.

    The canvas begins transparent, and libwebp gives no alpha channel unless a flag asks for one. Raises UnreadablePhoto
    for a file of very many chunks.
    """
    stream.seek(4)
    length = int.from_bytes(stream.read(4), "little")
    stream.seek(12)
    head = stream.read(18)
    if len(head) < 18 or head[:4] != b"VP8X":
        return Cleaned(stream)
    # Decoders do not read what stands behind the length of the file.
    found = list(takewhile(lambda chunk: chunk.start <= 8 + length, _sound_chunks(stream)))
    if len(found) > MAX_CHUNKS:
        raise UnreadablePhoto(f"The WebP has more than {MAX_CHUNKS:,} frames and other chunks.")
    frame = next((chunk for chunk in found if chunk.kind == b"ANMF"), None)
    if frame is None or head[8] & (_ANIMATION | _ALPHA) != _ANIMATION:
        return Cleaned(stream)
    stream.seek(frame.start)
    place = stream.read(12)
    canvas, (left, top, width, height) = _sizes(head[12:18]), _sizes(place)
    if (left, top) == (1, 1) and [width, height] == canvas:  # all of these are stored less 1
        return Cleaned(stream)
    warning = PhotoWarning(
        "partial_frame", "The first frame of the WebP does not cover its canvas. The rest is transparent."
    )
    flags = bytes([head[8] | _ALPHA])
    return Cleaned(view(stream, [range(20), flags, range(21, stream.seek(0, 2))]), (warning,))


def _sizes(data: bytes) -> list[int]:
    """Numbers of 24 bits, each stored less 1."""
    return [1 + int.from_bytes(data[at : at + 3], "little") for at in range(0, len(data), 3)]


def repaired(stream: BinaryIO) -> Iterator[Cleaned]:
    """The WebP with its whole chunks alone, and with the length that they have."""
    size = stream.seek(0, 2)
    whole = [chunk for chunk in _sound_chunks(stream) if chunk.start + chunk.length <= size]
    if not any(chunk.kind in _PIXELS for chunk in whole):
        return
    parts: list[Part] = [*(range(chunk.start - 8, min(size, chunk.end)) for chunk in whole)]
    if whole[-1].end > size:
        parts.append(b"\0")
    length = 4 + sum(len(part) for part in parts)
    warning = PhotoWarning("end_missing", "The end of the WebP is missing or damaged. All its pixels are there.")
    yield Cleaned(view(stream, [b"RIFF", struct.pack("<I", length), b"WEBP", *parts]), (warning,))


def _sound_chunks(stream: BinaryIO) -> Iterator[RiffChunk]:
    """The chunks before the first one whose kind is no text."""
    return takewhile(lambda chunk: chunk.kind.isascii(), chunks(stream))


def chunks(stream: BinaryIO) -> Iterator[RiffChunk]:
    """The chunks, and one more than allowed if there are too many."""
    position = 12
    for _ in range(MAX_CHUNKS + 1):
        stream.seek(position)
        head = stream.read(8)
        if len(head) < 8:
            return
        chunk = RiffChunk(head[:4], position + 8, int.from_bytes(head[4:], "little"))
        yield chunk
        position = chunk.end
