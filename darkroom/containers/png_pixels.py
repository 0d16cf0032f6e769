"""The pixels of a PNG that is cut short (W3C PNG, third edition, clauses 7 to 10).

Their data is inflated and packed again, with what is missing. It is not decoded: the filters of the rows stay.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from darkroom.containers.png import END, SIGNATURE, Chunk, Header, header_of, whole_chunks
from darkroom.containers.view import Part, view

_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""Colour type -> samples of a pixel."""

_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""The seven passes of interlaced pixels: first column and row, and the steps between columns and rows (8.2, Adam7)."""

_NO_FILTER = re.compile(rb"[^\x00-\x04]")
"""The first byte of a row is the number of its filter (9.2)."""

_BLOCK, _LONGEST = 1 << 16, 1 << 30
"""Bytes that are read at a time, and of a chunk that is written."""


@dataclass(frozen=True)
class PixelData:
    """The pixel data of a PNG as far as it is in the file. `have` of its `whole` bytes are there, inflated.

    `rows`: the bytes of a row, with the byte of its filter, and the number of such rows; one pair for each pass.
    """

    stream: BinaryIO
    chunks: list[Chunk]
    rows: list[tuple[int, int]]
    packed: list[bytes]
    packer: zlib._Compress
    have: int

    @property
    def whole(self) -> int:
        return sum(length * count for length, count in self.rows)

    @property
    def words(self) -> str:
        """What is there of a picture that is cut short."""
        if len(self.rows) > 1:
            return f"{self.have * 100 // self.whole} percent of its interlaced pixels are there"
        ((length, count),) = self.rows
        return f"{self.have // length:,} of its {count:,} rows are there"

    def filled(self, fill: bytes) -> BinaryIO:
        """The PNG with whole pixels: the bytes that the file lacks are all `fill`."""
        packed, packer, have = [*self.packed], self.packer.copy(), self.have
        for length, count in self.rows:
            row = b"\0" + fill * (length - 1)  # the filter 0 leaves all values as they are
            if have >= length * count:
                have -= length * count
                continue
            whole_rows, part = divmod(have, length)
            packed.append(packer.compress(row[part:]))
            left, have = count - whole_rows - 1, 0
            per_block = max(1, _BLOCK // length)
            block = row * per_block
            packed.extend(packer.compress(block) for _ in range(left // per_block))
            packed.append(packer.compress(row * (left % per_block)))
        packed.append(packer.flush())
        data = b"".join(packed)
        before = [chunk.span for chunk in self.chunks[: [chunk.kind for chunk in self.chunks].index(b"IDAT")]]
        pieces: list[Part] = [SIGNATURE, *before]
        for at in range(0, len(data), _LONGEST):
            piece = b"IDAT" + data[at : at + _LONGEST]
            pieces += [struct.pack(">I", len(piece) - 4), piece, struct.pack(">I", zlib.crc32(piece))]
        return view(self.stream, [*pieces, END])


def pixel_data(stream: BinaryIO) -> PixelData | None:
    """What there is of the pixels. None if the file has none or is not a PNG."""
    chunks = whole_chunks(stream)
    header = header_of(stream, chunks)
    if header is None or header.colour not in _CHANNELS:
        return None
    rows = list(_row_lengths(header))
    whole = sum(length * count for length, count in rows)
    packer, have = zlib.compressobj(1), 0
    packed: list[bytes] = []
    for data in _inflated(_pixel_data(stream, chunks)):
        sound = _sound(rows, have, data[: whole - have])
        packed.append(packer.compress(sound))
        have += len(sound)
        if have == whole or len(sound) < len(data):
            break
    return PixelData(stream, chunks, rows, packed, packer, have) if have else None


def _sound(rows: list[tuple[int, int]], have: int, data: bytes) -> bytes:
    """The data, which follows `have` bytes, up to the first row whose filter does not exist. A decoder stops there."""
    start = 0
    for length, count in rows:
        end = start + length * count
        first = start + -(-max(0, have - start) // length) * length
        filters = data[max(0, first - have) : max(0, end - have) : length]
        if wrong := _NO_FILTER.search(filters):
            return data[: first - have + wrong.start() * length]
        start = end
    return data


def _inflated(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """What can be inflated, up to the first damage. A block becomes at most about 1,000 times as long."""
    inflater = zlib.decompressobj()
    for block in blocks:
        before = inflater.copy()
        try:
            yield inflater.decompress(block)
        except zlib.error:
            for byte in block:  # zlib returns nothing of a call that meets damage
                try:
                    if data := before.decompress(bytes([byte])):
                        yield data
                except zlib.error:
                    return
        if inflater.eof:
            return


def _pixel_data(stream: BinaryIO, chunks: list[Chunk]) -> Iterator[bytes]:
    for chunk in chunks:
        if chunk.kind == b"IDAT":
            for at in range(chunk.start, chunk.start + chunk.length, _BLOCK):
                stream.seek(at)
                block = stream.read(min(_BLOCK, chunk.start + chunk.length - at))
                if not block:
                    return
                yield block


def _row_lengths(header: Header) -> Iterator[tuple[int, int]]:
    """The bytes of a row, with the byte of its filter, and the number of such rows: for each pass."""
    bits = _CHANNELS[header.colour] * header.depth
    for left, top, across, down in _PASSES if header.interlaced else ((0, 0, 1, 1),):
        columns, rows = -(-(header.width - left) // across), -(-(header.height - top) // down)
        if columns > 0 and rows > 0:
            yield 1 + (columns * bits + 7) // 8, rows
