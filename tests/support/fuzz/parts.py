"""Damage to the parts of a file: segments of a JPEG, chunks of a PNG or WebP, tags of TIFF and EXIF, boxes of HEIF."""

from __future__ import annotations

import random
import re
import struct
import zlib
from collections.abc import Callable, Iterator

NUMBERS = (0, 1, 2, 0x7F, 0xFF, 0x100, 0x7FFF, 0xFFFF, 0x10000, 0xFFFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)

Span = tuple[int, int]
"""Where a part begins and ends."""


def damage_segments(chance: random.Random, data: bytearray) -> None:
    """Segments of a JPEG up to the first scan (ITU-T T.81, B.1.1.4)."""

    def spans() -> Iterator[Span]:
        at = 2
        while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != 0xDA:
            end = at + 2 + int.from_bytes(data[at + 2 : at + 4])
            yield at, min(end, len(data))
            at = end

    def rebuilt(content: bytes, old: bytes) -> bytes:
        return old[:2] + struct.pack(">H", min(len(content) + 2, 0xFFFF)) + content

    _damage_one(chance, data, list(spans()), 4, rebuilt)


_BOMB = zlib.compress(bytes(30_000_000), 9)

BOMBS = {
    b"iCCP": b"name\0\0" + _BOMB,
    b"zTXt": b"Comment\0\0" + _BOMB,
    b"iTXt": b"XML:com.adobe.xmp\0\1\0\0\0" + _BOMB,
}
"""Compressed chunks of a PNG -> a content that becomes a thousand times as long."""


def damage_chunks(chance: random.Random, data: bytearray) -> None:
    """Chunks of a PNG, with the right checksum behind them (PNG third edition, 5.3)."""

    def spans() -> Iterator[Span]:
        at = 8
        while at + 12 <= len(data):
            end = at + 12 + int.from_bytes(data[at : at + 4])
            yield at, min(end, len(data))
            at = end

    def rebuilt(content: bytes, old: bytes) -> bytes:
        content = content[: max(0, len(content) - 4)]  # without the old checksum
        kind = old[4:8]
        if kind in BOMBS and chance.random() < 0.2:
            content = BOMBS[kind]
        if chance.random() < 0.1:
            kind = chance.choice((b"tRNS", b"PLTE", b"acTL", b"fcTL", b"iCCP", b"pHYs", b"gAMA", b"eXIf", b"IDAT"))
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    _damage_one(chance, data, list(spans()), 8, rebuilt)


def damage_riff(chance: random.Random, data: bytearray) -> None:
    """Chunks of a WebP (WebP container specification, "RIFF File Format")."""

    def spans() -> Iterator[Span]:
        at = 12
        while at + 8 <= len(data):
            size = int.from_bytes(data[at + 4 : at + 8], "little")
            end = at + 8 + size + size % 2
            yield at, min(end, len(data))
            at = end

    def rebuilt(content: bytes, old: bytes) -> bytes:
        return old[:4] + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)

    _damage_one(chance, data, list(spans()), 8, rebuilt)
    data[4:8] = struct.pack("<I", max(0, len(data) - 8))


CONTAINERS = {b"meta": 4, b"iprp": 0, b"ipco": 0, b"iinf": 6, b"iref": 4, b"moov": 0, b"trak": 0, b"mdia": 0}
"""Boxes that hold boxes -> bytes before the first of them."""


def damage_boxes(chance: random.Random, data: bytearray) -> None:
    """Boxes of HEIF and AVIF (ISO/IEC 14496-12, 4.2). The sizes around a box do not follow its own."""

    def spans(at: int, end: int) -> Iterator[Span]:
        while at + 8 <= end:
            stop = at + (int.from_bytes(data[at : at + 4]) or end - at)
            if stop < at + 8 or stop > end:
                return
            yield at, stop
            kind = bytes(data[at + 4 : at + 8])
            if kind in CONTAINERS:
                yield from spans(at + 8 + CONTAINERS[kind], stop)
            at = stop

    def rebuilt(content: bytes, old: bytes) -> bytes:
        return struct.pack(">I", len(content) + 8) + old[4:8] + content

    _damage_one(chance, data, list(spans(0, len(data))), 8, rebuilt)


TAGS = (256, 257, 258, 259, 262, 273, 274, 277, 278, 279, 282, 317, 320, 322, 330, 338, 339, 700, 34665, 34853, 37500)
"""Those that say how pixels are stored, and where other directories are (TIFF 6.0, appendix A; EXIF 2.32, 4.6)."""

_TIFF = re.compile(rb"II\*\0|MM\0\*|II\+\0|MM\0\+")


