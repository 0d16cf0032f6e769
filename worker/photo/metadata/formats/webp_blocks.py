"""Chunks of a WebP (RFC 9649)."""

from __future__ import annotations

from typing import BinaryIO

from darkroom.containers.webp import chunks
from worker.photo.metadata.embedded import Embedded, read_at


def read_webp(stream: BinaryIO, embedded: Embedded) -> None:
    embedded.bit_depth = 8
    embedded.progressive = False
    frames = 0
    size = stream.seek(0, 2)
    for chunk in chunks(stream):
        if chunk.kind == b"ANMF":
            frames += 1
            if not embedded.compression:
                _coding(read_at(stream, chunk.start + 16, 4), embedded)
        elif chunk.kind in (b"VP8 ", b"VP8L", b"ALPH"):
            _coding(chunk.kind, embedded)
        elif chunk.kind in (b"ICCP", b"EXIF", b"XMP ", b"C2PA"):
            if chunk.start + chunk.length > size:
                embedded.fault("WEBP", chunk.kind.decode().strip(), "cut_short")
            _keep(chunk.kind, read_at(stream, chunk.start, chunk.length), chunk.length, embedded)
    embedded.frames = max(1, frames)


def _coding(kind: bytes, embedded: Embedded) -> None:
    """Lossy WebP has 4:2:0; lossless WebP has no chroma of its own. A frame may begin with its alpha."""
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
