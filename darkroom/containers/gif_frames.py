"""The frames of a GIF (GIF89a specification)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import BinaryIO

from darkroom.containers.animation import FOREVER, Disposal, StoredFrame, StoredFrames
from darkroom.containers.gif import palette_bytes
from darkroom.containers.view import Part

_IMAGE, _EXTENSION, _TRAILER = b",", b"!", b";"
_CONTROL, _APPLICATION = b"\xf9", b"\xff"
_LOOPS = (b"NETSCAPE2.0", b"ANIMEXTS1.0")
_DISPOSALS: dict[int, Disposal] = {2: "clear", 3: "restore", 4: "restore"}
_READ = 2**16

_SOME_BLOCKS, _BYTES_OF_BLOCK = 100_000, 64
"""A file is read up to so many blocks, and one more for so many of its bytes: a second for 64 MB. Encoders write blocks
of 255 bytes."""


@dataclass(frozen=True)
class _Control:
    """What a graphic control extension says of the next frame. `clear`: the transparent entry of its palette."""

    duration: float = 0
    disposal: Disposal = "keep"
    clear: int | None = None

    @staticmethod
    def of(data: bytes) -> _Control:
        if len(data) < 4:
            return _Control()
        flags, delay, clear = struct.unpack_from("<BHB", data)
        return _Control(10 * delay, _DISPOSALS.get(flags >> 2 & 7, "keep"), clear if flags & 1 else None)

    @property
    def still(self) -> bytes:
        return b"" if self.clear is None else b"!\xf9\x04\x01\0\0" + bytes([self.clear]) + b"\0"


def stored_frames(stream: BinaryIO, most: int) -> StoredFrames:
    """The first frames of a GIF, at most `most`. One that is cut short is not among them.

    Many writers leave out the trailer, so a file may end without one.
    """
    reader = _Reader(stream)
    frames = list(islice(_frames(reader), most))
    return StoredFrames(frames, len(frames) == most or not reader.damaged)


def plays(stream: BinaryIO) -> int:
    """How many times it is shown: once if no extension says it. The extension counts the repetitions.

    Decoders obey one that stands before the second frame.
    """
    reader = _Reader(stream)
    frames = 0
    for kind in reader.kinds():
        if kind == _IMAGE:
            frames += 1
            if frames > 1 or not reader.skip_image():
                break
        elif reader.take(1) == _APPLICATION:
            name = reader.first_block()
            data = reader.first_block()
            if name in _LOOPS and len(data) == 3 and data[0] == 1:
                repetitions = int.from_bytes(data[1:], "little")
                return repetitions + 1 if repetitions else FOREVER
            if data:
                reader.skip_blocks()
        else:
            reader.skip_blocks()
    return 1


def _frames(reader: _Reader) -> Iterator[StoredFrame]:
    control = _Control()
    for kind in reader.kinds():
        if kind == _EXTENSION:
            if reader.take(1) == _CONTROL:
                control = _Control.of(reader.first_block())
            reader.skip_blocks()
            continue
        start = reader.position
        descriptor = reader.take(9)
        if len(descriptor) < 9:
            reader.damaged = True
            return
        left, top, width, height, flags = struct.unpack("<4HB", descriptor)
        ended = reader.skip_rest_of_image(flags)
        still: tuple[Part, ...] = (
            b"GIF89a" + descriptor[4:8] + reader.screen,
            reader.palette,
            control.still,
            b",\0\0\0\0" + descriptor[4:],
            range(start + 9, reader.position),
            b";",
        )
        if ended and width and height:
            yield StoredFrame(left, top, width, height, control.duration, True, control.disposal, still)
        control = _Control()


class _Reader:
    """Reads a GIF from its start, with large reads: its data stands in blocks of at most 255 bytes.

    `screen`: the last three bytes of the logical screen descriptor. `palette`: where the global palette stands.
    `damaged`: something else than a block stands where one should be, or a block is cut short.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._buffer = b""
        self._blocks_left = _SOME_BLOCKS + stream.seek(0, 2) // _BYTES_OF_BLOCK
        self._start = self._at = 0
        """Where the buffer begins in the file, and the next byte in the buffer."""
        head = self.take(13)
        self.screen = head[10:].ljust(3, b"\0")
        self.palette = range(13, 13 + palette_bytes(self.screen[0]))
        self.take(len(self.palette))
        self.damaged = False

    @property
    def position(self) -> int:
        return self._start + self._at

    def take(self, size: int) -> bytes:
        """The next bytes; fewer at the end of the file."""
        if self._at + size > len(self._buffer):
            self._start += self._at
            self._stream.seek(self._start)
            self._buffer, self._at = self._stream.read(max(size, _READ)), 0
        data = self._buffer[self._at : self._at + size]
        self._at += len(data)
        return data

    def kinds(self) -> Iterator[bytes]:
        """The kind of each block, when the one before it was read. Ends at the trailer, and at damage."""
        while (kind := self.take(1)) in (_IMAGE, _EXTENSION, b"\0"):
            if kind != b"\0":  # some writers leave a terminator too many
                yield kind
        self.damaged = self.damaged or kind not in (_TRAILER, b"")

    def first_block(self) -> bytes:
        """One block of data; empty at the terminator."""
        size = self.take(1)
        return self.take(size[0]) if size else b""

    def skip_blocks(self) -> bool:
        """Pass over the blocks up to the terminator. Returns False if the file ends before."""
        while (size := self.take(1)) and self._blocks_left:
            self._blocks_left -= 1
            if not size[0]:
                return True
            if len(self.take(size[0])) < size[0]:
                break
        self.damaged = True
        return False

    def skip_image(self) -> bool:
        """Pass over the image whose descriptor comes next. Returns False if the file ends before its end."""
        descriptor = self.take(9)
        return len(descriptor) == 9 and self.skip_rest_of_image(descriptor[8])

    def skip_rest_of_image(self, flags: int) -> bool:
        self.take(palette_bytes(flags) + 1)
        return self.skip_blocks()
