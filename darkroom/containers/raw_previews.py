"""Camera raw files are TIFFs: which kind one is, and where the JPEG preview stands that the camera has stored in it."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from darkroom.containers import tiff
from darkroom.containers.jpeg import is_lossless
from darkroom.containers.view import view
from darkroom.errors import UnreadablePhoto

MAX_DIRECTORIES = 20
"""Directories that are looked at. A raw file has 3 to 8."""

_MAKE, _STRIP, _ORIENTATION, _STRIP_BYTES, _SUB_IFDS, _JPEG, _JPEG_BYTES, _DNG = (
    271,
    273,
    274,
    279,
    330,
    513,
    514,
    50706,
)
_NEW_SUBFILE_TYPE = 254
_MAKERS = {b"NIKON": "nef", b"SONY": "arw"}


@dataclass(frozen=True)
class RawFile:
    """`kind` is dng, cr2, nef, arw, or None for that of another maker. `orientation` is that of TIFF, 1 to 8. `preview`
    is the place of the longest JPEG in it, None if there is none."""

    kind: str | None
    orientation: int
    preview: range | None


def raw_file(stream: BinaryIO, head: bytes) -> RawFile | None:
    """What a TIFF is, if it is a camera raw file. `head`: its first 16 bytes or more. None for other TIFFs."""
    if 43 in head[2:4]:
        return None
    try:
        first = tiff.read_directory(stream, head)
    except UnreadablePhoto:
        return None
    numbers = {tag.number for tag in first.tags}
    is_preview = first.value(stream, _NEW_SUBFILE_TYPE) == (1,) and _SUB_IFDS in numbers
    if _DNG in numbers:
        kind: str | None = "dng"
    elif head[8:10] == b"CR":
        kind = "cr2"
    elif is_preview or (_SUB_IFDS in numbers and _JPEG in numbers):
        make = first.text(stream, _MAKE).upper()
        kind = next((kind for maker, kind in _MAKERS.items() if make.startswith(maker)), None)
        if kind is None and not is_preview:
            return None
    else:
        return None
    places = sorted(_jpegs(stream, head), key=len, reverse=True)
    orientation = (first.value(stream, _ORIENTATION) or (1,))[0]
    return RawFile(kind, orientation if 1 <= orientation <= 8 else 1, next(iter(places), None))


def _jpegs(stream: BinaryIO, head: bytes) -> Iterator[range]:
    """The JPEGs that decoders read. The raw pixels of some makers are a lossless JPEG."""
    size = stream.seek(0, 2)
    for directory in _directories(stream, head):
        for start_tag, length_tag in ((_JPEG, _JPEG_BYTES), (_STRIP, _STRIP_BYTES)):
            start, length = directory.value(stream, start_tag), directory.value(stream, length_tag)
            if len(start) != 1 or len(length) != 1 or start[0] + length[0] > size or length[0] < 4:
                continue
            place = range(start[0], start[0] + length[0])
            part = view(stream, [place])
            if part.read(3) == b"\xff\xd8\xff" and not is_lossless(part):
                yield place


def _directories(stream: BinaryIO, head: bytes) -> Iterator[tiff.Directory]:
    order = "<" if head[:2] == b"II" else ">"
    (first,) = struct.unpack_from(order + "I", head, 4)
    waiting, seen = [first], set[int]()
    while waiting and len(seen) < MAX_DIRECTORIES:
        offset = waiting.pop(0)
        if not offset or offset in seen:
            continue
        seen.add(offset)
        try:
            directory = tiff.read_directory(stream, head[:4] + struct.pack(order + "I", offset))
        except UnreadablePhoto:
            continue
        yield directory
        waiting += [*directory.value(stream, _SUB_IFDS), struct.unpack(order + "I", directory.next)[0]]
