"""EXIF's tags by their names in the standard, with values that JSON can hold."""

from __future__ import annotations

from typing import Any

from PIL import ExifTags

from worker.photo.metadata.exiv2_reader import MAX_LIST
from worker.photo.metadata.photo_tags import PhotoTags, number_of
from worker.photo.metadata.texts import ascii_text, copyright_text, user_comment, utf16_text
from worker.photo.tiff_tags import ASCII, BYTE, GPS, IMAGE, INTEROP, PHOTO, THUMBNAIL, UNDEFINED, UTF8, Tag

_WINDOWS_TEXT = range(0x9C9B, 0x9CA0)
"""XPTitle, XPComment, XPAuthor, XPKeywords, XPSubject: UTF-16 as bytes (tags of Microsoft)."""

_USER_COMMENT, _COPYRIGHT = 0x9286, 0x8298
_CODED_TEXTS = {(PHOTO, _USER_COMMENT), (GPS, 0x001B), (GPS, 0x001C)}
"""Undefined data that begins with the code of a character set."""

_LEFT_OUT = {
    *range(0x00FE, 0x0104),  # subfile type, size, depth, compression
    0x0106, 0x010A, 0x0111, *range(0x0115, 0x011A), 0x011C, 0x0120, 0x0121, 0x013D,  # photometric, strips, planes
    *range(0x0140, 0x014B), *range(0x0151, 0x0160),  # palette, tiles, sub-IFDs, samples
    *range(0x0200, 0x0215), 0x02BC, 0x83BB, 0x8649, 0x8773,  # old JPEG and YCbCr, XMP, IPTC, Photoshop, ICC
    0x8769, 0x8825, 0xA005, 0x927C, 0xC634,  # pointers to directories, maker notes
    0xEA1C, 0xEA1D,  # padding
}  # fmt: skip
"""Tags that describe how a file is stored, not the photo (TIFF 6.0, section 8 and following)."""

MAX_NUMBERS = 32
"""Numbers of one value that are kept."""


def named_tags(tags: PhotoTags) -> dict[str, Any]:
    """The tags of the first directory, of Exif and of GPS. Undefined data that is no text is left out."""
    found: dict[str, Any] = {}
    for (directory, number), tag in sorted(tags.exif.items(), key=lambda item: (_ORDER.get(item[0][0], 9), item[0][1])):
        if directory not in _ORDER or (directory != GPS and number in _LEFT_OUT) or len(found) >= MAX_LIST:
            continue
        name = _name(directory, number)
        value = _value(directory, number, tag, tags.order)
        if name is not None and value is not None:
            found.setdefault(name, value)
    return found


_ORDER = {IMAGE: 0, PHOTO: 1, GPS: 2}


def tag_name(directory: str, number: int) -> str:
    """The name of a tag, or its number if it has none."""
    return _name(directory, number) or f"0x{number:04X}"


def _name(directory: str, number: int) -> str | None:
    if directory == GPS:
        return ExifTags.GPSTAGS.get(number)
    if directory == INTEROP:
        return f"Interoperability 0x{number:04X}"
    name = ExifTags.TAGS.get(number)
    return f"Thumbnail {name}" if name and directory == THUMBNAIL else name


def _value(directory: str, number: int, tag: Tag, order: str) -> Any:
    """A value that JSON can hold, or None."""
    if isinstance(tag.value, bytes):
        return _text(directory, number, tag, order)
    values = [number_of(part) for part in tag.value[:MAX_NUMBERS]]
    plain = [round(value, 9) if isinstance(value, float) else value for value in values if value is not None]
    if len(tag.value) == 1:
        return plain[0] if plain else None
    return plain or None


def _text(directory: str, number: int, tag: Tag, order: str) -> Any:
    data = tag.value
    assert isinstance(data, bytes)
    if number in _WINDOWS_TEXT and directory == IMAGE:
        return utf16_text(data) or None
    if (directory, number) in _CODED_TEXTS:
        return user_comment(data, order) or None
    if number == _COPYRIGHT:
        return copyright_text(data) or None
    if tag.kind in (ASCII, UTF8):
        return ascii_text(data) or None
    if tag.kind == BYTE:
        return data[0] if len(data) == 1 else list(data[:MAX_NUMBERS])
    if tag.kind == UNDEFINED and len(data) == 1:
        return data[0]  # FileSource, SceneType: a number
    text = data.rstrip(b"\0")
    return text.decode("ascii") if text and text.isascii() and text.decode("ascii").isprintable() else None
