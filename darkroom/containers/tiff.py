"""The tags of the first picture of a TIFF (TIFF 6.0; BigTIFF), and what is done for one that the decoder does not read.

Tags that point outside of the file are left out, because Pillow reads no tag behind one. A BigTIFF with big-endian
numbers gets the tags of a classic TIFF, because Pillow takes it for one.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import BinaryIO

from darkroom.containers.view import Cleaned, view
from darkroom.errors import UnreadablePhoto, UnsupportedPhoto
from darkroom.photo_warnings import MAX_WARNINGS, PhotoWarning

MAX_TAGS = 4096
"""Tags of one picture. Pillow reads each of them with two jumps in the file. A photo has at most a few hundred."""

MAX_TAG_VALUES = 100_000
"""Values of one tag. A tag of strip offsets has one for each strip, and no photo has that many rows."""

BITS, COMPRESSION, PHOTOMETRIC, SAMPLES, EXTRA_SAMPLES, SAMPLE_FORMAT = 258, 259, 262, 277, 338, 339
_JPEG_XR, _JPEG_XR_PIXELS = 22610, 0xBC01
"""A compression, and a tag that only JPEG XR files have. They name no compression (ITU-T T.832, annex A)."""

_STRUCTURE = frozenset(
    {*range(256, 260), 262, 266, 273, *range(277, 280), 284, 317, 320, *range(322, 326), 338, 339, 347}
)
"""Tags without which the pixels would be read wrong: sizes, samples, strips and tiles, palette."""

MAX_MOVED = 16 * 2**20
"""Bytes of all values that are written anew for a BigTIFF. They also are no more than the file has: tags that share
their values would make a long table of a small file."""

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
"""Type of a value -> its bytes."""

_BYTES = frozenset({1, 2, 7})
"""Bytes, text and undefined data: a decoder makes one object of them, not one of each value."""

_LONG8 = {16: 4, 17: 9, 18: 13}
"""Types of 8 bytes, which only BigTIFF has -> the same of 4 bytes."""

_READ_COMPRESSIONS = frozenset({1, 2, 3, 4, 5, 6, 7, 8, 32771, 32773, 32809, 32946, 34925, 50000})
_COMPRESSIONS: Mapping[int, str] = {
    9: "JBIG",
    10: "JBIG",
    _JPEG_XR: "JPEG XR",
    32766: "NeXT",
    32767: "Sony raw",
    33003: "JPEG 2000",
    33004: "JPEG 2000",
    33005: "JPEG 2000",
    34661: "JBIG",
    34676: "SGI LogLuv",
    34677: "SGI LogLuv",
    34712: "JPEG 2000",
    34713: "Nikon raw",
    34718: "Microsoft Document Imaging",
    34719: "Microsoft Document Imaging",
    34720: "Microsoft Document Imaging",
    34887: "LERC",
    34892: "lossy JPEG of DNG",
    34933: "PNG",
    34934: "JPEG XR",
    50001: "WebP",
    50002: "JPEG XL",
    52546: "JPEG XL",
    65000: "Kodak DCR",
    65535: "Pentax raw",
}
"""Numbers of compressions that are not read, from the registries of libtiff and ExifTool."""

_COLOURS: Mapping[int, str] = {
    0: "gray",
    1: "gray",
    2: "RGB",
    3: "palette",
    4: "mask",
    5: "CMYK",
    6: "YCbCr",
    8: "CIE Lab",
    9: "ICC Lab",
    10: "ITU Lab",
    32803: "colour filter array",
    32844: "LogL",
    32845: "LogLuv",
    34892: "linear raw",
}


@dataclass(frozen=True)
class _Tag:
    """`field` holds the value, if it fits, and else its place in the file."""

    number: int
    kind: int
    count: int
    field: bytes

    @property
    def size(self) -> int:
        """Bytes of the value. 0 if its type is not known."""
        return self.count * _SIZES.get(self.kind, 0)


@dataclass(frozen=True)
class Directory:
    """The tags of a picture. `order` is that of struct; `offset` and `end` say where they stand."""

    order: str
    big: bool
    offset: int
    end: int
    tags: tuple[_Tag, ...]
    next: bytes

    def place(self, tag: _Tag) -> int | None:
        """Where the value is, if it is not in the field itself."""
        if tag.size <= len(tag.field):
            return None
        (place,) = struct.unpack(self.order + ("Q" if self.big else "I"), tag.field)
        return int(place)

    def value(self, stream: BinaryIO, number: int) -> tuple[int, ...]:
        """The numbers of a tag of SHORT or LONG values; empty if it is missing or broken."""
        tag = next((tag for tag in self.tags if tag.number == number and tag.kind in {3, 4}), None)
        if tag is None or tag.count > 64:
            return ()
        data = tag.field[: tag.size]
        if (place := self.place(tag)) is not None:
            stream.seek(place)
            data = stream.read(tag.size)
        if len(data) < tag.size:
            return ()
        return struct.unpack(f"{self.order}{tag.count}{'H' if tag.kind == 3 else 'I'}", data)

    def text(self, stream: BinaryIO, number: int) -> bytes:
        """The first 64 bytes of a tag of text; empty if it is missing."""
        tag = next((tag for tag in self.tags if tag.number == number and tag.kind == 2), None)
        if tag is None:
            return b""
        if (place := self.place(tag)) is None:
            return tag.field[: tag.size]
        stream.seek(place)
        return stream.read(min(tag.size, 64))


def cleaned(stream: BinaryIO, head: bytes) -> Cleaned:
    """The TIFF with tags that a decoder can read. `head`: its first 16 bytes.

    Raises UnsupportedPhoto for a compression that is not read, UnreadablePhoto for a header that is cut short, or that
    has very many tags or strips: Pillow makes an object of each value and a tile of each strip before the pixels can
    be counted. 12 MB of strip offsets took 4 s and 0.9 GB.
    """
    directory = read_directory(stream, head)
    _check_compression(stream, directory)
    size = stream.seek(0, 2)
    outside = {tag for tag in directory.tags if (directory.place(tag) or 0) + tag.size > size}
    if any(tag.number in _STRUCTURE for tag in outside):
        raise _cut()
    sound = tuple(tag for tag in directory.tags if tag not in outside)
    warnings = tuple(
        PhotoWarning("metadata_damaged", f"Tag {number} of the TIFF points outside of the file and was ignored.")
        for number in sorted({tag.number for tag in outside})[:MAX_WARNINGS]
    )
    if directory.big and directory.order == ">":
        return Cleaned(_classic(stream, directory, sound, size), warnings)
    if not warnings:
        return Cleaned(stream)
    return Cleaned(_rewritten(stream, directory, sound, size), warnings)


def _check_compression(stream: BinaryIO, directory: Directory) -> None:
    compression = directory.value(stream, COMPRESSION)
    if any(tag.number == _JPEG_XR_PIXELS for tag in directory.tags):
        compression = (_JPEG_XR,)
    if compression and compression[0] not in _READ_COMPRESSIONS:
        named = _COMPRESSIONS.get(compression[0])
        words = f"{named} compression" if named else f"a compression that is not known (number {compression[0]})"
        raise UnsupportedPhoto(
            f"This is a TIFF with {words}, which is not taken. Taken are uncompressed TIFFs and those with LZW, "
            "Deflate, PackBits, JPEG, CCITT, LZMA or Zstandard compression."
        )


def pixels_of(stream: BinaryIO, head: bytes) -> str:
    """In words, the kind of pixels that a TIFF has, such as "RGB with 3 samples of 32 bits, floating point"."""
    directory = read_directory(stream, head)
    photometric, bits, formats, extra = (
        directory.value(stream, number) for number in (PHOTOMETRIC, BITS, SAMPLE_FORMAT, EXTRA_SAMPLES)
    )
    (samples,) = directory.value(stream, SAMPLES)[:1] or (1,)
    colours = _COLOURS.get(photometric[0] if photometric else 0, "other colours")
    alpha = " and alpha" if extra and extra[0] in {1, 2} else ""
    depth = " and ".join(dict.fromkeys(map(str, bits or (1,))))
    kind = {2: ", signed", 3: ", floating point", 5: ", complex", 6: ", complex"}.get(formats[0] if formats else 1, "")
    return f"{colours}{alpha}: {samples} sample{'s' * (samples != 1)} of {depth} bit{'s' * (depth != '1')}{kind}"


def read_directory(stream: BinaryIO, head: bytes) -> Directory:
    """The first directory, where `head`, the first 8 or 16 bytes, says that it is. Raises UnreadablePhoto."""
    order = "<" if head[:2] == b"II" else ">"
    big = 43 in head[2:4]
    if len(head) < (16 if big else 8):
        raise _cut()
    (offset,) = struct.unpack_from(order + ("Q" if big else "I"), head, 8 if big else 4)
    if offset >= 2**63:
        raise _cut()
    stream.seek(offset)
    number = stream.read(8 if big else 2)
    if len(number) < (8 if big else 2):
        raise _cut()
    count = int.from_bytes(number, "little" if order == "<" else "big")
    if count > MAX_TAGS:
        raise UnreadablePhoto(f"The header of the TIFF has {count:,} tags; at most {MAX_TAGS:,} are allowed.")
    entry = struct.Struct(order + ("HHQ8s" if big else "HHI4s"))
    table = stream.read(count * entry.size)
    tags = tuple(_Tag(*values) for values in entry.iter_unpack(table[: len(table) // entry.size * entry.size]))
    values = max((tag.count for tag in tags if tag.kind not in _BYTES), default=0)
    if values > MAX_TAG_VALUES:
        raise UnreadablePhoto(
            f"The header of the TIFF lists {values:,} strips or values; at most {MAX_TAG_VALUES:,} are allowed."
        )
    following = stream.read(8 if big else 4)
    return Directory(order, big, offset, stream.tell(), tags, following.ljust(8 if big else 4, b"\0"))


def _cut() -> UnreadablePhoto:
    return UnreadablePhoto("This begins like a TIFF photo, but its header is damaged or cut short.")


def _rewritten(stream: BinaryIO, directory: Directory, tags: tuple[_Tag, ...], size: int) -> BinaryIO:
    """The TIFF with these tags only. Their table stands at the end of the file."""
    order, big = directory.order, directory.big
    head = 16 if big else 8
    stream.seek(0)
    start = stream.read(head)
    start = start[:8] + struct.pack(order + "Q", size) if big else start[:4] + struct.pack(order + "I", size)
    entry = order + ("HHQ8s" if big else "HHI4s")
    table = struct.pack(order + ("Q" if big else "H"), len(tags))
    table += b"".join(struct.pack(entry, tag.number, tag.kind, tag.count, tag.field) for tag in tags)
    return view(stream, [start, range(head, size), table + directory.next])


def _classic(stream: BinaryIO, directory: Directory, tags: tuple[_Tag, ...], size: int) -> BinaryIO:
    """A BigTIFF with big-endian numbers as a classic TIFF of one picture.

    Its table stands at the end of the file, followed by the values that are not where they were.
    """
    if size >= 2**32:
        raise UnsupportedPhoto("This is a BigTIFF with big-endian numbers and more than 4 GB, which is not taken.")
    order = directory.order
    table: list[bytes] = []
    values: list[bytes] = []
    moved = 0
    values_at = size + 2 + 12 * len(tags) + 4
    for tag in tags:
        kind, value, place = tag.kind, tag.field[: tag.size], directory.place(tag)
        if tag.kind in _LONG8:
            kind = _LONG8[tag.kind]
            if place is not None:
                stream.seek(place)
                value, place = stream.read(tag.size), None
            numbers = struct.unpack(f"{order}{tag.count}Q", value)
            value = struct.pack(f"{order}{tag.count}I", *(min(number, 2**32 - 1) for number in numbers))
        if place is None and len(value) > 4:
            place = values_at + moved
            values.append(value)
            moved += len(value)
            if moved > min(size, MAX_MOVED):
                raise UnreadablePhoto("The header of the TIFF has more values than a photo has.")
        field = value if place is None else struct.pack(order + "I", place)
        table.append(struct.pack(order + "HHI4s", tag.number, kind, tag.count, field))
    head = b"MM\0*" + struct.pack(order + "I", size)
    rewritten = b"".join([struct.pack(order + "H", len(tags)), *table, bytes(4), *values])
    return view(stream, [head, range(8, size), rewritten])