def damage_tags(chance: random.Random, data: bytearray) -> None:
    """One tag in a directory of a TIFF or of EXIF (TIFF 6.0, section 2): its number, type, count or value."""
    headers = [found.start() for found in _TIFF.finditer(data)]
    if not headers:
        return
    start = chance.choice(headers)
    order = "<" if data[start : start + 1] == b"I" else ">"
    directories = _directories(data, start, order)
    if not directories:
        return
    at, count = chance.choice(directories)
    entry = at + 2 + 12 * chance.randrange(count)
    place, size, choices = chance.choice(
        (
            (
                0,
                2,
                (256, 257, 258, 259, 262, 273, 274, 277, 278, 279, 282, 320, 322, 330, 339, 700, 34665, 34853, 37500),
            ),
            (2, 2, (0, 1, 2, 3, 4, 5, 7, 9, 10, 12, 13, 16, 99, 0xFFFF)),
            (4, 4, NUMBERS),
            (8, 4, (*NUMBERS, 8, at - start, len(data) - start - 1, chance.randrange(2**16))),  # also: a loop
        )
    )
    if entry + 12 <= len(data):
        struct.pack_into(order + {2: "H", 4: "I"}[size], data, entry + place, chance.choice(choices))


_XMP = re.compile(rb"<x:xmpmeta.*?</x:xmpmeta>", re.DOTALL)


def damage_xmp(chance: random.Random, data: bytearray) -> None:
    """Replace XMP by other XML of the same length: nested deeply, with entities that grow, or not well-formed."""
    found = _XMP.search(data)
    if not found:
        return
    size = found.end() - found.start()
    entities = b"<!DOCTYPE a [<!ENTITY b 'bbbbbbbbbb'>" + b"".join(
        b"<!ENTITY %c '%b'>" % (name, b"&%c;" % (name - 1) * 10) for name in range(ord("c"), ord("k"))
    )
    xml = chance.choice(
        (
            b"<a>" * size,
            b"<x:xmpmeta>" + b"<rdf:li>" * size,
            entities + b"]><a>&j;</a>",
            b"<?xml version='1.0' encoding='UTF-16'?>" + b"<a/>" * 9,
            b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>" + bytes(chance.randbytes(size)),
            b"\0" * size,
        )
    )
    data[found.start() : found.end()] = xml[:size].ljust(size)


def _directories(data: bytearray, start: int, order: str) -> list[tuple[int, int]]:
    """Where the directories of a TIFF begin, and how many tags each has: the main ones, and those of EXIF and GPS."""
    found: list[tuple[int, int]] = []
    pending = [int.from_bytes(data[start + 4 : start + 8], "little" if order == "<" else "big")]
    while pending and len(found) < 8:
        at = start + pending.pop()
        if not start < at <= len(data) - 2:
            continue
        (count,) = struct.unpack_from(order + "H", data, at)
        if not 0 < count < 200 or at + 2 + 12 * count + 4 > len(data):
            continue
        found.append((at, count))
        for entry in range(at + 2, at + 2 + 12 * count, 12):
            tag, value = struct.unpack_from(order + "H6xI", data, entry)
            if tag in (34665, 34853, 330, 40965):
                pending.append(value)
        pending.append(struct.unpack_from(order + "I", data, at + 2 + 12 * count)[0])
    return found


def _damage_one(
    chance: random.Random,
    data: bytearray,
    spans: list[Span],
    head: int,
    rebuilt: Callable[[bytes, bytes], bytes],
) -> None:
    """Damage one part. `head`: the bytes before its content. `rebuilt` makes a part of a content and the old part."""
    if not spans:
        return
    start, end = chance.choice(spans)
    old = bytes(data[start:end])
    content = bytearray(old[head:])
    match chance.randrange(8):
        case 0:
            data[start:end] = b""
        case 1:
            data[start:end] = old * chance.randint(2, 30)
        case 2:
            other_start, other_end = chance.choice(spans)
            data[start:end] = bytes(data[other_start:other_end])
        case 3:
            del content[chance.randrange(len(content) + 1) :]
            data[start:end] = rebuilt(bytes(content), old)
        case 4:
            data[start:end] = rebuilt(b"", old)
        case 5:
            data[start:end] = rebuilt(chance.randbytes(chance.randint(1, 80)), old)
        case 6:
            data[start:end] = rebuilt(bytes(content) * chance.randint(2, 40), old)
        case _:
            for _ in range(chance.randint(1, 4)):
                if content:
                    at = chance.randrange(len(content))
                    number = chance.choice(NUMBERS) & 0xFF
                    content[at] = chance.choice((number, content[at] ^ 1 << chance.randrange(8)))
            data[start:end] = rebuilt(bytes(content), old)
