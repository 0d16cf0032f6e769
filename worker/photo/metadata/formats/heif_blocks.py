"""Items of a HEIC or AVIF (ISO/IEC 23008-12): EXIF, XMP and profile, and the properties of its picture."""

from __future__ import annotations

import struct
from collections import defaultdict
from itertools import chain
from typing import BinaryIO

from darkroom.containers.boxes import IN_FILE, IN_IDAT, Box, Items, boxes, extents, first_boxes, read_box, read_items
from darkroom.containers.item_properties import APPLE_GAIN_MAP, associations, read_properties
from worker.photo.metadata.embedded import Embedded, read_at
from worker.photo.tiff_tags import MAX_BLOCK

_C2PA = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
"""The UUID of the box with the C2PA manifest (C2PA specification, A.5)."""

_CHROMA = {0: "4:0:0", 1: "4:2:0", 2: "4:2:2", 3: "4:4:4"}
"""chroma_format_idc of HEVC (ITU-T H.265, table 6-1)."""

_CODINGS = {b"hvc1": "hevc", b"av01": "av1", b"j2k1": "jpeg 2000", b"jpeg": "jpeg", b"unci": "none"}


def read_heif(stream: BinaryIO, embedded: Embedded) -> None:
    embedded.progressive = False
    for box in boxes(stream, 0, stream.seek(0, 2)):
        if box.kind == b"uuid" and read_at(stream, box.start, 16) == _C2PA:
            embedded.c2pa = read_at(stream, box.start + 16, box.end - box.start - 16)
            embedded.c2pa_bytes = box.end - box.start - 16
        elif box.kind == b"mpvd":
            embedded.motion_photo = box.start, box.end - box.start
    meta = first_boxes(stream).get(b"meta")
    if meta is None:
        return
    items = read_items(stream, meta)
    _metadata_items(stream, items, embedded)
    _properties(stream, meta, items, embedded)
    if b"tmap" in items.types.values():
        embedded.gain_map = "iso"


def _metadata_items(stream: BinaryIO, items: Items, embedded: Embedded) -> None:
    for item, kind in items.types.items():
        if kind == b"Exif":
            data = _data(stream, items, item)
            # The item begins with the number of bytes before the TIFF structure, often those of "Exif\0\0".
            start = 4 + int.from_bytes(data[:4], "big")
            block = data[start:] if start < len(data) else data[4:]
            embedded.exif = embedded.exif or block.removeprefix(b"Exif\0\0")
            if not block:
                embedded.fault("EXIF", "item", "cut_short")
        elif kind == b"mime" and items.content_types.get(item, b"").startswith(b"application/rdf+xml"):
            embedded.xmp.append(_data(stream, items, item))


def _data(stream: BinaryIO, items: Items, item: int) -> bytes:
    table = read_box(stream, items.iloc) if items.iloc else b""
    base = {IN_FILE: 0, IN_IDAT: items.idat.start if items.idat else 0}
    end = stream.seek(0, 2)
    data = b""
    for extent in extents(table):
        if extent.item == item and extent.method in base and len(data) < MAX_BLOCK:
            start = base[extent.method] + extent.start
            data += read_at(stream, start, extent.length or end - start)
    return data


def _properties(stream: BinaryIO, meta: Box, items: Items, embedded: Embedded) -> None:
    listed, tables = read_properties(stream, meta)
    if not listed or not tables:
        return
    owners: defaultdict[int, list[int]] = defaultdict(list)
    try:
        for item, number in chain.from_iterable(map(associations, tables)):
            owners[item].append(number)
    except (struct.error, IndexError):  # what was read before the damage counts
        embedded.fault("HEIF", "ipma", "damaged")
    for box in listed:
        if box.kind == b"auxC" and read_box(stream, box)[4:].startswith(APPLE_GAIN_MAP):
            embedded.gain_map = embedded.gain_map or "apple"
    picture = sorted(items.picture(), key=lambda item: item != items.primary)
    turns, mirrored = 0, None
    for item in picture:
        coding = _CODINGS.get(items.types.get(item, b""))
        embedded.compression = embedded.compression or coding
        for number in owners.get(item, []):
            if not 1 <= number <= len(listed):
                continue
            box = listed[number - 1]
            data = read_box(stream, box)
            if item == items.primary and box.kind == b"irot":
                turns = data[0] & 3
            elif item == items.primary and box.kind == b"imir":
                mirrored = data[0] & 1
            else:
                _property(box.kind, data, embedded)
    embedded.turn = _orientation(turns, mirrored)


def _property(kind: bytes, data: bytes, embedded: Embedded) -> None:
    if kind == b"colr" and data[:4] in (b"prof", b"rICC"):
        embedded.icc = embedded.icc or data[4:]
    elif kind == b"colr" and data[:4] == b"nclx" and embedded.coded_colours is None:
        primaries, transfer, matrix, flags = struct.unpack_from(">HHHB", data, 4)
        embedded.coded_colours = primaries, transfer, matrix, bool(flags & 0x80)
    elif kind == b"pixi" and embedded.bit_depth is None:
        embedded.bit_depth = max(data[5 : 5 + data[4]], default=None)
    elif kind == b"hvcC" and len(data) > 18 and embedded.chroma_subsampling is None:
        embedded.chroma_subsampling = _CHROMA[data[16] & 3]
        embedded.bit_depth = embedded.bit_depth or 8 + (data[17] & 7)
    elif kind == b"av1C" and len(data) > 2 and embedded.chroma_subsampling is None:
        flags = data[2]
        embedded.bit_depth = embedded.bit_depth or (12 if flags & 0x60 == 0x60 else 10 if flags & 0x40 else 8)
        if flags & 0x10:
            embedded.chroma_subsampling = "4:0:0"
        else:
            embedded.chroma_subsampling = {0x0C: "4:2:0", 0x08: "4:2:2", 0: "4:4:4"}.get(flags & 0x0C)


def _orientation(turns: int, mirrored: int | None) -> int | None:
    """The EXIF number that means the same as turns by 90 degrees to the left and then a mirror. None for neither."""
    if mirrored is None:
        return {0: None, 1: 8, 2: 3, 3: 6}[turns]
    # axis 1: left and right change places; 0: top and bottom. The turn is done before (ISO/IEC 23008-12, 6.5.10).
    return {(0, 1): 2, (0, 0): 4, (1, 1): 7, (1, 0): 5, (2, 1): 4, (2, 0): 2, (3, 1): 5, (3, 0): 7}[turns, mirrored]
