"""The boxes of a file (ISO/IEC 14496-12), and the items that the meta box of a HEIF photo lists (ISO/IEC 23008-12).

What is read here is bounded, because the file may be hostile: MAX_BOXES boxes in a box, and MAX_TABLE bytes of a table.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import BinaryIO, NamedTuple

MAX_BOXES = 200
"""Boxes that are looked at in one box. A photo has fewer than 20."""

MAX_TABLE = 2**20
"""Bytes of a table of items. That is enough for a grid of 40,000 tiles."""

IN_FILE, IN_IDAT = 0, 1
"""Construction methods: where the offset of an extent counts from, the start of the file or of the `idat` box."""

_ATTACHING = frozenset({b"thmb", b"auxl"})
"""References from a thumbnail or an auxiliary picture to its picture."""

_DERIVED = frozenset({b"grid", b"iden", b"iovl", b"tmap"})
"""Items that are made of other items, which their `dimg` references name."""


@dataclass(frozen=True)
class Box:
    kind: bytes
    start: int
    """Where the content begins."""
    end: int


class Extent(NamedTuple):
    """A part of the data of an item, as the file claims it."""

    item: int
    method: int
    """The construction method: what `start` counts from."""
    start: int
    length: int
    """0 for an extent that goes up to the end of the file or of the `idat` box."""

    @property
    def end(self) -> int:
        """The first byte after the extent. An extent of length 0 needs at least one byte."""
        return self.start + max(self.length, 1)


@dataclass
class Items:
    """The items of a meta box."""

    primary: int | None = None
    types: dict[int, bytes] = field(default_factory=dict)
    content_types: dict[int, bytes] = field(default_factory=dict)
    """Of the items of the type `mime`."""
    sources: dict[int, list[int]] = field(default_factory=dict)
    """The items that a derived item is made of."""
    attached: set[int] = field(default_factory=set)
    """The items that are no pictures of their own: hidden ones, thumbnails, auxiliary pictures, and parts of others."""
    iloc: Box | None = None
    """The table that says where the data of each item is."""
    idat: Box | None = None
    """Data of items inside the meta box."""

    def picture(self) -> set[int]:
        """The primary item, and all items that it is made of."""
        seen: set[int] = set()
        waiting = [] if self.primary is None else [self.primary]
        while waiting:
            item = waiting.pop()
            if item not in seen:
                seen.add(item)
                waiting += self.sources.get(item, []) if self.types.get(item) in _DERIVED else []
        return seen

    def codings(self) -> set[bytes]:
        """The types of these items."""
        return {self.types[item] for item in self.picture() if item in self.types}


def first_boxes(stream: BinaryIO) -> dict[bytes, Box]:
    """The first box of each kind in the file."""
    first: dict[bytes, Box] = {}
    for box in boxes(stream, 0, stream.seek(0, 2)):
        first.setdefault(box.kind, box)
    return first


def boxes(stream: BinaryIO, start: int, end: int, most: int = MAX_BOXES) -> Iterator[Box]:
    """The first boxes between two places of the file, at most `most`."""
    return islice(_all_boxes(stream, start, end), most)


def read_box(stream: BinaryIO, box: Box) -> bytes:
    """The content of a box, at most MAX_TABLE bytes."""
    stream.seek(box.start)
    return stream.read(min(box.end - box.start, MAX_TABLE))


def read_items(stream: BinaryIO, meta: Box) -> Items:
    """The items of a meta box. Raises struct.error or IndexError when a table is damaged."""
    items = Items()
    for box in boxes(stream, meta.start + 4, meta.end):
        if box.kind == b"pitm":
            data = read_box(stream, box)
            (items.primary,) = struct.unpack_from(">I" if data[0] else ">H", data, 4)
        elif box.kind == b"iinf":
            for number, item_type, is_hidden, names in _entries(read_box(stream, box)):
                items.types[number] = item_type
                if is_hidden:
                    items.attached.add(number)
                if item_type == b"mime":
                    items.content_types[number] = names.split(b"\0", 2)[1] if b"\0" in names else b""
        elif box.kind == b"iref":
            for kind, number, others in _references(read_box(stream, box)):
                if kind == b"dimg":
                    items.sources[number] = others
                    items.attached.update(others)
                elif kind in _ATTACHING:
                    items.attached.add(number)
        elif box.kind == b"iloc":
            items.iloc = box
        elif box.kind == b"idat":
            items.idat = box
    return items


def extents(iloc: bytes) -> Iterator[Extent]:
    """The extents of the items in an `iloc` box.

    Raises IndexError when the table is damaged. Raises ValueError for a version, and for sizes of fields, that the
    standard does not have.
    """
    fields = _Fields(iloc, 0)
    version, _flags, sizes = fields.read(1), fields.read(3), fields.read(2)
    offset_size, length_size, base_size = sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15
    index_size = sizes & 15 if version else 0
    if version > 2 or not {offset_size, length_size, base_size, index_size} <= {0, 4, 8}:
        raise ValueError("not a table of ISO/IEC 14496-12")
    number_size = 4 if version == 2 else 2
    for _ in range(fields.read(number_size)):
        item = fields.read(number_size)
        method = fields.read(2) & 15 if version else IN_FILE
        fields.read(2)  # the number of another file that has the data: the readers look into this file nevertheless
        base, count = fields.read(base_size), fields.read(2)
        if not offset_size + length_size + index_size:
            count = min(count, 1)  # such extents are all the same and take no bytes: a small table can claim billions
        for _ in range(count):
            fields.read(index_size)
            offset, length = fields.read(offset_size), fields.read(length_size)
            yield Extent(item, method, base + offset, length)


def _all_boxes(stream: BinaryIO, start: int, end: int) -> Iterator[Box]:
    while start + 8 <= end:
        stream.seek(start)
        head = stream.read(16)
        size, kind = struct.unpack_from(">I4s", head)
        length = 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", head, 8)
            length = 16
        elif size == 0:  # up to the end
            size = end - start
        if size < length:
            return
        yield Box(kind, start + length, min(start + size, end))
        start += size


def _entries(table: bytes) -> Iterator[tuple[int, bytes, bool, bytes]]:
    """The number and the type of each item in an `iinf` box, whether it is hidden, and the texts behind them: the first
    one is a name."""
    at = 8 if table[0] else 6
    while at + 8 <= len(table):
        size, kind, version = struct.unpack_from(">I4sB", table, at)
        if kind == b"infe" and version in (2, 3):
            head = struct.Struct(">H2x4s" if version == 2 else ">I2x4s")
            number, item_type = head.unpack_from(table, at + 12)
            is_hidden = bool(table[at + 11] & 1)  # flags: ISO/IEC 23008-12, 6.4.2
            yield number, item_type, is_hidden, table[at + 12 + head.size : at + size]
        at += max(8, size)


def _references(table: bytes) -> Iterator[tuple[bytes, int, list[int]]]:
    """Each reference in an `iref` box that counts here: its kind, the item that has it, and the items that it names."""
    number = "I" if table[0] else "H"
    start = struct.Struct(f">I4s{number}H")
    at = 4
    while at + start.size <= len(table):
        size, kind, item, count = start.unpack_from(table, at)
        if kind == b"dimg" or kind in _ATTACHING:
            # A box that claims more items than it has raises an error, or a small table could make many large lists.
            yield kind, item, list(struct.unpack_from(f">{count}{number}", table[at : at + size], start.size))
        at += max(start.size, size)


class _Fields:
    """Numbers of a table, read one after the other."""

    def __init__(self, table: bytes, at: int) -> None:
        self._table, self._at = table, at

    def read(self, size: int) -> int:
        """The next number, of `size` bytes; 0 for a size of 0. Raises IndexError when the table ends before."""
        number = self._table[self._at : self._at + size]
        if len(number) < size:
            raise IndexError("the table ends within a number")
        self._at += size
        return int.from_bytes(number, "big")
