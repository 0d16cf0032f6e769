"""Chunks of a PNG (PNG specification, third edition), and what programs store in them."""

from __future__ import annotations

import struct
import zlib
from itertools import islice
from typing import BinaryIO

from darkroom.containers.jpeg import XMP_NAME
from darkroom.containers.png import MAX_INFLATED, chunks_of
from worker.photo.metadata.embedded import MAX_PARTS, Embedded, read_at
from worker.photo.metadata.texts import free_text
from worker.photo.tiff_tags import MAX_BLOCK

_DEPTH_OF_PALETTE = 8
_XMP = "XML:com.adobe.xmp"
_TEXT_KEYWORDS_OF_BLOCKS = ("Raw profile type ", _XMP)


def read_png(stream: BinaryIO, embedded: Embedded) -> None:
    inflated = 0
    size = stream.seek(0, 2)
    # Where the end is missing, a warning of the photo says so.
    for chunk in islice(chunks_of(stream, until=b"IEND"), MAX_PARTS):
        if chunk.kind in _CHUNKS:
            inflated += chunk.kind in (b"iCCP", b"zTXt", b"iTXt")
            data = read_at(stream, chunk.start, chunk.length)
            if inflated > MAX_INFLATED or chunk.length > MAX_BLOCK:
                embedded.fault("PNG", chunk.kind.decode(), "too_large")
            elif chunk.span.stop > size:
                embedded.fault("PNG", chunk.kind.decode(), "cut_short")
            else:
                _read(chunk.kind, data, embedded)


def _read(kind: bytes, data: bytes, embedded: Embedded) -> None:
    try:
        _CHUNKS[kind](data, embedded)
    except (struct.error, IndexError, ValueError, KeyError, zlib.error, UnicodeDecodeError):
        embedded.fault("PNG", kind.decode(), "damaged")


def _header(data: bytes, embedded: Embedded) -> None:
    depth, colour, compression, _filter, interlace = struct.unpack_from(">5B", data, 8)
    embedded.bit_depth = _DEPTH_OF_PALETTE if colour == 3 else depth
    embedded.progressive = interlace == 1
    embedded.compression = "deflate" if compression == 0 else "other"


def _density(data: bytes, embedded: Embedded) -> None:
    across, down, unit = struct.unpack(">IIB", data)
    if unit == 1 and across and down:
        embedded.density = across * 0.0254, down * 0.0254


def _profile(data: bytes, embedded: Embedded) -> None:
    _name, _, rest = data.partition(b"\0")
    if rest[0]:
        raise ValueError("an unknown method of compression")
    embedded.icc = _inflated(rest[1:])


def _text(data: bytes, embedded: Embedded) -> None:
    keyword, _, text = data.partition(b"\0")
    _keep(keyword, text, embedded, "tEXt")


def _compressed_text(data: bytes, embedded: Embedded) -> None:
    keyword, _, rest = data.partition(b"\0")
    if rest[0]:
        raise ValueError("an unknown method of compression")
    _keep(keyword, _inflated(rest[1:]), embedded, "zTXt")


def _international_text(data: bytes, embedded: Embedded) -> None:
    keyword, _, rest = data.partition(b"\0")
    compressed, method = rest[0], rest[1]
    _language, _, rest = rest[2:].partition(b"\0")
    _translated, _, text = rest.partition(b"\0")
    if compressed and method:
        raise ValueError("an unknown method of compression")
    _keep(keyword, _inflated(text) if compressed else text, embedded, "iTXt")


def _keep(keyword: bytes, text: bytes, embedded: Embedded, chunk: str) -> None:
    name = keyword.decode("latin-1")
    if name == _XMP:
        embedded.xmp.insert(0, text)
    elif name.startswith("Raw profile type "):
        _raw_profile(name.removeprefix("Raw profile type "), text, embedded)
    else:
        value = free_text(text, utf8=chunk == "iTXt")
        embedded.texts.setdefault(name, value)
        if name == "Creation Time":
            embedded.times.append(("PNG Creation Time", value))
        embedded.comment(f"PNG {name}", value)


def _raw_profile(kind: str, text: bytes, embedded: Embedded) -> None:
    """ImageMagick writes blocks as text: a line with the kind, one with the length, then hexadecimal digits."""
    parts = text.split(None, 2)
    data = bytes.fromhex(b"".join(parts[2].split()).decode("ascii"))[: int(parts[1])]
    if kind in ("exif", "APP1"):
        if data.startswith(XMP_NAME):
            embedded.xmp.append(data.split(b"\0", 1)[1])
        else:
            embedded.exif = embedded.exif or data.removeprefix(b"Exif\0\0")
    elif kind in ("iptc", "8bim"):
        # Old versions of ImageMagick write the IPTC alone.
        if data.startswith(b"8BIM"):
            embedded.photoshop = data
        else:
            embedded.iptc = data
    elif kind == "xmp":
        embedded.xmp.append(data)
    elif kind in ("icc", "icm"):
        embedded.icc = embedded.icc or data


def _exif(data: bytes, embedded: Embedded) -> None:
    embedded.exif = data.removeprefix(b"Exif\0\0")


def _time(data: bytes, embedded: Embedded) -> None:
    year, *rest = struct.unpack(">H5B", data)
    embedded.times.append(("PNG tIME", "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z".format(year, *rest)))


def _srgb(_data: bytes, embedded: Embedded) -> None:
    embedded.srgb = True


def _coded_colours(data: bytes, embedded: Embedded) -> None:
    primaries, transfer, matrix, full = struct.unpack(">4B", data)
    embedded.coded_colours = primaries, transfer, matrix, bool(full)


def _animation(data: bytes, embedded: Embedded) -> None:
    embedded.frames = max(1, struct.unpack_from(">I", data)[0])


def _c2pa(data: bytes, embedded: Embedded) -> None:
    embedded.c2pa, embedded.c2pa_bytes = data, len(data)


def _inflated(data: bytes) -> bytes:
    inflater = zlib.decompressobj()
    text = inflater.decompress(data, MAX_BLOCK)
    if inflater.unconsumed_tail:
        raise ValueError("longer than a block may be")
    return text


_CHUNKS = {
    b"IHDR": _header,
    b"pHYs": _density,
    b"iCCP": _profile,
    b"sRGB": _srgb,
    b"cICP": _coded_colours,
    b"acTL": _animation,
    b"tEXt": _text,
    b"zTXt": _compressed_text,
    b"iTXt": _international_text,
    b"eXIf": _exif,
    b"tIME": _time,
    b"caBX": _c2pa,
}
"""Chunks that are read. The others are passed over."""
