"""Memory in which photos arrive. A photo that is held here costs no file, and no copy of its bytes in the page cache.

The memory is made of blocks that are used again and again, so that the kernel does not have to find and clear pages
for each photo. Their number is limited: photos that find none left go to files.
"""

from __future__ import annotations

import io
import os
import threading

MIB = 1024 * 1024

BLOCK = MIB
"""Bytes of a block."""

MOST_BLOCKS = 16
"""Blocks of one process. They are made when they are needed, and kept."""

LARGEST_IN_MEMORY = 8 * MIB
"""Bytes of the largest photo that is held in memory."""


class Blocks:
    """The blocks of a process. Threads can share them."""

    def __init__(self, most: int = MOST_BLOCKS) -> None:
        self._unmade = most
        self._free: list[memoryview] = []
        self._lock = threading.Lock()

    def take(self) -> memoryview | None:
        """A block with any content; None if all are in use."""
        with self._lock:
            if self._free:
                return self._free.pop()
            if not self._unmade:
                return None
            self._unmade -= 1
        return memoryview(bytearray(BLOCK))

    def give_back(self, blocks: list[memoryview]) -> None:
        with self._lock:
            self._free += blocks


BLOCKS = Blocks()


class MemoryFile(io.RawIOBase):
    """A file in memory. Bytes are appended through `room` and `fill`; closing it gives its blocks back."""

    def __init__(self, blocks: Blocks) -> None:
        self._source = blocks
        self._blocks: list[memoryview] = []
        self._position = 0
        self.size = 0
        """Bytes that it holds."""

    def room(self, size: int) -> memoryview | None:
        """Where the next bytes go, at most `size`; None if no block is left."""
        used = self.size % BLOCK
        if len(self._blocks) * BLOCK == self.size:
            block = self._source.take()
            if block is None:
                return None
            self._blocks.append(block)
        return self._blocks[-1][used : used + size]

    def fill(self, size: int) -> None:
        """The first `size` bytes of `room` have been written."""
        self.size += size

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Read until the buffer is full or the file ends. Returns the number of bytes."""
        if self.closed:
            raise ValueError("the file is closed")
        target = memoryview(buffer)[: max(0, self.size - self._position)]
        done = 0
        while done < len(target):
            start = (self._position + done) % BLOCK
            part = self._blocks[(self._position + done) // BLOCK][start : start + len(target) - done]
            target[done : done + len(part)] = part
            done += len(part)
        self._position += done
        return done

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        position = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self.size}[whence]
        if position < 0:
            raise OSError(22, "Invalid argument")
        self._position = position
        return position

    def tell(self) -> int:
        return self._position

    def close(self) -> None:
        if not self.closed:
            self._source.give_back(self._blocks)
            self._blocks = []
        super().close()
