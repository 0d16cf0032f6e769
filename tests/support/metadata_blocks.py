"""Photos with metadata of every kind, made in code: EXIF byte by byte, XMP, IPTC, and the segments that hold them."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL import Image

from darkroom.photo_metadata.photo_document import as_json
from worker.photo.decode import PhotoFile
from worker.photo.metadata.read import read_metadata

MAX_PIXELS = 1_000_000

ASCII, SHORT, LONG, RATIONAL, UNDEFINED, SRATIONAL = 2, 3, 4, 5, 7, 10

Entry = tuple[int, int, int, bytes]
"""(tag, type, number of values, data)."""


def text(tag: int, value: str | bytes) -> Entry:
    data = value if isinstance(value, bytes) else value.encode() + b"\0"
    return tag, ASCII, len(data), data


def short(tag: int, value: int) -> Entry:
    return tag, SHORT, 1, struct.pack("<H", value)


def rationals(tag: int, *pairs: tuple[int, int]) -> Entry:
    return tag, RATIONAL, len(pairs), b"".join(struct.pack("<II", *pair) for pair in pairs)


def undefined(tag: int, data: bytes) -> Entry:
    return tag, UNDEFINED, len(data), data


def broken(tag: int, kind: int = RATIONAL, count: int = 1) -> Entry:
    """A value whose offset lies behind the end of the block."""
    return tag, kind, count, b"outside"


def exif(image: Sequence[Entry] = (), photo: Sequence[Entry] = (), gps: Sequence[Entry] = ()) -> bytes:
    """EXIF, little-endian, with these tags in the order in which they are given."""
    data = b""
    places: dict[str, int] = {}
    directories: dict[str, list[Entry]] = {"photo": list(photo), "gps": list(gps)}
    start = 8
    pointers = [(0x8769, "photo")] * bool(photo) + [(0x8825, "gps")] * bool(gps)
    sizes = {"image": 2 + 12 * (len(image) + len(pointers)) + 4}
    sizes |= {name: 2 + 12 * len(entries) + 4 for name, entries in directories.items()}
    places["photo"] = start + sizes["image"]
    places["gps"] = places["photo"] + sizes["photo"]
    data_start = places["gps"] + sizes["gps"]
    written = b""
    directories = {
        "image": [*image, *((tag, LONG, 1, struct.pack("<I", places[name])) for tag, name in pointers)],
        **directories,
    }
    for entries in directories.values():
        table = struct.pack("<H", len(entries))
        for tag, kind, count, value in entries:
            if value == b"outside":
                stored = struct.pack("<I", 0xFFFFFF)
            elif len(value) <= 4:
                stored = value.ljust(4, b"\0")
            else:
                stored = struct.pack("<I", data_start + len(data))
                data += value + b"\0" * (len(value) % 2)
            table += struct.pack("<HHI", tag, kind, count) + stored
        written += table + struct.pack("<I", 0)
    return b"II*\0" + struct.pack("<I", start) + written + data


def exif_of_a_canon(lens: int) -> bytes:
    """EXIF of a Canon EOS 1000D at 18 to 55 mm, whose maker notes have the number of the lens."""
    image = [text(0x010F, "Canon"), text(0x0110, "Canon EOS 1000D")]
    note = _canon_maker_note(0, lens)
    place = exif(image, [undefined(0x927C, b"\xee" * len(note))]).index(b"\xee" * len(note))
    return exif(image, [undefined(0x927C, _canon_maker_note(place, lens))])


def _canon_maker_note(place: int, lens: int) -> bytes:
    """Canon's maker note at this place of the EXIF, with its camera settings: 50 numbers, of which one is the lens."""
    settings = struct.pack("<50H", 100, *([0] * 21), lens, 55, 18, 1, 116, 288, *([0] * 22))
    name = b"EF-S18-55mm\0"
    start = place + 2 + 12 * 2 + 4
    return (
        struct.pack("<H", 2)
        + struct.pack("<HHII", 0x0001, SHORT, 50, start)
        + struct.pack("<HHII", 0x0095, ASCII, len(name), start + len(settings))
        + struct.pack("<I", 0)
        + settings
        + name
    )


