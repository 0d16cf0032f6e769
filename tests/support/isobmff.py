"""Small files of ISO base media file format boxes (ISO/IEC 14496-12): HEIF photos, image sequences and videos.

Their pixels are not valid: the files are for tests of what is read from a header.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

SIZE = (64, 48)
"""Pixels that every file promises."""


def box(kind: bytes, *content: bytes) -> bytes:
    body = b"".join(content)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def full_box(kind: bytes, *content: bytes, version: int = 0, flags: int = 0) -> bytes:
    return box(kind, struct.pack(">I", version << 24 | flags), *content)


def file_type(brand: bytes, *compatible: bytes) -> bytes:
    return box(b"ftyp", brand, bytes(4), brand, *compatible)


def heif(coding: bytes, brand: bytes = b"mif1", *compatible: bytes, tiles: Sequence[bytes] = ()) -> bytes:
    """A HEIF photo (ISO/IEC 23008-12) whose primary item has this type; item 2 and up are `tiles` of a grid."""
    types = [coding, *tiles]
    items = [_item(number, kind) for number, kind in enumerate(types, 1)]
    grid = b"\0\0" + bytes([0, len(tiles) - 1]) + struct.pack(">HH", SIZE[0] * len(tiles), SIZE[1]) if tiles else b""
    payload = [grid or bytes(64), *([bytes(64)] * len(tiles))]
    parts = [
        full_box(b"hdlr", bytes(4), b"pict", bytes(12), b"\0"),
        full_box(b"pitm", struct.pack(">H", 1)),
        full_box(b"iinf", struct.pack(">H", len(items)), *items),
        full_box(b"iref", box(b"dimg", struct.pack(f">HH{len(tiles)}H", 1, len(tiles), *range(2, 2 + len(tiles)))))
        if tiles
        else b"",
        _properties(len(items)),
    ]
    start = file_type(brand, *compatible)
    # The length of the locations does not depend on their values.
    length = len(start) + len(full_box(b"meta", *parts, _locations(0, payload))) + 8
    return start + full_box(b"meta", *parts, _locations(length, payload)) + box(b"mdat", *payload)


def located(table: bytes, *others: bytes, derived: tuple[bytes, Sequence[int]] = (b"av01", ())) -> bytes:
    """A HEIF photo of three items with this `iloc` box, 100 bytes of data behind it, and `others` in its meta box.

    Item 1 is the primary one. `derived` is its type, and the items that it is made of. Items 2 and 3 are coded as AV1.
    """
    coding, sources = derived
    items = [_item(number, kind) for number, kind in enumerate((coding, b"av01", b"av01"), 1)]
    reference = box(b"dimg", struct.pack(f">HH{len(sources)}H", 1, len(sources), *sources))
    meta = full_box(
        b"meta",
        full_box(b"pitm", struct.pack(">H", 1)),
        full_box(b"iinf", struct.pack(">H", len(items)), *items),
        full_box(b"iref", reference),
        table,
        *others,
    )
    return file_type(b"avif") + meta + box(b"mdat", bytes(100))


def locations(
    *items: tuple[int, int, int, Sequence[tuple[int, int]]],
    version: int = 1,
    sizes: tuple[int, int, int, int] = (4, 4, 4, 0),
) -> bytes:
    """An `iloc` box. An item is its number, construction method, base offset, and offset and length of its extents.

    `sizes` are those of offsets, lengths, base offsets and of the index of an extent, in bytes.
    """
    offset_size, length_size, base_size, index_size = sizes
    number = 4 if version == 2 else 2
    table = bytes([offset_size << 4 | length_size, base_size << 4 | index_size]) + len(items).to_bytes(number)
    for item, method, base, extents in items:
        table += item.to_bytes(number) + (struct.pack(">H", method) if version else b"") + b"\0\0"
        table += base.to_bytes(base_size) + len(extents).to_bytes(2)
        for offset, length in extents:
            table += bytes(index_size) + offset.to_bytes(offset_size) + length.to_bytes(length_size)
    return full_box(b"iloc", table, version=version)


def sequence(brand: bytes, *compatible: bytes, handler: bytes = b"pict", coding: bytes = b"hvc1") -> bytes:
    """A file with one track and without a meta box: an image sequence (handler `pict`) or a video (`vide`)."""
    entry = box(coding, bytes(6), struct.pack(">H", 1), bytes(16), struct.pack(">HH", *SIZE), bytes(50))
    media = box(
        b"mdia",
        full_box(b"mdhd", bytes(8), struct.pack(">II", 1000, 1000), bytes(4)),
        full_box(b"hdlr", bytes(4), handler, bytes(12), b"\0"),
        box(b"minf", box(b"stbl", full_box(b"stsd", struct.pack(">I", 1), entry))),
    )
    header = full_box(b"tkhd", bytes(72), struct.pack(">II", SIZE[0] << 16, SIZE[1] << 16), flags=1)
    movie = full_box(b"mvhd", bytes(8), struct.pack(">II", 1000, 1000), bytes(80))
    return file_type(brand, *compatible) + box(b"moov", movie, box(b"trak", header, media)) + box(b"mdat", bytes(64))


def minimized(coding: bytes) -> bytes:
    """A HEIF photo with a minimized header (ISO/IEC 23008-12:2025): the minor version names the coding."""
    return box(b"ftyp", b"mif3", coding) + box(b"mini", bytes(60))


def _item(number: int, kind: bytes) -> bytes:
    return full_box(b"infe", struct.pack(">HH", number, 0), kind, b"\0", version=2)


def _properties(items: int) -> bytes:
    size = full_box(b"ispe", struct.pack(">II", *SIZE))
    pixels = full_box(b"pixi", b"\x03\x08\x08\x08")
    used = b"".join(struct.pack(">HBBB", number, 2, 1, 2) for number in range(1, items + 1))
    return box(b"iprp", box(b"ipco", size, pixels), full_box(b"ipma", struct.pack(">I", items), used))


def _locations(start: int, payload: Sequence[bytes]) -> bytes:
    entries, at = [], start
    for number, data in enumerate(payload, 1):
        entries.append(struct.pack(">HHHII", number, 0, 1, at, len(data)))
        at += len(data)
    return full_box(b"iloc", b"\x44\x00", struct.pack(">H", len(entries)), *entries)


def with_property(photo: bytes, added: bytes) -> bytes:
    """A photo of libavif whose first item has one more essential property: a box, behind its others."""

    def grown(data: bytes, kind: bytes, at_end_of: int) -> bytes:
        at = data.index(kind) - 4
        (size,) = struct.unpack_from(">I", data, at)
        return data[:at] + struct.pack(">I", size + at_end_of) + data[at + 4 :]

    for kind, more in ((b"meta", len(added) + 1), (b"iprp", len(added) + 1), (b"ipco", len(added)), (b"ipma", 1)):
        photo = grown(photo, kind, more)
    places = photo.index(b"iloc") + 10
    (items,) = struct.unpack_from(">H", photo, places)
    for item in range(items):
        at = places + 2 + 14 * item + 6
        (start,) = struct.unpack_from(">I", photo, at)
        photo = photo[:at] + struct.pack(">I", start + len(added) + 1) + photo[at + 4 :]
    used = photo.index(b"ipma") + 4 + 8 + 2
    known = photo.index(b"ipco") + 4
    end, number = known + struct.unpack_from(">I", photo, known - 8)[0] - 8 - len(added), 1
    while known < end:
        known += struct.unpack_from(">I", photo, known)[0]
        number += 1
    count = photo[used]
    last = used + 1 + count
    photo = photo[:used] + bytes([count + 1]) + photo[used + 1 : last] + bytes([0x80 | number]) + photo[last:]
    return photo[:end] + added + photo[end:]


def clean_aperture(width: int, height: int, across: int = 0, down: int = 0, parts: int = 1) -> bytes:
    """A `clap` box: a size, and the distance of its middle from that of the picture. All are divided by `parts`."""
    return box(b"clap", struct.pack(">IIIIiIiI", width, parts, height, parts, across, parts, down, parts))
