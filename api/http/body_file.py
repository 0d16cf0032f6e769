"""The body of a request, until the app has read it: on disk or, if it is a photo of usual size, in memory."""

from __future__ import annotations

import hashlib
import sys
import tempfile
from collections import deque
from dataclasses import dataclass
from io import FileIO, RawIOBase
from pathlib import Path

from api.http.photo_memory import BLOCKS, LARGEST_IN_MEMORY, Blocks, MemoryFile

MAX_RECEIVE = 1024 * 1024
"""Bytes that a connection receives before others get their turn."""

ARRIVING = memoryview(bytearray(MAX_RECEIVE))
"""What the main loop has received and not stored yet."""


class BodyFile:
    """Written once, then read once. Its pieces are files without names: the kernel removes them even if the process is
    killed."""

    piece = 16 * 1024 * 1024
    """Bytes of a piece. While a form is read, its photos are written to files of their own: each piece that was read
    makes room."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pieces: deque[FileIO] = deque()
        self._room = 0
        """Bytes that fit into the last piece."""
        self.on_disk = 0
        """Bytes."""

    @property
    def in_memory(self) -> bool:
        """Whether it has begun to arrive in memory: no more than MOST_BLOCKS do so at a time."""
        return False

    def room(self, size: int) -> memoryview:
        """Where the next bytes are received, at most `size` and MAX_RECEIVE. Only the main loop may call it.

        Raises OSError when the disk is full.
        """
        return ARRIVING[:size]

    def fill(self, arrived: memoryview) -> None:
        """Append what has arrived: the start of `room`. Raises OSError when the disk is full."""
        self.write(arrived)

    def write(self, data: bytes | memoryview) -> None:
        """Raises OSError when the disk is full."""
        left = memoryview(data)
        while left:
            if not self._room:
                # Unbuffered: errors come at once, and closing cannot fail.
                self._pieces.append(tempfile.TemporaryFile(dir=self._folder, buffering=0))  # noqa: SIM115
                self._room = self.piece
            written = self._pieces[-1].write(left[: self._room])
            left = left[written:]
            self._room -= written
            self.on_disk += written

    def rewind(self) -> None:
        """From now on the body is read, from its start."""
        for piece in self._pieces:
            piece.seek(0)

    def read(self, size: int) -> bytes:
        """The next bytes, at most `size`; nothing at the end."""
        while self._pieces:
            if data := self._pieces[0].read(size):
                return data
            piece = self._pieces.popleft()
            self.on_disk -= piece.tell()
            piece.close()
        return b""

    def close(self) -> None:
        while self._pieces:
            self._pieces.popleft().close()
        self._room = self.on_disk = 0


@dataclass(frozen=True)
class TakenPhoto:
    """A body that is one photo. The reader of its file closes it. `size` in bytes, `sha256` in hex."""

    file: RawIOBase
    size: int
    sha256: str


class PhotoBody(BodyFile):
    """A body that is nothing but one photo. It is hashed while it arrives, and the app takes over its file.

    It is held in memory, unless it is large or no memory is left: then it is on disk. Reading it through gunicorn and
    writing a second file took a fifth of the CPU time of an upload, and the file itself a sixth.
    """

    piece = sys.maxsize

    def __init__(self, folder: Path, length: int, blocks: Blocks = BLOCKS) -> None:
        """`length`: the bytes of the whole photo."""
        super().__init__(folder)
        self._memory = MemoryFile(blocks) if length <= LARGEST_IN_MEMORY else None
        self._hash = hashlib.sha256()
        self._size = 0

    @property
    def in_memory(self) -> bool:
        return bool(self._memory and self._size)

    def room(self, size: int) -> memoryview:
        if self._memory:
            if room := self._memory.room(min(size, MAX_RECEIVE)):
                return room
            self._leave_memory(self._memory)
        return super().room(size)

    def fill(self, arrived: memoryview) -> None:
        if self._memory:
            self._memory.fill(len(arrived))
        else:
            super().write(arrived)
        self._hash.update(arrived)
        self._size += len(arrived)

    def write(self, data: bytes | memoryview) -> None:
        left = memoryview(data)
        while left:
            room = self.room(len(left))
            room[:] = left[: len(room)]
            self.fill(room)
            left = left[len(room) :]

    def rewind(self) -> None:
        if self._memory:
            self._memory.seek(0)
        super().rewind()

    def read(self, size: int) -> bytes:
        return self._memory.read(size) or b"" if self._memory else super().read(size)

    def take(self) -> TakenPhoto:
        """The whole body. It can be taken once, instead of being read."""
        taken = TakenPhoto(self._memory or self._pieces.popleft(), self._size, self._hash.hexdigest())
        self._memory = None
        self.close()
        return taken

    def close(self) -> None:
        if self._memory:
            self._memory.close()
            self._memory = None
        super().close()

    def _leave_memory(self, memory: MemoryFile) -> None:
        """Continue on disk: no memory is left."""
        memory.seek(0)
        while part := memory.read(MAX_RECEIVE):
            super().write(part)
        self._memory = None
        memory.close()
