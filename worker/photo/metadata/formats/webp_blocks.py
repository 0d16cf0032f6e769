"""Chunks of a WebP (RFC 9649)."""

from __future__ import annotations

import struct
from typing import BinaryIO

from worker.photo.metadata.embedded import MAX_PARTS, Embedded, read_at


def read_webp(stream: BinaryIO, embedded: Embedded) -> None:
    embedded.bit_depth = 8
    embedded.progressive = False
    at, frames = 12, 0
    size = stream.seek(0, 2)
    for _ in range(MAX_PARTS):
        head = read_at(stream, at, 8)
        if len(head) < 8:
            break
        kind, length = struct.unpack("<4sI", head)
        if kind == b"ANMF":
            frames += 1
            if not embedded.compression:
                _coding(read_at(stream, at + 24, 16), embedded)
        elif kind in (b"VP8 ", b"VP8L", b"ALPH"):
            _coding(head, embedded)
        elif kind in (b"ICCP", b"EXIF", b"XMP ", b"C2PA"):
            if at + 8 + length > size:
                embedded.fault("WEBP", kind.decode().strip(), "cut_short")
            _keep(kind, read_at(stream, at + 8, length), length, embedded)
        at += 8 + length + length % 2
    embedded.frames = max(1, frames)


def _coding(head: bytes, embedded: Embedded) -> None:
    """Lossy WebP has 4:2:0; lossless WebP has no chroma of its own. A frame may begin with its alpha."""
    kind = head[:4]
    if kind == b"VP8L":
        embedded.compression = embedded.compression or "lossless"
    elif kind in (b"VP8 ", b"ALPH"):
        embedded.compression = embedded.compression or "lossy"
        embedded.chroma_subsampling = "4:2:0"


def _keep(kind: bytes, data: bytes, length: int, embedded: Embedded) -> None:
    if kind == b"ICCP":
        embedded.icc = data
    elif kind == b"EXIF":
        embedded.exif = data.removeprefix(b"Exif\0\0")
    elif kind == b"XMP ":
        embedded.xmp.append(data)
    else:
        embedded.c2pa, embedded.c2pa_bytes = data, length
