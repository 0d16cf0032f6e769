"""The pages of a TIFF, and the pictures of a HEIC: views of the file in which another page stands first.

A decoder reads the first page of a file. So a later page needs no decoder of its own: its size, colours and orientation
are found as those of every photo, and damage is repaired in the same way.
"""

from __future__ import annotations

import struct
from typing import BinaryIO

from darkroom.containers.boxes import boxes, first_boxes, read_box, read_items
from darkroom.containers.isobmff import AVIF_BRANDS
from darkroom.containers.raw_previews import raw_file
from darkroom.containers.repair import is_tiff
from darkroom.containers.view import BoundedReader, view
from darkroom.errors import PageMissing, UnreadablePhoto

_NEW_SUBFILE_TYPE, _REDUCED = 254, 1
"""The tag that says what a directory of a TIFF is, and its bit for a smaller copy of another page (TIFF 6.0, page 36).
It has the lowest number of all tags of a picture, and tags are sorted: so it stands first."""

_PICTURES = frozenset({b"hvc1", b"grid", b"iden", b"iovl"})
"""Types of items that libheif makes pictures of."""


def from_page(stream: BinaryIO, page: int) -> BinaryIO:
    """The file, with this page as its first one; 0 is the first page of the file itself.

    The pages of a TIFF are the directories of its chain, without reduced copies of others. Those of a HEIC are the
    picture that is shown first, and then the others in the order of the file, without thumbnails, tiles and auxiliary
    pictures. Other formats have one page.

    Raises PageMissing if the file has fewer pages, UnreadablePhoto if it is damaged before this page. Keep the stream
    open as long as the view is read.
    """
    if not page:
        return stream
    stream.seek(0)
    head = stream.read(512)
    if is_tiff(head) and raw_file(stream, head) is None:
        return _from_directory(stream, head, page)
    if head[4:8] == b"ftyp" and head[8:12] not in AVIF_BRANDS:
        return _from_picture(stream, page)
    raise _missing(1, page)


def _missing(pages: int, page: int) -> PageMissing:
    has = f"{pages:,} pages, 0 to {pages - 1}" if pages > 1 else "one page, page 0"
    return PageMissing(f"The job asks for page {page:,}, but the photo has {has}.")


# --- TIFF -------------------------------------------------------------------------------------------------------------


class _TiffPage(BoundedReader):
    """The file with another offset of the first directory in its header. libtiff reads the file itself through the
    descriptor, at the place of the directory, which is the same there."""

    def __init__(self, original: BinaryIO, raw: BoundedReader) -> None:
        super().__init__(raw.detach())
        self._original = original

    def fileno(self) -> int:
        return self._original.fileno()


def _from_directory(stream: BinaryIO, head: bytes, page: int) -> BinaryIO:
    order = "<" if head[:2] == b"II" else ">"
    big = 43 in head[2:4]
    offset = struct.Struct(order + ("Q" if big else "I"))
    at = 8 if big else 4
    size = stream.seek(0, 2)
    (place,) = offset.unpack_from(head, at)
    seen: set[int] = set()
    pages = 0
    while place and place not in seen:
        seen.add(place)
        reduced, place_of_next = _directory(stream, place, size, order, big, pages)
        if not reduced or pages == 0:
            if pages == page:
                start = head[:at] + offset.pack(place)
                return _TiffPage(stream, view(stream, [start, range(len(start), size)]))
            pages += 1
        place = place_of_next
    raise _missing(pages, page)


def _directory(stream: BinaryIO, place: int, size: int, order: str, big: bool, page: int) -> tuple[bool, int]:
    """Whether a directory is a reduced copy, and the place of the next one."""
    counted, entry, following = (
        struct.Struct(order + layout) for layout in (("Q", "HHQ4s4x", "Q") if big else ("H", "HHI4s", "I"))
    )
    damaged = UnreadablePhoto(f"The TIFF is damaged or cut short: its page {page:,} is not there.")
    if place + counted.size > size:
        raise damaged
    stream.seek(place)
    (count,) = counted.unpack(stream.read(counted.size))
    end = place + counted.size + count * entry.size
    if end + following.size > size:
        raise damaged
    number, _kind, _values, field = entry.unpack(stream.read(entry.size)) if count else (0, 0, 0, b"")
    stream.seek(end)
    (place_of_next,) = following.unpack(stream.read(following.size))
    reduced = number == _NEW_SUBFILE_TYPE and bool(
        int.from_bytes(field, "little" if order == "<" else "big") & _REDUCED
    )
    return reduced, place_of_next


# --- HEIC -------------------------------------------------------------------------------------------------------------


def _from_picture(stream: BinaryIO, page: int) -> BinaryIO:
    """The file with the number of another item in the box that names the primary one (ISO/IEC 14496-12, 8.11.4)."""
    meta = first_boxes(stream).get(b"meta")
    if meta is None:
        raise _missing(1, page)
    items = read_items(stream, meta)
    others = [
        number
        for number, kind in items.types.items()
        if kind in _PICTURES and number not in items.attached and number != items.primary
    ]
    if page > len(others):
        raise _missing(1 + len(others), page)
    (primary,) = (box for box in boxes(stream, meta.start + 4, meta.end) if box.kind == b"pitm")
    number = struct.pack(">I" if read_box(stream, primary)[0] else ">H", others[page - 1])
    at, size = primary.start + 4, stream.seek(0, 2)
    return view(stream, [range(at), number, range(at + len(number), size)])
