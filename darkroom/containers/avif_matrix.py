"""Another matrix for an AVIF of 10 or 12 bits, so that its decoder converts it with rounding.

libavif converts YUV to RGB in two ways. For the usual matrices it first cuts 10 and 12 bits off to 8: red and blue are
then 0.7 to 0.9 levels too low on average. For all others it computes in floating point and rounds once. So the file
gets a matrix of the second kind, derived from primaries (ITU-T H.273, matrix 12), that is the same or nearly so, and
the caller makes up for the difference.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO

from darkroom.containers.boxes import IN_FILE, Box, boxes, extents, first_boxes, read_box, read_items
from darkroom.containers.view import BoundedReader, Part, view

_SHARES = {1: (0.2126, 0.0722), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}
"""Matrix -> the shares of red and blue in its luma (ITU-T H.273, table 4)."""

_SUBSTITUTES = {1: (11, (0.2095, 0.0689)), 6: (4, (0.299, 0.114)), 9: (8, (0.2536, 0.0680))}
"""Matrix -> primaries from which libavif derives a near one, and the shares of red and blue that it then has."""

_SAME = {2: 6, 5: 6}
"""Matrix -> the one that it means (2: unspecified)."""

_DERIVED, _TRANSFER = 12, 13
_FULL_RANGE = 0x80
_MOST_PROPERTIES = 126


@dataclass(frozen=True)
class Substitute:
    """The file with another matrix. `correction`: the 3 x 3 matrix, by rows, by which its RGB has to be multiplied."""

    stream: BoundedReader
    correction: tuple[float, ...]


def with_rounding(stream: BinaryIO) -> Substitute | None:
    """The AVIF with a matrix that is converted with rounding. None if none is near enough, or its own is not known."""
    try:
        top = first_boxes(stream)
        if b"moov" in top:  # the decoder reads the frames of a sequence, and not the items
            return None
        meta = top[b"meta"]
        matrix, full_range = _matrix(stream, meta)
        matrix = _SAME.get(matrix, matrix)
        if matrix not in _SUBSTITUTES:
            return None
        primaries, shares = _SUBSTITUTES[matrix]
        numbers = struct.pack(">HHHB", primaries, _TRANSFER, _DERIVED, _FULL_RANGE if full_range else 0)
        new = _with_colours(stream, meta, _box(b"colr", b"nclx" + numbers))
    except (KeyError, struct.error, IndexError, ValueError):
        return None
    # The old box gets another kind and stays, so that all data keeps its place. The new one stands at the end.
    parts: list[Part] = [range(meta.start - 4), b"free", range(meta.start, stream.seek(0, 2)), new]
    return Substitute(view(stream, parts), _correction(_SHARES[matrix], shares))


def _matrix(stream: BinaryIO, meta: Box) -> tuple[int, bool]:
    """The matrix of the primary item, and whether its levels have the full range: of its `nclx` box, or as coded."""
    items = read_items(stream, meta)
    for outer in boxes(stream, meta.start + 4, meta.end):
        for inner in boxes(stream, outer.start, outer.end) if outer.kind == b"iprp" else ():
            for found in boxes(stream, inner.start, inner.end) if inner.kind == b"ipco" else ():
                data = read_box(stream, found)
                if found.kind == b"colr" and data[:4] == b"nclx":
                    return int.from_bytes(data[8:10], "big"), bool(data[10] & _FULL_RANGE)
    assert items.iloc is not None
    first = next(part for part in extents(read_box(stream, items.iloc)) if part.item == items.primary)
    if first.method != IN_FILE:
        raise ValueError("data in the meta box")
    stream.seek(first.start)
    return _coded_matrix(stream.read(64))


def _coded_matrix(data: bytes) -> tuple[int, bool]:
    """The same from the sequence header of a still picture (AV1 bitstream, 5.5). Raises ValueError for other ones."""
    if data[:2] == b"\x12\0":  # a temporal delimiter
        data = data[2:]
    if data[:1] != b"\x0a" or len(data) < 24:
        raise ValueError("no sequence header")
    bits = _Bits(data[2:])
    profile, _still, reduced, _level = bits.read(3), bits.read(1), bits.read(1), bits.read(5)
    if not reduced:
        raise ValueError("not a still picture")
    width, height = bits.read(4) + 1, bits.read(4) + 1
    bits.read(width + height + 6)
    if bits.read(1) and profile == 2:  # more than 8 bits
        bits.read(1)
    monochrome = profile != 1 and bits.read(1)
    matrix = 2
    if bits.read(1):
        bits.read(16)
        matrix = bits.read(8)
    return (0 if monochrome else matrix), bool(bits.read(1))


def _with_colours(stream: BinaryIO, meta: Box, colours: bytes) -> bytes:
    """The meta box, whose primary item has the property `colours` in place of its own."""
    primary = read_items(stream, meta).primary
    stream.seek(meta.start)
    content = stream.read(4)
    for box in boxes(stream, meta.start + 4, meta.end):
        data = read_box(stream, box)
        if len(data) < box.end - box.start:
            raise ValueError("a box that is too long")
        if box.kind == b"iprp":
            inside = {part.kind: part for part in boxes(stream, box.start, box.end)}
            properties = list(boxes(stream, inside[b"ipco"].start, inside[b"ipco"].end))
            kept = b"".join(_property(stream, part) for part in properties)
            used = _associated(read_box(stream, inside[b"ipma"]), primary, len(properties) + 1)
            data = _box(b"ipco", kept + colours) + _box(b"ipma", used)
        content += _box(box.kind, data)
    return _box(b"meta", content)


def _property(stream: BinaryIO, box: Box) -> bytes:
    """A property as it is. Colours become free space: an image has only one kind of them."""
    data = read_box(stream, box)
    return _box(b"free" if box.kind == b"colr" and data[:4] == b"nclx" else box.kind, data)


def _associated(table: bytes, item: int | None, number: int) -> bytes:
    """The table of properties of all items (ISO/IEC 23008-12, 9.3), with one more for this item."""
    version, wide = table[0], table[3] & 1
    if number > _MOST_PROPERTIES:
        raise ValueError("too many properties")
    (entries,) = struct.unpack_from(">I", table, 4)
    head = struct.Struct(">IB" if version else ">HB")
    at, changed = 8, table[:8]
    for _ in range(entries):
        owner, count = head.unpack_from(table, at)
        own = table[at + head.size : at + head.size + count * (1 + wide)]
        at += head.size + len(own)
        if owner == item:
            own += number.to_bytes(1 + wide, "big")
            count += 1
        changed += head.pack(owner, count) + own
    return changed


def _correction(wanted: tuple[float, float], used: tuple[float, float]) -> tuple[float, ...]:
    """The matrix that turns RGB made with the luma shares `used` into RGB made with those `wanted`.

    Y, Cb and Cr follow from the RGB that was made, and the right RGB from them (ITU-T H.273, 8.3).
    """
    (red, blue), (used_red, used_blue) = wanted, used
    green, used_green = 1 - red - blue, 1 - used_red - used_blue
    luma = (used_red, used_green, used_blue)
    to_red = [(unit - share) * (1 - red) / (1 - used_red) for unit, share in zip((1, 0, 0), luma, strict=True)]
    to_blue = [(unit - share) * (1 - blue) / (1 - used_blue) for unit, share in zip((0, 0, 1), luma, strict=True)]
    rows = (
        [share + part for share, part in zip(luma, to_red, strict=True)],
        [
            share - (red * at_red + blue * at_blue) / green
            for share, at_red, at_blue in zip(luma, to_red, to_blue, strict=True)
        ],
        [share + part for share, part in zip(luma, to_blue, strict=True)],
    )
    return tuple(value for row in rows for value in row)


def _box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


class _Bits:
    """Numbers of some bits, one after the other."""

    def __init__(self, data: bytes) -> None:
        self._left = 8 * len(data)
        self._number = int.from_bytes(data, "big")

    def read(self, count: int) -> int:
        """The next number of `count` bits. Raises ValueError behind the end."""
        self._left -= count
        if self._left < 0:
            raise ValueError("the data ends within a number")
        return self._number >> self._left & ((1 << count) - 1)
