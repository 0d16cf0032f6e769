"""The pixels of a PNG that is cut short (W3C PNG, third edition, clauses 7 to 10).

Their data is inflated and packed again, with what is missing. It is not decoded: the filters of the rows stay.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from darkroom.containers.png import END, SIGNATURE, Chunk, Header, header_of, whole_chunks
from darkroom.containers.view import Part, view

_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""Colour type -> samples of a pixel."""

_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""The seven passes of interlaced pixels: first column and row, and the steps between columns and rows (8.2, Adam7)."""

_BLOCK = 1 << 16


def filled(stream: BinaryIO) -> tuple[BinaryIO, BinaryIO] | None:
    """The PNG with whole pixels, twice: what the file lacks is 0 in the first one, and all ones in the second one.

    What both pictures have in common is in the file. None if the file has no pixels or is not a PNG.
    """
    chunks = whole_chunks(stream)
    header = header_of(stream, chunks)
    if header is None or header.colour not in _CHANNELS:
        return None
    rows = list(_row_lengths(header))
    whole = sum(length * count for length, count in rows)
    packer, inflater, have = zlib.compressobj(1), zlib.decompressobj(), 0
    packed: list[bytes] = []
    for block in _pixel_data(stream, chunks):
        try:
            data = inflater.decompress(block, whole - have)
            while data:
                packed.append(packer.compress(data))
                have += len(data)
                data = inflater.decompress(inflater.unconsumed_tail, whole - have) if have < whole else b""
        except zlib.error:
            break
        if have >= whole or inflater.eof:
            break
    if not have:
        return None
    one, other = (_filled(stream, chunks, [*packed], packer.copy(), rows, have, fill) for fill in (b"\0", b"\xff"))
    return one, other


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


def _filled(
    stream: BinaryIO,
    chunks: list[Chunk],
    packed: list[bytes],
    packer: zlib._Compress,
    rows: list[tuple[int, int]],
    have: int,
    fill: bytes,
) -> BinaryIO:
    for length, count in rows:
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
    before = [chunk.span for chunk in chunks[: [chunk.kind for chunk in chunks].index(b"IDAT")]]
    pieces: list[Part] = [SIGNATURE, *before]
    for at in range(0, len(data), 2**30):
        piece = b"IDAT" + data[at : at + 2**30]
        pieces += [struct.pack(">I", len(piece) - 4), piece, struct.pack(">I", zlib.crc32(piece))]
    return view(stream, [*pieces, END])
