"""Blocks of a GIF (GIF89a specification): frames, comments, and the XMP and profile that programs add."""

from __future__ import annotations

from typing import BinaryIO

from darkroom.containers.gif import palette_bytes
from worker.photo.metadata.embedded import Embedded
from worker.photo.metadata.texts import free_text
from worker.photo.tiff_tags import MAX_BLOCK

_MAX_BLOCKS = 5_000_000
"""Blocks of data, each of 1 to 255 bytes. A GIF of 500 MB has about two million."""


def read_gif(stream: BinaryIO, embedded: Embedded) -> None:
    reader = _Blocks(stream)
    head = reader.take(13)
    embedded.compression, embedded.progressive, embedded.bit_depth = "lzw", False, 8
    reader.skip(palette_bytes(head[10]))
    frames = 0
    while True:
        kind = reader.take(1)
        if kind == b",":
            descriptor = reader.take(9)
            if len(descriptor) < 9:
                break
            frames += 1
            embedded.progressive = embedded.progressive or bool(descriptor[8] & 0x40)
            reader.skip(palette_bytes(descriptor[8]) + 1)
            if not reader.blocks(None):
                break  # the pixels are cut short: a warning of the photo says so
        elif kind == b"!":
            _extension(reader, embedded)
        else:
            if kind not in (b";", b""):
                embedded.fault("GIF", "blocks", "damaged")
            break
    embedded.frames = max(1, frames)


def _extension(reader: _Blocks, embedded: Embedded) -> None:
    label = reader.take(1)
    if label == b"\xfe":
        data = bytearray()
        reader.blocks(data)
        embedded.comment("GIF comment", free_text(bytes(data)))
    elif label == b"\xff":
        size = reader.take(1)
        name = reader.take(size[0] if size else 0)
        if name == b"XMP DataXMP":
            # XMP stands there as it is, not in blocks. A ramp of bytes ends it that leads any reader to a 0.
            embedded.xmp.append(reader.until(b"\x01\xff\xfe\xfd"))
            reader.blocks(None)
        else:
            profile = bytearray() if name == b"ICCRGBG1012" else None
            reader.blocks(profile)
            if profile:
                embedded.icc = bytes(profile)
    else:
        reader.blocks(None)


class _Blocks:
    """Reads a file from its start to its end, a megabyte at a time."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        stream.seek(0)
        self._buffer = b""
        self._at = 0
        self._left = _MAX_BLOCKS

    def take(self, size: int) -> bytes:
        if self._at + size > len(self._buffer):
            self._buffer = self._buffer[self._at :] + self._stream.read(max(size, 2**20))
            self._at = 0
        data = self._buffer[self._at : self._at + size]
        self._at += len(data)
        return data

    def skip(self, size: int) -> None:
        self.take(size)

    def blocks(self, into: bytearray | None) -> bool:
        """Read blocks of data up to the empty one. Returns False if the file ends before."""
        while self._left > 0:
            self._left -= 1
            size = self.take(1)
            if not size:
                return False
            if not size[0]:
                return True
            data = self.take(size[0])
            if len(data) < size[0]:
                return False
            if into is not None and len(into) < MAX_BLOCK:
                into += data
        return False

    def until(self, end: bytes) -> bytes:
        """The bytes before the next `end`, at most MAX_BLOCK."""
        found = self._buffer.find(end, self._at)
        while found < 0 and len(self._buffer) - self._at < MAX_BLOCK:
            more = self._stream.read(2**20)
            if not more:
                break
            self._buffer = self._buffer[self._at :] + more
            self._at = 0
            found = self._buffer.find(end)
        stop = found if found >= 0 else len(self._buffer)
        data = self._buffer[self._at : stop]
        self._at = stop
        return data
