"""What a file of ISO base media file format boxes is (ISO/IEC 14496-12): HEIC, AVIF, other HEIF, videos, raw photos.

Pillow's readers call each file damaged that they cannot read. This module finds the files that are intact and of a
kind that the readers do not know. It also finds the photos whose data is missing: libheif reads them and makes the
tiles that are missing green. It reads the boxes that name kind, coding and places of the data, and no pixels.
"""

from __future__ import annotations

import math
import re
import struct
from typing import BinaryIO

from darkroom.containers.boxes import IN_FILE, IN_IDAT, Box, Extent, boxes, extents, first_boxes, read_box, read_items
from darkroom.containers.item_properties import UNCONVERTED_MATRICES, item_properties
from darkroom.errors import UnreadablePhoto

AVIF_BRANDS = frozenset({b"avif", b"avis"})
HEIC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"})
ANY_CODING_BRANDS = frozenset({b"mif1", b"msf1"})
"""The brands of files that Pillow and pillow-heif open, as the first brand of a file."""

_OTHER_BRANDS = {
    b"crx ": "a camera raw file (CR3)",
    b"qt  ": "a video (QuickTime)",
    b"M4A ": "an audio file (M4A)",
    b"M4B ": "an audio file (M4B)",
}

_BRAND_PREFIXES = (
    (b"3g", "a video (3GPP)"),
    *((prefix, "a video (MP4)") for prefix in (b"iso", b"mp4", b"M4V", b"MSNV", b"dash", b"avc1", b"mmp4", b"f4v")),
)
"""Beginnings of brands. Many brands of MP4 differ in their last characters only."""

_HANDLERS = {
    b"pict": "an image sequence (HEIF)",
    b"vide": "a video (MP4)",
    b"soun": "an audio file (MP4)",
}
"""Handlers of a track -> what a file is that has such a track and no image."""

_CODINGS = {
    b"hvc1": "coded as HEVC (hvc1)",
    b"lhv1": "coded as layered HEVC (lhv1)",
    b"av01": "coded as AV1 (av01)",
    b"unci": "with uncompressed pixels (unci)",
    b"j2k1": "coded as JPEG 2000 (j2k1)",
    b"jpeg": "coded as JPEG (jpeg)",
    b"avc1": "coded as AVC (avc1)",
    b"vvc1": "coded as VVC (vvc1)",
    b"evc1": "coded as EVC (evc1)",
    b"mski": "that is a mask (mski)",
    b"iden": "derived from another image (iden)",
    b"iovl": "overlaid from other images (iovl)",
    b"tmap": "that is a tone map (tmap)",
}
"""Types of items, from the registry of MP4RA. A type that is not listed here may be damage."""

_SIZE = re.compile(rb"\0\0\0\x14ispe\0{4}(.{8})", re.DOTALL)
"""The box with the size of an image (ISO/IEC 23008-12, 6.5.3)."""


def unsupported_kind(stream: BinaryIO) -> str | None:
    """What a file is that no reader of ours can read, such as "a HEIF photo coded as JPEG 2000 (j2k1)".

    None for a file that a reader may be able to read, and for a damaged one. The file begins with an `ftyp` box.
    """
    stream.seek(8)
    brand, minor = stream.read(4), stream.read(4)
    if len(brand) < 4:
        return None
    if brand == b"mif3":
        return f"a HEIF photo with a minimized header (mif3, {_printable(minor)})"
    if named := _name_of(brand):
        return named
    try:
        top = first_boxes(stream)
        if b"meta" in top and (codings := read_items(stream, top[b"meta"]).codings()):
            types = read_box(stream, top[b"ftyp"])
            kind = _unsupported_photo(brand, {types[at : at + 4] for at in range(8, len(types), 4)}, codings)
            return kind or _unsupported_matrix(stream, brand)
        track = _track(stream, top[b"moov"]) if b"moov" in top else None
    except (struct.error, IndexError):  # the boxes are damaged
        track = None
    return _unsupported_track(brand, track)


def check_data(stream: BinaryIO) -> None:
    """Raise UnreadablePhoto when data that the picture needs is missing.

    The picture is the primary item and the items that it is made of. Thumbnails and metadata may be missing. Data that
    goes "up to the end of the file" has no length that can be checked. Tables that are damaged are left to the reader.
    """
    try:
        top = first_boxes(stream)
        if b"meta" not in top:
            return
        items = read_items(stream, top[b"meta"])
        table = read_box(stream, items.iloc) if items.iloc else b""
        data: dict[int, list[Extent]] = {item: [] for item in items.picture() if items.types.get(item) != b"iden"}
        for extent in extents(table):
            if extent.item in data and extent.method in (IN_FILE, IN_IDAT):
                data[extent.item].append(extent)
    except (struct.error, IndexError, ValueError):
        return
    idat = items.idat or Box(b"idat", 0, 0)
    _check_room("the file", stream.seek(0, 2), _end(data, IN_FILE))
    _check_room("the box of its data (idat)", idat.end - idat.start, _end(data, IN_IDAT))
    coded = [parts for item, parts in data.items() if items.types.get(item) == b"hvc1"]
    if not all(data.values()) or not all(_begins_with_hevc(stream, parts, idat) for parts in coded):
        raise UnreadablePhoto("The photo is damaged or cut short: the data of a part of its picture is missing.")


