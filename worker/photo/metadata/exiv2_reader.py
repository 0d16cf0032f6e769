"""Reads EXIF with its maker notes, XMP and IPTC with Exiv2, the library that darktable, digiKam and GIMP use.

The package `exiv2` is an extra of ours (`metadata`). Without it the standard tags of EXIF are read, and nothing else.
Exiv2 reads blocks from memory, never a file, and is loaded before children are forked: they open nothing.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from worker.photo.metadata.texts import clean, decode
from worker.photo.tiff_tags import ASCII, GPS, IMAGE, INTEROP, PHOTO, THUMBNAIL, UNDEFINED, Rational, Tag

try:
    import exiv2
except ImportError:  # the extra is not installed
    exiv2 = None

INSTALLED = exiv2 is not None

MAX_VALUES = 10_000
"""Tags that are read from one block."""

MAX_PROPERTIES = 20_000
"""Elements and attributes of an XMP packet that is read. The fullest one known to us has about 5,000."""

MAX_LIST = 200
"""Entries of a list of XMP that are read."""

_ERRORS: tuple[type[Exception], ...] = (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError)
"""What Exiv2 and its binding raise for damaged bytes. They turn the exceptions of C++ into these."""
if exiv2 is not None:
    _ERRORS += (exiv2.Exiv2Error,)

_STANDARD = frozenset({IMAGE, PHOTO, GPS, INTEROP, THUMBNAIL})

_MAX_MAKER_VALUE = 1000
"""Characters of a value of maker notes that is kept."""

_INTERPRETED = {
    "lens": "lensName",
    "serial_number": "serialNumber",
    "metering": "meteringMode",
    "white_balance": "whiteBalance",
    "iso": "isoSpeed",
}
"""What Exiv2 looks for in the maker notes of every maker -> its function (exiv2/easyaccess.hpp)."""

Xmp = Mapping[str, Any]
"""Exiv2's name without `Xmp.`, such as `dc.title` -> a text, a list of texts, or {language: text}. The fields of a
structure have paths, such as `iptcExt.LocationCreated[1]/Iptc4xmpExt:City`."""


@dataclass
class LibraryExif:
    """EXIF as Exiv2 reads it."""

    tags: dict[tuple[str, int], Tag] = field(default_factory=dict)
    """The standard directories. A value that Exiv2 could not read is missing."""
    maker_notes: dict[str, str] = field(default_factory=dict)
    """`Canon.OwnerName` -> the value as text."""
    interpreted: dict[str, tuple[str, str]] = field(default_factory=dict)
    """A key of _INTERPRETED -> (Exiv2's name of the tag, its meaning as text)."""


def read_exif_block(block: bytes) -> LibraryExif:
    """Read EXIF, or a whole TIFF. Raises nothing for damaged bytes."""
    found = LibraryExif()
    if exiv2 is None or len(block) < 8:
        return found
    try:
        image = exiv2.ImageFactory.open(block)
        image.readMetadata()
        data = image.exifData()
    except _ERRORS:
        return found
    for datum in islice(data, MAX_VALUES):
        with suppress(*_ERRORS):
            _keep(datum, found)
    for name, function in _INTERPRETED.items():
        with suppress(*_ERRORS):
            datum = getattr(exiv2, function)(data)
            if datum is not None:
                found.interpreted[name] = datum.key().removeprefix("Exif."), clean(datum.print(data))
    return found


def _keep(datum: Any, found: LibraryExif) -> None:
    group = datum.groupName()
    if group in _STANDARD:
        value = _value(datum.value())
        if value is not None:
            found.tags.setdefault((group, datum.tag()), Tag(int(datum.typeId()), value))
    elif datum.size() <= _MAX_MAKER_VALUE:
        found.maker_notes.setdefault(datum.key().removeprefix("Exif."), _text_of(datum))


def has_too_many_properties(packet: bytes) -> bool:
    """Exiv2 takes 6 s for 50,000 properties, and four times as long for twice as many. It takes little for long lists:
    Photoshop writes some of 100,000 entries."""
    elements = packet.count(b"<") - packet.count(b"</") - packet.count(b"<rdf:li")
    return elements + packet.count(b'="') > MAX_PROPERTIES


def read_xmp(packet: bytes) -> dict[str, Any] | None:
    """The properties of an XMP packet. None if it cannot be read, or if Exiv2 is not installed."""
    if exiv2 is None:
        return None
    packet = as_utf8(packet)
    try:
        image = exiv2.ImageFactory.open(tiff_with(0x02BC, packet))
        image.readMetadata()
        found = dict(_properties(image))
    except _ERRORS:
        return None
    return found if found or b"rdf:Description" not in packet else None


def read_iptc(block: bytes) -> dict[tuple[int, int], list[bytes]]:
    """The data sets of an IPTC-IIM block: (record, number) -> values."""
    found: dict[tuple[int, int], list[bytes]] = {}
    if exiv2 is None or not block:
        return found
    try:
        image = exiv2.ImageFactory.open(tiff_with(0x83BB, block))
        image.readMetadata()
        read = image.iptcData()
    except _ERRORS:
        return found
    for datum in islice(read, MAX_VALUES):
        with suppress(*_ERRORS):
            value = datum.value()
            data = bytes(value.data()) if hasattr(value, "data") else value.toString().encode()
            found.setdefault((datum.record(), datum.tag()), []).append(data)
    return found


def _value(value: Any) -> bytes | tuple[int | float | Rational, ...] | None:
    """None if Exiv2 could not read the value: it then has no parts."""
    if hasattr(value, "data"):
        return bytes(value.data())
    parts = tuple(Rational(*part) if isinstance(part, tuple) else part for part in value)
    return parts or None


def _text_of(datum: Any) -> str:
    if datum.typeId() == exiv2.TypeId.asciiString:
        return clean(decode(bytes(datum.value().data()).partition(b"\0")[0]))
    return clean(datum.toString())


def _properties(image: Any) -> Iterator[tuple[str, Any]]:
    for datum in islice(image.xmpData(), MAX_VALUES):
        with suppress(*_ERRORS):
            yield datum.key().removeprefix("Xmp."), _property(datum)


def _property(datum: Any) -> Any:
    kind = datum.typeName()
    if kind in ("XmpBag", "XmpSeq", "XmpAlt"):
        return [clean(datum.toString(number)) for number in range(min(datum.count(), MAX_LIST))]
    if kind == "LangAlt":
        return {language: clean(text) for language, text in dict(datum.value()).items()}
    return clean(datum.toString())


def as_utf8(packet: bytes) -> bytes:
    """The packet in UTF-8, which is what Exiv2 reads."""
    for mark, codec in ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")):
        if packet.startswith(mark):
            return packet[2:].decode(codec, "ignore").encode()
    if packet[1:2] == b"\0":
        return packet.decode("utf-16-le", "ignore").encode()
    if packet[:1] == b"\0" and packet[1:2] == b"<":
        return packet.decode("utf-16-be", "ignore").encode()
    return packet


def tiff_with(number: int, data: bytes) -> bytes:
    """A TIFF with one tag: Exiv2 reads blocks from inside a file only. A TIFF has no limit of 64 KB, as a JPEG has."""
    return (
        b"II*\0" + struct.pack("<IHHHIII", 8, 1, number, UNDEFINED if number != 0x02BC else 1, len(data), 26, 0) + data
    )


if exiv2 is not None:
    exiv2.LogMsg.setLevel(exiv2.LogMsg.Level.mute)
    # Exiv2 makes its tables at their first use. Children are forked after this, and share them.
    read_exif_block(b"II*\0" + struct.pack("<IHHHI4sI", 8, 1, 0x010F, ASCII, 2, b"x\0", 0))
    read_xmp(b'<x:xmpmeta xmlns:x="adobe:ns:meta/"/>')
    read_iptc(b"\x1c\x02\x05\0\x01x")
