"""The body of a request on disk, until the app has read it."""

from __future__ import annotations

import tempfile
from collections import deque
from pathlib import Path
from typing import IO

PIECE = 16 * 1024 * 1024
"""Bytes. While a form is read, its photos are written to files of their own: each piece that was read makes room."""


class BodyFile:
    """Written once, then read once. Its pieces are files without names: the kernel removes them even if the process is
    killed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pieces: deque[IO[bytes]] = deque()
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
                self._room = PIECE
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
