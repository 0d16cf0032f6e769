"""The body of a request on disk, until the app has read it."""

from __future__ import annotations

import hashlib
import sys
import tempfile
from collections import deque
from dataclasses import dataclass
from io import FileIO
from pathlib import Path


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
        self.size = 0
        """Bytes on disk."""

    def write(self, data: bytes) -> None:
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
            self.size += written

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
            self.size -= piece.tell()
            piece.close()
        return b""

    def close(self) -> None:
        while self._pieces:
            self._pieces.popleft().close()
        self._room = self.size = 0


@dataclass(frozen=True)
class TakenPhoto:
    """The file of a body that is one photo. Its reader closes it. `size` in bytes, `sha256` in hex."""

    file: FileIO
    size: int
    sha256: str


class PhotoBody(BodyFile):
    """A body that is nothing but one photo. It is hashed while it arrives, and the app takes over its file.

    Reading it through gunicorn and writing a second file took a fifth of the CPU time of an upload.
    """

    piece = sys.maxsize

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._hash = hashlib.sha256()

    def write(self, data: bytes) -> None:
        super().write(data)
        self._hash.update(data)

    def take(self) -> TakenPhoto:
        """The whole body. It can be taken once, instead of being read."""
        taken = TakenPhoto(self._pieces.popleft(), self.size, self._hash.hexdigest())
        self.close()
        return taken