def largest_size(stream: BinaryIO) -> tuple[int, int] | None:
    """Width and height in pixels of the largest image that the file describes (`ispe`). None if it describes none."""
    try:
        meta = first_boxes(stream).get(b"meta")
        table = read_box(stream, meta) if meta else b""
    except (struct.error, IndexError):
        return None
    sizes = (struct.unpack(">II", found[1]) for found in _SIZE.finditer(table))
    return max(sizes, key=lambda size: size[0] * size[1], default=None)


def _end(data: dict[int, list[Extent]], method: int) -> int:
    """Where the last extent with this construction method ends."""
    return max((part.end for parts in data.values() for part in parts if part.method == method), default=0)


def _begins_with_hevc(stream: BinaryIO, parts: list[Extent], idat: Box) -> bool:
    """Does the data of an item begin with the length of a NAL unit, as libheif reads it: in 4 bytes?

    A copy that was interrupted can have the length of the photo, but zeros from some place on.
    """
    first = parts[0]
    stream.seek(first.start + (idat.start if first.method == IN_IDAT else 0))
    length = int.from_bytes(stream.read(4), "big")
    whole = sum(part.length for part in parts) if all(part.length for part in parts) else math.inf
    return 0 < first.length < 4 or 2 <= length <= whole - 4


def _check_room(what: str, size: int, needed: int) -> None:
    if needed > size:
        raise UnreadablePhoto(
            f"The photo is damaged or cut short: {what} has {size:,} bytes, but its picture needs {needed:,}."
        )


def _name_of(brand: bytes) -> str | None:
    prefixed = (name for prefix, name in _BRAND_PREFIXES if brand.startswith(prefix))
    return _OTHER_BRANDS.get(brand) or next(prefixed, None)


def _unsupported_photo(brand: bytes, compatible: set[bytes], codings: set[bytes]) -> str | None:
    readable = {b"grid"}
    if brand in AVIF_BRANDS:
        readable |= {b"av01"}
    elif brand in HEIC_BRANDS | ANY_CODING_BRANDS:
        readable |= {b"hvc1", b"iden", b"iovl"}
        if brand in ANY_CODING_BRANDS and compatible & AVIF_BRANDS:
            readable |= {b"av01"}
    else:
        readable |= {b"av01", b"hvc1"}
    for kind, words in _CODINGS.items():
        if kind in codings - readable:
            named = f", under the brand {_printable(brand)}" if kind in (b"hvc1", b"av01") else ""
            return f"a HEIF photo {words}{named}"
    known = AVIF_BRANDS | HEIC_BRANDS | ANY_CODING_BRANDS
    return None if brand in known else f"a HEIF photo of a brand that is not supported ({_printable(brand)})"


def _unsupported_matrix(stream: BinaryIO, brand: bytes) -> str | None:
    """The decoders convert such colours not at all, or wrongly."""
    name = UNCONVERTED_MATRICES.get(item_properties(stream).matrix or 0)
    photo = "an AVIF" if brand in AVIF_BRANDS else "a HEIF photo"
    return f"{photo} with colours in {name}" if name else None


def _unsupported_track(brand: bytes, track: tuple[bytes, bytes] | None) -> str | None:
    """The same for a file without an image. Its track is a pair of handler and coding."""
    if track and (brand in AVIF_BRANDS | ANY_CODING_BRANDS) and track == (b"pict", b"av01"):
        return None  # Pillow reads its first frame
    if track and track[0] in _HANDLERS:
        words = _CODINGS.get(track[1]) if track[0] == b"pict" else None
        return _HANDLERS[track[0]] + (f" {words}" if words else "")
    if brand in AVIF_BRANDS | HEIC_BRANDS | ANY_CODING_BRANDS:
        return None
    return f"a file of the MP4 family ({_printable(brand)})"


def _printable(code: bytes) -> str:
    return "".join(chr(byte) if 32 < byte < 127 else "?" for byte in code.rstrip())


def _track(stream: BinaryIO, movie: Box) -> tuple[bytes, bytes] | None:
    """Handler and coding of the first track of pictures, else of the first track; None when there is none."""
    tracks = [_track_kind(stream, box) for box in boxes(stream, movie.start, movie.end) if box.kind == b"trak"]
    return max(tracks, key=lambda track: track[0] in (b"pict", b"vide"), default=None)


def _track_kind(stream: BinaryIO, track: Box) -> tuple[bytes, bytes]:
    handler = descriptions = b""
    inside = [track]
    while inside:
        outer = inside.pop()
        for box in boxes(stream, outer.start, outer.end):
            if box.kind in (b"mdia", b"minf", b"stbl"):
                inside.append(box)
            elif box.kind == b"hdlr":
                handler = handler or read_box(stream, box)[8:12]
            elif box.kind == b"stsd":
                descriptions = read_box(stream, box)
    return handler, descriptions[12:16]
