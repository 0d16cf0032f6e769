"""Segments of a JPEG before its pixels (ITU-T T.81, annex B), and what programs store in them."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

from darkroom.containers.jpeg import FRAMES, GAIN_MAP_NAME, SOS, XMP_NAME, segments
from worker.photo.metadata.embedded import Embedded, read_at
from worker.photo.metadata.texts import free_text
from worker.photo.tiff_tags import MAX_BLOCK

_EXIF, _MORE_XMP = b"Exif\0", b"http://ns.adobe.com/xmp/extension/\0"
_ICC, _PHOTOSHOP = b"ICC_PROFILE\0", b"Photoshop 3.0\0"
_JFIF, _JUMBF = b"JFIF\0", b"JP"

_WITHOUT_DATA = {0x01, *range(0xD0, 0xDA), SOS}
"""Markers without a length (TEM, RST, SOI, EOI), and the start of the scan."""

_COMPRESSIONS = {
    **{0xC0: "baseline", 0xC1: "extended", 0xC2: "progressive", 0xC3: "lossless"},
    **{0xC9: "extended, arithmetic", 0xCA: "progressive, arithmetic", 0xCB: "lossless, arithmetic"},
}


def read_jpeg(stream: BinaryIO, embedded: Embedded) -> None:
    blocks = _Blocks(embedded)
    for marker, data in _segments(stream, embedded):
        try:
            blocks.take(marker, data)
        except (struct.error, IndexError, ValueError):
            embedded.fault("JPEG", f"segment {marker:02X}", "damaged")
    blocks.finish()


class _Blocks:
    """Collects what the segments contain. A block may be spread over several segments."""

    def __init__(self, embedded: Embedded) -> None:
        self._embedded = embedded
        self._exif: list[bytes] = []
        self._photoshop: list[bytes] = []
        self._profile: dict[int, bytes] = {}
        self._more_xmp: dict[bytes, dict[int, bytes]] = {}
        self._jumbf: dict[int, list[tuple[int, bytes]]] = {}

    def take(self, marker: int, data: bytes) -> None:
        """Raises struct.error, IndexError or ValueError for a damaged segment."""
        embedded = self._embedded
        if marker in FRAMES:
            _frame(marker, data, embedded)
        elif marker == 0xE0 and data.startswith(_JFIF):
            _jfif(data, embedded)
        elif marker == 0xE1 and data.startswith(_EXIF):
            self._take_exif(data[6:])
        elif marker == 0xE1 and data.startswith(XMP_NAME):
            embedded.xmp.insert(0, data[len(XMP_NAME) :])
        elif marker == 0xE1 and data.startswith(_MORE_XMP):
            guid, _total, place = struct.unpack_from(">32sII", data, len(_MORE_XMP))
            self._more_xmp.setdefault(guid, {})[place] = data[len(_MORE_XMP) + 40 :]
        elif marker == 0xE2 and data.startswith(_ICC):
            self._profile.setdefault(data[12], data[14:])
        elif marker == 0xE2 and data.startswith(GAIN_MAP_NAME):
            embedded.gain_map = embedded.gain_map or "iso"
        elif marker == 0xEB and data.startswith(_JUMBF):
            number, order = struct.unpack_from(">HI", data, 2)
            self._jumbf.setdefault(number, []).append((order, data[8:]))
        elif marker == 0xED and data.startswith(_PHOTOSHOP):
            self._photoshop.append(data[len(_PHOTOSHOP) :])
        elif marker == 0xFE:
            embedded.comment("JPEG COM", free_text(data))

    def finish(self) -> None:
        """Put the parts together."""
        embedded = self._embedded
        embedded.exif = b"".join(self._exif)[:MAX_BLOCK]
        embedded.photoshop = b"".join(self._photoshop)[:MAX_BLOCK]
        embedded.icc = b"".join(self._profile[number] for number in sorted(self._profile))[:MAX_BLOCK]
        for parts in self._more_xmp.values():
            embedded.xmp.append(b"".join(parts[place] for place in sorted(parts))[:MAX_BLOCK])
        for boxes in self._jumbf.values():
            _jumbf(boxes, embedded)

    def _take_exif(self, block: bytes) -> None:
        """EXIF of more than 64 KB goes on in the next segment, without a header of its own, as ExifTool writes it. Of
        several whole ones the first counts."""
        starts = block[:2] in (b"II", b"MM")
        if not self._exif and not starts:
            self._embedded.fault("EXIF", "Image directory", "damaged")
        elif starts != bool(self._exif):
            self._exif.append(block)


def _segments(stream: BinaryIO, embedded: Embedded) -> Iterator[tuple[int, bytes]]:
    """Marker and data of each segment up to the start of the scan."""
    marker = None
    for segment in segments(stream):
        marker = segment.marker
        if marker in _WITHOUT_DATA:
            continue
        data = read_at(stream, segment.data, segment.end - segment.data)
        if len(data) < segment.end - segment.data:
            embedded.fault("JPEG", f"segment {marker:02X}", "cut_short")
        yield marker, data
    if marker != SOS:
        embedded.fault("JPEG", "segments", "cut_short")


def _frame(marker: int, data: bytes, embedded: Embedded) -> None:
    if embedded.bit_depth is not None or len(data) < 6:
        return
    embedded.bit_depth = data[0]
    embedded.compression = _COMPRESSIONS.get(marker, "other")
    embedded.progressive = marker in (0xC2, 0xC6, 0xCA, 0xCE)
    samplings = [(data[at + 1] >> 4, data[at + 1] & 15) for at in range(6, min(len(data) - 2, 6 + 3 * data[5]), 3)]
    if len(samplings) == 3:
        embedded.chroma_subsampling = _subsampling(samplings)


def _subsampling(samplings: list[tuple[int, int]]) -> str | None:
    """J:a:b of the sampling factors of Y, Cb and Cr. None if Cb and Cr differ or have other factors."""
    (across, down), blue, red = samplings
    if blue != red or not all(blue) or across % blue[0] or down % blue[1]:
        return None
    names = {
        **{(1, 1): "4:4:4", (2, 1): "4:2:2", (2, 2): "4:2:0", (1, 2): "4:4:0"},
        **{(4, 1): "4:1:1", (4, 2): "4:1:0", (1, 4): "4:4:1"},
    }
    return names.get((across // blue[0], down // blue[1]))


def _jfif(data: bytes, embedded: Embedded) -> None:
    if len(data) < 12:
        embedded.fault("JFIF", "APP0", "cut_short")
        return
    unit, across, down = struct.unpack_from(">BHH", data, 7)
    factor = {1: 1.0, 2: 2.54}.get(unit)
    if factor and across and down:
        embedded.density = across * factor, down * factor


def _jumbf(boxes: list[tuple[int, bytes]], embedded: Embedded) -> None:
    """A superbox whose parts stand in several segments, each with the box's header again (ISO/IEC 19566-5, annex D)."""
    boxes.sort(key=lambda part: part[0])
    first = boxes[0][1]
    header = 16 if first[:4] == b"\0\0\0\1" else 8
    data = first + b"".join(part[header:] for _order, part in boxes[1:])
    if b"c2pa" in first[:64] or b"c2pa" in data[:200]:
        embedded.c2pa = data[:MAX_BLOCK]
        embedded.c2pa_bytes = len(data)
