"""The first frame of a GIF whose data ends before its pixels (GIF89a; appendix F describes the compression)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

MAX_BLOCKS = 1_000_000
"""Blocks of at most 255 bytes that are looked at."""

_IMAGE, _EXTENSION = 0x2C, 0x21
_MAX_CODES = 4096

_PASSES = ((0, 8), (4, 8), (2, 4), (1, 2))
"""First row, and the step between rows, of the four passes of interlaced pixels (appendix E)."""


@dataclass(frozen=True)
class Frame:
    """What a GIF holds of its first frame.

    `width` and `height` are in pixels. `indices` are the pixels that the file has, in the order of the file. `closed`:
    the data is sound and has an end, so that the file is neither damaged nor cut there.
    """

    width: int
    height: int
    interlaced: bool
    indices: bytes
    closed: bool

    def rows(self) -> Iterator[int]:
        """The numbers of the rows in the order of the file."""
        for first, step in _PASSES if self.interlaced else ((0, 1),):
            yield from range(first, self.height, step)


def first_frame(stream: BinaryIO) -> Frame | None:
    """What there is of the first frame. None if the file ends before its pixels."""
    place = _first_descriptor(stream)
    if len(place) < 9:
        return None
    stream.seek(palette_bytes(place[8]), 1)
    code_bits = stream.read(1)
    if not code_bits or not 1 <= code_bits[0] <= 8:
        return None
    data: list[bytes] = []
    closed = False
    for block in _blocks(stream):
        if block is None:
            closed = True
        else:
            data.append(block)
    width, height = int.from_bytes(place[4:6], "little"), int.from_bytes(place[6:8], "little")
    indices, sound = _unpacked(b"".join(data), code_bits[0], width * height)
    return Frame(width, height, bool(place[8] & 0x40), indices, closed and sound)


def _first_descriptor(stream: BinaryIO) -> bytes:
    """The 9 bytes that describe the first frame: its place, its size and its flags. Fewer where the file is cut."""
    stream.seek(10)
    screen = stream.read(3)
    stream.seek(13 + palette_bytes(screen[0] if screen else 0))
    for _ in range(MAX_BLOCKS):
        kind = stream.read(1)
        if kind == bytes([_IMAGE]):
            return stream.read(9)
        if kind == bytes([_EXTENSION]):
            stream.read(1)
            for _block in _blocks(stream):
                pass
        elif kind != b"\0":
            break
    return b""


def palette_bytes(flags: int) -> int:
    """Bytes of the palette that these flags announce."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _blocks(stream: BinaryIO) -> Iterator[bytes | None]:
    """The data blocks up to their terminator, which is given as None. There is none where the file is cut."""
    for _ in range(MAX_BLOCKS):
        length = stream.read(1)
        if length == b"\0":
            yield None
        if length in {b"", b"\0"}:
            return
        yield stream.read(length[0])


def _unpacked(data: bytes, code_bits: int, pixels: int) -> tuple[bytes, bool]:
    """Undo the LZW compression, up to a number of pixels. It ends early where the data ends or is damaged; the second
    value says whether it is sound up to there."""
    clear, end = 1 << code_bits, (1 << code_bits) + 1
    roots = [bytes([index]) for index in range(clear)] + [b"", b""]
    table, bits, previous = list(roots), code_bits + 1, b""
    found: list[bytes] = []
    have = waiting = waiting_bits = 0
    for byte in data:
        waiting |= byte << waiting_bits
        waiting_bits += 8
        while waiting_bits >= bits:
            code = waiting & ((1 << bits) - 1)
            waiting >>= bits
            waiting_bits -= bits
            if code == clear:
                table, bits, previous = list(roots), code_bits + 1, b""
                continue
            if code == end or code > len(table) or (code == len(table) and not previous):
                return b"".join(found)[:pixels], code == end
            text = table[code] if code < len(table) else previous + previous[:1]
            if previous and len(table) < _MAX_CODES:
                table.append(previous + text[:1])
                if len(table) == 1 << bits and bits < 12:
                    bits += 1
            previous = text
            found.append(text)
            have += len(text)
            if have >= pixels:
                return b"".join(found)[:pixels], True
    return b"".join(found)[:pixels], True
