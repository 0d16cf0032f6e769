"""Ultra HDR photos made in code: a JPEG, then its gain map as a second JPEG."""

from __future__ import annotations

import io
import struct

from PIL import Image

from tests.support.container_files import saved

NUMBERS = {
    "Version": "1.0",
    "GainMapMin": "-0.25",
    "GainMapMax": "2.750",
    "Gamma": "1.5",
    "OffsetSDR": "0.015625",
    "OffsetHDR": "0.015625",
    "HDRCapacityMin": "0",
    "HDRCapacityMax": "2.75",
    "BaseRenditionIsHDR": "False",
}

ISO = b"urn:iso:std:iso:ts:21496:-1\0"
ISO_NUMBERS = bytes(5) + bytes(range(56))

_HDRGM = 'xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/"'


def xmp(description: str) -> bytes:
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f"{description}</rdf:RDF></x:xmpmeta>"
    ).encode()


def map_xmp(numbers: dict[str, str], more: str = "") -> bytes:
    attributes = "".join(f' hdrgm:{name}="{value}"' for name, value in numbers.items())
    return xmp(f'<rdf:Description rdf:about="" {_HDRGM}{attributes}>{more}</rdf:Description>')


def segment(data: bytes) -> bytes:
    return b"\xff\xe2" + struct.pack(">H", 2 + len(data)) + data


def gain_map(picture: Image.Image, *, more: str = "", iso: bool = False) -> bytes:
    """A map with NUMBERS in XMP, or with ISO_NUMBERS. `more` are further properties of its XMP."""
    if iso:
        return saved(picture, "JPEG", quality=95, extra=segment(ISO + ISO_NUMBERS))
    return saved(picture, "JPEG", quality=95, xmp=map_xmp(NUMBERS, more))


def ultra_hdr(photo: Image.Image, second: bytes, *, listed: bool = True, **options: object) -> bytes:
    """The photo with its map behind it. `listed`: by MPF; otherwise only by Google's container."""
    container = (
        f'<rdf:Description rdf:about="" {_HDRGM} xmlns:Container="http://ns.google.com/photos/1.0/container/" '
        'xmlns:Item="http://ns.google.com/photos/1.0/container/item/" hdrgm:Version="1.0"><Container:Directory>'
        '<rdf:Seq><rdf:li rdf:parseType="Resource"><Container:Item Item:Semantic="Primary" Item:Mime="image/jpeg"/>'
        '</rdf:li><rdf:li rdf:parseType="Resource"><Container:Item Item:Semantic="GainMap" Item:Mime="image/jpeg" '
        f'Item:Length="{len(second)}"/></rdf:li></rdf:Seq></Container:Directory></rdf:Description>'
    )
    first = saved(photo, "JPEG", quality=95, xmp=xmp(container), **options)
    return (_listed(first, second) if listed else first) + second


def _listed(first: bytes, second: bytes) -> bytes:
    """The first picture with an MPF segment right behind SOI, little-endian."""
    directory = struct.pack("<H", 1) + struct.pack("<HHII", 0xB002, 7, 32, 26) + bytes(4)
    length = 4 + 4 + 8 + len(directory) + 32
    entries = struct.pack("<IIIHH", 0x030000, len(first) + length, 0, 0, 0)
    entries += struct.pack("<IIIHH", 0, len(second), len(first) + length - 10, 0, 0)
    return first[:2] + segment(b"MPF\0II*\0\x08\0\0\0" + directory + entries) + first[2:]


def listed_pictures(data: bytes) -> list[bytes]:
    """The pictures of a file, as its MPF segment says: read here and not by Darkroom's own reader."""
    at = data.index(b"MPF\0MM") + 4
    assert data[at + 4 : at + 8] == b"\0\0\0\x08"
    (count,) = struct.unpack_from(">H", data, at + 8)
    fields = {
        tag: value for tag, _, _, value in (struct.unpack_from(">HHII", data, at + 10 + 12 * n) for n in range(count))
    }
    assert fields[0xB001] == 2
    entries = [struct.unpack_from(">III", data, at + fields[0xB002] + 16 * number) for number in range(2)]
    starts = [at + offset if offset else 0 for _, _, offset in entries]
    return [data[start : start + size] for start, (_, size, _) in zip(starts, entries, strict=True)]


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data), formats=["JPEG"])
