"""The tags of a TIFF structure: the EXIF of a photo, or a TIFF file (TIFF 6.0, section 2; EXIF 2.32, 4.6.2; BigTIFF).

Each value is read by itself. Pillow stops at the first value that it cannot read, and the tags behind it are lost:
orientation, date, position. Here a value that cannot be read is listed as damaged, and the next one is read.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, NamedTuple

IMAGE, PHOTO, GPS, INTEROP, THUMBNAIL = "Image", "Photo", "GPSInfo", "Iop", "Thumbnail"
"""The directories (IFDs) of EXIF, as Exiv2 names them."""

POINTERS = {0x8769: PHOTO, 0x8825: GPS, 0xA005: INTEROP}
"""Tags whose value is the place of another directory."""

BYTE, ASCII, SHORT, LONG, RATIONAL, SBYTE, UNDEFINED, SSHORT, SLONG, SRATIONAL, FLOAT, DOUBLE = range(1, 13)
IFD, LONG8, SLONG8, IFD8, UTF8 = 13, 16, 17, 18, 129
"""Types of values. 129 is EXIF 3.0's text in UTF-8."""

_FORMATS = {
    **{SHORT: "H", LONG: "I", SBYTE: "b", SSHORT: "h", SLONG: "i", FLOAT: "f", DOUBLE: "d"},
    **{IFD: "I", LONG8: "Q", SLONG8: "q", IFD8: "Q"},
}
_SIZES = {BYTE: 1, ASCII: 1, UNDEFINED: 1, UTF8: 1, RATIONAL: 8, SRATIONAL: 8} | {
    kind: struct.calcsize(f"<{code}") for kind, code in _FORMATS.items()
}

MAX_TAGS = 1000
"""Tags of one directory that are read. Real photos have fewer than 200, and each costs time."""

MAX_PAGES = 10_000
"""Directories of a TIFF that are counted."""

MAX_VALUE = 2**20
"""Bytes of one value. Longer ones are blocks, such as XMP, or tables of strips."""

BLOCKS = {0x02BC: "XMP", 0x83BB: "IPTC", 0x8649: "Photoshop", 0x8773: "ICC", 0xCD41: "C2PA"}
"""Tags that contain a block of metadata. They may have up to MAX_BLOCK bytes."""

MAX_BLOCK = 16 * 2**20
"""Bytes of a block that is read. The longest known to us, an XMP with a depth map, has 4 MB."""

_TABLES = {0x0111, 0x0117, 0x0144, 0x0145, 0x0120, 0x0121, 0x0207, 0x0208, 0x0209, 0x0140, 0x014A, 0x015B}
"""Tables of places, and JPEG tables. They describe how a TIFF is stored, and are not read."""


class Rational(NamedTuple):
    """A fraction as stored. A denominator of 0 means that the value is unknown."""

    numerator: int
    denominator: int

    @property
    def number(self) -> float | None:
        return self.numerator / self.denominator if self.denominator else None


class Tag(NamedTuple):
    """A value and its type. Texts, bytes and undefined data are bytes; all others are a tuple of numbers."""

    kind: int
    value: bytes | tuple[int | float | Rational, ...]


class Damage(NamedTuple):
    """A value that cannot be read. `reason` is a code of the metadata schema."""

    directory: str
    tag: int | None
    """None for the directory itself."""
    reason: str


@dataclass
class TiffTags:
    """What was read: (directory, number of the tag) -> value."""

    tags: dict[tuple[str, int], Tag] = field(default_factory=dict)
    damages: list[Damage] = field(default_factory=list)
    order: str = "<"
    """`<` if the structure is little-endian, `>` if it is big-endian."""
    pages: int = 0
    """Directories of the first level that are not reduced copies of others."""


def read_tiff_tags(stream: BinaryIO, is_file: bool = False) -> TiffTags:
    """Read the tags of the TIFF structure that begins where the stream begins.

    In EXIF the second directory is the thumbnail; in a TIFF file (`is_file`) it is another page.
    Raises nothing for damaged bytes.
    """
    reader = _Reader(stream)
    if reader.begin():
        reader.read(is_file)
    return reader.found


