"""What stands in the file beside the picture: a thumbnail, a gain map, a video."""

from __future__ import annotations

import struct
from typing import BinaryIO

from darkroom.photo_metadata.picture import GainMap, MotionPhoto, Thumbnail
from worker.photo.metadata.embedded import read_at
from worker.photo.metadata.photo_tags import PhotoTags
from worker.photo.tiff_tags import THUMBNAIL

_MAX_ITEMS = 20
_SAMSUNG_VIDEO = 0x0A30
"""The type of the entry in Samsung's trailer that contains the video."""


def thumbnail(tags: PhotoTags) -> Thumbnail | None:
    """The thumbnail of EXIF. None if there is none."""
    size = tags.integer(THUMBNAIL, 0x0202)
    compression = tags.integer(THUMBNAIL, 0x0103)
    if not size and tags.exif.get((THUMBNAIL, 0x0201)) is None and compression is None:
        return None
    return Thumbnail(
        bytes=size or None, compression={1: "uncompressed", 6: "jpeg", 7: "jpeg"}.get(compression or 6, "jpeg")
    )


def gain_map(tags: PhotoTags) -> GainMap | None:
    """A gain map that the file's structure or its XMP announces."""
    if any(name.startswith("hdrgm.") for name in tags.xmp) or "GainMap" in _semantics(tags):
        return GainMap(kind="adobe")
    if any(name.startswith("HDRGainMap.") for name in tags.xmp):
        return GainMap(kind="apple")
    if tags.maker_notes.get("Apple.HDRGain") or tags.embedded.gain_map == "apple":
        return GainMap(kind="apple")
    return GainMap(kind="iso") if tags.embedded.gain_map == "iso" else None


def motion_photo(tags: PhotoTags, stream: BinaryIO) -> MotionPhoto | None:
    """A video behind the picture. The XMP says how many bytes it has, and it begins with a box `ftyp`."""
    size = stream.seek(0, 2)
    if tags.embedded.motion_photo:
        offset, length = tags.embedded.motion_photo
        return MotionPhoto(offset=offset, bytes=length)
    for length, padding in _announced(tags):
        offset = size - length - padding
        if 0 < length < size and read_at(stream, offset + 4, 4) == b"ftyp":
            return MotionPhoto(offset=offset, bytes=length)
    return _samsung(stream, size)


def _announced(tags: PhotoTags) -> list[tuple[int, int]]:
    """Lengths of videos, and the bytes behind them."""
    found = []
    for prefix in item_prefixes(tags):
        if tags.xmp_text(f"{prefix}Semantic") == "MotionPhoto":
            length, padding = tags.xmp_number(f"{prefix}Length"), tags.xmp_number(f"{prefix}Padding")
            found.append((int(length or 0), int(padding or 0)))
    micro = tags.xmp_number("GCamera.MicroVideoOffset")
    return [*found, *([(int(micro), 0)] if micro else [])]


def item_prefixes(tags: PhotoTags) -> list[str]:
    """The beginnings of the names of the fields of each item in Google's container directory."""
    marker = "Item:Semantic"
    return [name.removesuffix("Semantic") for name in tags.xmp if name.endswith(marker)][:_MAX_ITEMS]


def _semantics(tags: PhotoTags) -> set[str]:
    return {tags.xmp_text(f"{prefix}Semantic") or "" for prefix in item_prefixes(tags)}


def _samsung(stream: BinaryIO, size: int) -> MotionPhoto | None:
    """Samsung's trailer: entries, then a directory `SEFH`, its length, and `SEFT` at the end of the file."""
    end = read_at(stream, max(0, size - 8), 8)
    if end[4:] != b"SEFT":
        return None
    length = int.from_bytes(end[:4], "little")
    start = size - 8 - length
    directory = read_at(stream, start, min(length, 12 + 12 * 100)) if start > 0 else b""
    if directory[:4] != b"SEFH" or len(directory) < 12:
        return None
    for at in range(12, len(directory) - 11, 12):
        kind, back, entry_size = struct.unpack_from("<2xHII", directory, at)
        if kind == _SAMSUNG_VIDEO and 0 < back <= start:
            name_size = int.from_bytes(read_at(stream, start - back + 4, 4), "little")
            offset = start - back + 8 + name_size
            if read_at(stream, offset + 4, 4) == b"ftyp":
                return MotionPhoto(offset=offset, bytes=entry_size - 8 - name_size)
    return None
