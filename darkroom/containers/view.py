"""A file that is made of ranges of another file and of a few literal bytes.

Damaged photos are repaired with it: the decoder gets the photo without the parts that it cannot read, and nothing is
copied.
"""

from __future__ import annotations

import io
import os
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, BinaryIO

from darkroom.photo_warnings import PhotoWarning

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

Part = range | bytes
"""A range of positions in the original, or literal bytes."""


@dataclass(frozen=True)
class Cleaned:
    """A file that a decoder can read, and what was done to the original for it. `stream` is the original itself if
    nothing had to be done."""

    stream: BinaryIO
    warnings: tuple[PhotoWarning, ...] = ()


class BoundedReader(io.BufferedReader):
    """A reader that never asks for more bytes than the file has: a damaged length makes Pillow ask a small file for
    gigabytes, and Python allocates as much as it is asked for. `size` is in bytes."""

    def __init__(self, raw: io.RawIOBase) -> None:
        super().__init__(raw)
        self.size = self.seek(0, os.SEEK_END)
        self.seek(0)

    def read(self, size: int | None = -1) -> bytes:
        left = max(0, self.size - self.tell())
        return super().read(left if size is None or size < 0 else min(size, left))


def view(original: BinaryIO, parts: Sequence[Part]) -> BoundedReader:
    """A file of these parts, one after the other. Keep the original open as long as the view is read."""
    return BoundedReader(_Parts(original, parts))


class _Parts(io.RawIOBase):
    def __init__(self, original: BinaryIO, parts: Sequence[Part]) -> None:
        super().__init__()
        self._original = original
        self._parts = [part for part in parts if len(part)]
        self._ends = list(accumulate(len(part) for part in self._parts))
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position}.get(whence, self._ends[-1] if self._ends else 0)
        if start + offset < 0:
            raise ValueError("a position before the start of the file")
        self._position = start + offset
        return self._position

    def readinto(self, buffer: WriteableBuffer) -> int:
        target = memoryview(buffer)
        at = bisect_right(self._ends, self._position)
        if at == len(self._parts):
            return 0
        part = self._parts[at]
        first = len(part) - (self._ends[at] - self._position)
        wanted = part[first : first + len(target)]
        if isinstance(wanted, range):
            self._original.seek(wanted.start)
            data = self._original.read(len(wanted))
        else:
            data = wanted
        target[: len(data)] = data
        self._position += len(data)
        return len(data)
