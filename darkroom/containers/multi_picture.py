"""Several pictures in one JPEG file, one behind the other: the list of them that the first picture has (Multi-Picture
Format, CIPA DC-007)."""

from __future__ import annotations

import struct
from io import BytesIO
from typing import BinaryIO

from darkroom.containers.jpeg import APP, segments

_NAME = b"MPF\0"
_APP2 = 0xE2
_MAX_PICTURES = 16

_VERSION, _NUMBER, _ENTRIES = 0xB000, 0xB001, 0xB002
"""Tags of the MP Index IFD (CIPA DC-007, 5.2.3)."""
_LONG, _UNDEFINED = 4, 7
_PRIMARY = 0x030000
"""The type "Baseline MP Primary Image" (CIPA DC-007, table 4)."""


def further_pictures(stream: BinaryIO) -> list[range]:
    """The positions in the file of all pictures but the first. Empty if there is no list or it is damaged. A picture
    that is not whole is left out."""
    size = stream.seek(0, 2)
    for segment in segments(stream):
        stream.seek(segment.data)
        if segment.marker == _APP2 and stream.read(len(_NAME)) == _NAME:
            start = segment.data + len(_NAME)
            listed = stream.read(max(0, segment.end - start))
            try:
                found = [range(start + at, start + at + length) for length, at in _entries(listed) if at]
            except struct.error:
                return []
            return [picture for picture in found if len(picture) and picture.stop <= size]
    return []


def _entries(listed: bytes) -> list[tuple[int, int]]:
    """Length and offset of each picture. The offset is counted from the start of `listed`, and 0 for the first."""
    order = ">" if listed[:2] == b"MM" else "<"
    (directory,) = struct.unpack_from(f"{order}I", listed, 4)
    (count,) = struct.unpack_from(f"{order}H", listed, directory)
    for number in range(min(count, 64)):
        tag, _kind, amount, place = struct.unpack_from(f"{order}HHII", listed, directory + 2 + 12 * number)
        if tag == _ENTRIES:
            starts = range(place, place + 16 * min(amount // 16, _MAX_PICTURES), 16)
            return [struct.unpack_from(f"{order}II", listed, at + 4) for at in starts]
    return []


def joined(first: bytes, second: bytes, extra: bytes = b"") -> bytes:
    """A file of two JPEGs. The first gets the segments `extra` and the list of both, behind its own APP segments."""
    place = 2
    for segment in segments(BytesIO(first)):
        if segment.marker not in APP:
            break
        place = segment.end
    head, rest = first[:place] + extra, first[place:]
    length = len(_list(0, 0, 0))
    whole = len(head) + length + len(rest)
    list_start = len(head) + 4 + len(_NAME)
    return head + _list(whole, len(second), whole - list_start) + rest + second


def _list(first: int, second: int, offset: int) -> bytes:
    """The segment that lists two pictures with these lengths. `offset`: where the second one starts."""
    entries = struct.pack(">IIIHHIIIHH", _PRIMARY, first, 0, 0, 0, 0, second, offset, 0, 0)
    directory = struct.pack(">H", 3)
    directory += struct.pack(">HHI4s", _VERSION, _UNDEFINED, 4, b"0100")
    directory += struct.pack(">HHII", _NUMBER, _LONG, 1, 2)
    directory += struct.pack(">HHII", _ENTRIES, _UNDEFINED, len(entries), 8 + 2 + 3 * 12 + 4)
    data = _NAME + b"MM\0*\0\0\0\x08" + directory + bytes(4) + entries
    return struct.pack(">HH", 0xFF00 | _APP2, 2 + len(data)) + data
