"""Boxes of a JPEG XL: EXIF and XMP (ISO/IEC 18181-2), and the facts of its header."""

from __future__ import annotations

from typing import BinaryIO

from darkroom.containers.jxl import jxl_boxes, read_header, unwrapped_exif
from worker.photo.metadata.embedded import Embedded, read_at

_PACKED = {b"Exif": "EXIF", b"xml ": "XMP"}
"""Kinds of boxes that may be compressed with Brotli, in a box `brob`."""


def read_jxl(stream: BinaryIO, embedded: Embedded) -> None:
    embedded.progressive = False
    embedded.turn = 1
    for box in jxl_boxes(stream):
        data = read_at(stream, box.start, box.end - box.start) if box.kind in (b"Exif", b"xml ", b"brob") else b""
        if box.kind == b"Exif":
            block = unwrapped_exif(data)
            embedded.exif = embedded.exif or block
            if not block:
                embedded.fault("EXIF", "box", "cut_short")
        elif box.kind == b"xml ":
            embedded.xmp.append(data)
        elif box.kind == b"brob" and data[:4] in _PACKED:
            embedded.fault(_PACKED[data[:4]], "brob", "not_read")
        elif box.kind == b"jumb":
            embedded.c2pa = embedded.c2pa or read_at(stream, box.start - 8, box.end - box.start + 8)
            embedded.c2pa_bytes = embedded.c2pa_bytes or box.end - box.start + 8
    header = read_header(stream)
    embedded.turn, embedded.bit_depth = header.orientation, header.bits
