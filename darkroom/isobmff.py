"""What a file of ISO base media file format boxes is (ISO/IEC 14496-12): HEIC, AVIF, other HEIF, videos, raw photos.

Pillow's readers call each file damaged that they cannot read. This module finds the files that are intact and of a
kind that the readers do not know. It reads the boxes that name kind and coding, and no pixels.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import BinaryIO

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

_DERIVED = frozenset({b"grid", b"iden", b"iovl", b"tmap"})
"""Items that are made of other items, which their `dimg` references name."""

MAX_BOXES = 200
"""Boxes that are looked at in one box. A photo has fewer than 20."""

MAX_TABLE = 2**20
"""Bytes of a table of items. That is enough for a grid of 40,000 tiles."""


@dataclass(frozen=True)
class _Box:
    kind: bytes
    start: int
    """Where the content begins."""
    end: int


@dataclass
class _Items:
    """The items of a meta box."""

    primary: int | None = None
    types: dict[int, bytes] = field(default_factory=dict)
    sources: dict[int, list[int]] = field(default_factory=dict)
    """The items that a derived item is made of."""

    def codings(self) -> set[bytes]:
        """The types of the primary item, and of all items that it is made of."""
        seen: set[int] = set()
        waiting = [] if self.primary is None else [self.primary]
        while waiting:
            item = waiting.pop()
            if item not in seen:
                seen.add(item)
                waiting += self.sources.get(item, []) if self.types.get(item) in _DERIVED else []
        return {self.types[item] for item in seen if item in self.types}


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
        top = _first_boxes(stream)
        if b"meta" in top and (codings := _items(stream, top[b"meta"]).codings()):
            types = _read(stream, top[b"ftyp"])
            return _unsupported_photo(brand, {types[at : at + 4] for at in range(8, len(types), 4)}, codings)
        track = _track(stream, top[b"moov"]) if b"moov" in top else None
    except (struct.error, IndexError):  # the boxes are damaged
        track = None
    return _unsupported_track(brand, track)


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


# --- boxes ----------------------------------------------------------------------------------------------------------


def _first_boxes(stream: BinaryIO) -> dict[bytes, _Box]:
    """The first box of each kind in the file."""
    first: dict[bytes, _Box] = {}
    for box in _boxes(stream, 0, stream.seek(0, 2)):
        first.setdefault(box.kind, box)
    return first


def _boxes(stream: BinaryIO, start: int, end: int) -> Iterator[_Box]:
    """The first MAX_BOXES boxes between two places of the file."""
    return islice(_all_boxes(stream, start, end), MAX_BOXES)


def _all_boxes(stream: BinaryIO, start: int, end: int) -> Iterator[_Box]:
    while start + 8 <= end:
        stream.seek(start)
        head = stream.read(16)
        size, kind = struct.unpack_from(">I4s", head)
        length = 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", head, 8)
            length = 16
        elif size == 0:  # up to the end
            size = end - start
        if size < length:
            return
        yield _Box(kind, start + length, min(start + size, end))
        start += size


def _read(stream: BinaryIO, box: _Box) -> bytes:
    stream.seek(box.start)
    return stream.read(min(box.end - box.start, MAX_TABLE))


def _items(stream: BinaryIO, meta: _Box) -> _Items:
    items = _Items()
    for box in _boxes(stream, meta.start + 4, meta.end):
        if box.kind == b"pitm":
            data = _read(stream, box)
            (items.primary,) = struct.unpack_from(">I" if data[0] else ">H", data, 4)
        elif box.kind == b"iinf":
            items.types = dict(_item_types(_read(stream, box)))
        elif box.kind == b"iref":
            items.sources = dict(_derivations(_read(stream, box)))
    return items


def _item_types(table: bytes) -> Iterator[tuple[int, bytes]]:
    """The number and the type of each item in an `iinf` box."""
    at = 8 if table[0] else 6
    while at + 8 <= len(table):
        size, kind, version = struct.unpack_from(">I4sB", table, at)
        if kind == b"infe" and version in (2, 3):
            number, item_type = struct.unpack_from(">H2x4s" if version == 2 else ">I2x4s", table, at + 12)
            yield number, item_type
        at += max(8, size)


def _derivations(table: bytes) -> Iterator[tuple[int, list[int]]]:
    """Each derived item in an `iref` box, with the items that it is made of."""
    number = "I" if table[0] else "H"
    start = struct.Struct(f">I4s{number}H")
    at = 4
    while at + start.size <= len(table):
        size, kind, item, count = start.unpack_from(table, at)
        if kind == b"dimg":
            # A box that claims more items than it has raises an error, or a small table could make many large lists.
            yield item, list(struct.unpack_from(f">{count}{number}", table[at : at + size], start.size))
        at += max(start.size, size)


def _track(stream: BinaryIO, movie: _Box) -> tuple[bytes, bytes] | None:
    """Handler and coding of the first track of pictures, else of the first track; None when there is none."""
    tracks = [_track_kind(stream, box) for box in _boxes(stream, movie.start, movie.end) if box.kind == b"trak"]
    return max(tracks, key=lambda track: track[0] in (b"pict", b"vide"), default=None)


def _track_kind(stream: BinaryIO, track: _Box) -> tuple[bytes, bytes]:
    handler = descriptions = b""
    inside = [track]
    while inside:
        outer = inside.pop()
        for box in _boxes(stream, outer.start, outer.end):
            if box.kind in (b"mdia", b"minf", b"stbl"):
                inside.append(box)
            elif box.kind == b"hdlr":
                handler = handler or _read(stream, box)[8:12]
            elif box.kind == b"stsd":
                descriptions = _read(stream, box)
    return handler, descriptions[12:16]