def xmp(properties: str, namespaces: Mapping[str, str] | None = None) -> bytes:
    """An XMP packet with these elements inside of its description."""
    known = {
        "dc": "http://purl.org/dc/elements/1.1/",
        "xmp": "http://ns.adobe.com/xap/1.0/",
        "photoshop": "http://ns.adobe.com/photoshop/1.0/",
        "xmpRights": "http://ns.adobe.com/xap/1.0/rights/",
        "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
        "Iptc4xmpCore": "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/",
        "plus": "http://ns.useplus.org/ldf/xmp/1.0/",
        "exif": "http://ns.adobe.com/exif/1.0/",
        "aux": "http://ns.adobe.com/exif/1.0/aux/",
        **(namespaces or {}),
    }
    declared = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in known.items())
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description rdf:about="" {declared}>{properties}</rdf:Description></rdf:RDF></x:xmpmeta>'
    ).encode()


def alternatives(name: str, value: str) -> str:
    return f'<{name}><rdf:Alt><rdf:li xml:lang="x-default">{value}</rdf:li></rdf:Alt></{name}>'


def bag(name: str, *values: str, kind: str = "Bag") -> str:
    return f"<{name}><rdf:{kind}>{''.join(f'<rdf:li>{value}</rdf:li>' for value in values)}</rdf:{kind}></{name}>"


def iptc(*data_sets: tuple[int, str], record: int = 2, utf8: bool = True) -> bytes:
    """An IPTC-IIM block with these data sets."""
    first = b"\x1c\x01\x5a\0\x03\x1b%G" if utf8 else b""
    encoded = [(number, value.encode("utf-8" if utf8 else "latin-1")) for number, value in data_sets]
    return first + b"".join(
        b"\x1c" + bytes([record, number]) + struct.pack(">H", len(data)) + data for number, data in encoded
    )


def image_resource(number: int, data: bytes) -> bytes:
    """A resource block of Photoshop."""
    padded = data + b"\0" * (len(data) % 2)
    return b"8BIM" + struct.pack(">HHI", number, 0, len(data)) + padded


def segment(marker: int, data: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data


def jpeg(
    *segments: bytes,
    exif_block: bytes = b"",
    xmp_packet: bytes = b"",
    resources: bytes = b"",
    image: Image.Image | None = None,
    **options: Any,
) -> bytes:
    """A JPEG of 8 x 6 pixels with these blocks and segments behind its start."""
    file = io.BytesIO()
    (image or Image.new("RGB", (8, 6), "navy")).save(file, "JPEG", **options)
    added = [*segments]
    if exif_block:
        added.append(segment(0xE1, b"Exif\0\0" + exif_block))
    if xmp_packet:
        added.append(segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + xmp_packet))
    if resources:
        added.append(segment(0xED, b"Photoshop 3.0\0" + resources))
    return file.getvalue()[:2] + b"".join(added) + file.getvalue()[2:]


def chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I4s", len(data), kind) + data + struct.pack(">I", zlib.crc32(kind + data))


def described(data: bytes, folder: Path) -> dict[str, Any]:
    """What the metadata job says of the photo in these bytes, without decoding it."""
    path = folder / "described"
    path.write_bytes(data)
    with path.open("rb") as file:
        return as_json(read_metadata(PhotoFile(file, MAX_PIXELS).facts()))


def described_like(good: bytes, damaged: bytes, folder: Path) -> dict[str, Any]:
    """What the metadata job says of a damaged copy whose header the decoder's library need not be able to read: the
    facts of the header are those of the good one."""
    (folder / "good").write_bytes(good)
    (folder / "damaged").write_bytes(damaged)
    with (folder / "good").open("rb") as one, (folder / "damaged").open("rb") as other:
        return as_json(read_metadata(replace(PhotoFile(one, MAX_PIXELS).facts(), original=other, bytes=len(damaged))))