class _Reader:
    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._size = stream.seek(0, 2)
        self._visited: set[int] = set()
        self._big = False
        self._first = 0
        self.found = TiffTags()

    def begin(self) -> bool:
        head = self._at(0, 16)
        if head[:2] not in (b"II", b"MM") or len(head) < 8:
            self._damaged(IMAGE, None, "damaged")
            return False
        self.found.order = "<" if head[:2] == b"II" else ">"
        # Some cameras write another number than 42; only BigTIFF's 43 changes how the file is read.
        self._big = len(head) == 16 and self._number("H", head[2:4]) == 43
        self._first = self._number("Q", head[8:16]) if self._big else self._number("I", head[4:8])
        return True

    def read(self, is_file: bool) -> None:
        place, number = self._first, 0
        while place and number < (MAX_PAGES if is_file else 2):
            directory = IMAGE if not number else (f"Page{number}" if is_file else THUMBNAIL)
            place = self._directory(directory, place, keep=not (is_file and number))
            number += 1

    def _directory(self, name: str, place: int, keep: bool = True) -> int:
        """Read a directory and those that it points to. Returns the place of the next one, 0 if there is none."""
        if place in self._visited:
            self._damaged(name, None, "loop")
            return 0
        self._visited.add(place)
        counted, entry_size = (8, 20) if self._big else (2, 12)
        head = self._at(place, counted)
        if len(head) < counted:
            self._damaged(name, None, "outside")
            return 0
        count = self._number("Q" if self._big else "H", head)
        table = self._at(place + counted, min(count, MAX_TAGS) * entry_size)
        if len(table) < min(count, MAX_TAGS) * entry_size:
            self._damaged(name, None, "cut_short")
        elif count > MAX_TAGS:
            self._damaged(name, None, "too_large")
        reduced = False
        for at in range(0, len(table) - entry_size + 1, entry_size):
            entry = table[at : at + entry_size]
            tag = self._number("H", entry[:2])
            if tag == 0x00FE:
                reduced = bool(self._number("I", entry[12:16] if self._big else entry[8:12]) & 1)
            if keep:
                self._entry(name, tag, entry)
        self.found.pages += not reduced and name not in (PHOTO, GPS, INTEROP, THUMBNAIL)
        size = 8 if self._big else 4
        following = self._at(place + counted + count * entry_size, size)
        return self._number("Q" if self._big else "I", following) if len(following) == size else 0

    def _entry(self, directory: str, tag: int, entry: bytes) -> None:
        if tag in _TABLES or (directory, tag) in self.found.tags:  # the first of several wins, as in Exiv2 and ExifTool
            return
        kind = self._number("H", entry[2:4])
        count = self._number("Q", entry[4:12]) if self._big else self._number("I", entry[4:8])
        inline = entry[12:] if self._big else entry[8:]
        size = count * _SIZES.get(kind, 0)
        if kind not in _SIZES:
            self._damaged(directory, tag, "unknown_type")
            return
        if size > (MAX_BLOCK if tag in BLOCKS else MAX_VALUE):
            self._damaged(directory, tag, "too_large" if size <= self._size else "outside")
            return
        data = inline[:size]
        if size > len(inline):
            data = self._at(self._number("Q" if self._big else "I", inline), size)
        if len(data) < size:
            self._damaged(directory, tag, "outside")
            return
        value = Tag(kind, decoded(kind, data, self.found.order))
        self.found.tags[directory, tag] = value
        if tag in POINTERS and directory in (IMAGE, PHOTO) and value.value and isinstance(value.value[0], int):
            self._directory(POINTERS[tag], value.value[0])

    def _at(self, place: int, size: int) -> bytes:
        if not 0 <= place < self._size or size <= 0:
            return b""
        self._stream.seek(place)
        return self._stream.read(min(size, self._size - place))

    def _number(self, code: str, data: bytes) -> int:
        number: int = struct.unpack(self.found.order + code, data)[0]
        return number

    def _damaged(self, directory: str, tag: int | None, reason: str) -> None:
        self.found.damages.append(Damage(directory, tag, reason))


def decoded(kind: int, data: bytes, order: str) -> bytes | tuple[int | float | Rational, ...]:
    """The values in these bytes, whose type has this number. Bytes that fill no value are left out."""
    if kind in (RATIONAL, SRATIONAL):
        code = "i" if kind == SRATIONAL else "I"
        return tuple(Rational(*pair) for pair in struct.iter_unpack(f"{order}2{code}", data[: len(data) // 8 * 8]))
    if kind in _FORMATS:
        size = _SIZES[kind]
        return tuple(value for (value,) in struct.iter_unpack(order + _FORMATS[kind], data[: len(data) // size * size]))
    return data


def numbers(tag: Tag | None) -> Iterator[float | None]:
    """The numbers of a value; None for those that are unknown. Bytes are numbers from 0 to 255."""
    for value in () if tag is None else tag.value:
        yield value.number if isinstance(value, Rational) else value
