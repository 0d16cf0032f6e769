"""Checks, before each try of a write to S3 and during its body, that the writer may still write.

The SDK tries a call several times, and signs each try anew. So one check before the call is not enough: a process that
was paused between two tries would store the object with a fresh signature.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, BinaryIO, cast

if TYPE_CHECKING:
    from botocore.hooks import BaseEventHooks

BLOCK = 1024 * 1024
"""Bytes of a file that are sent after each check. Each thread that sends has so much in memory."""

MayWrite = Callable[[], None]
"""Raises an error if the writer has lost its right to write."""

_may_write: ContextVar[MayWrite | None] = ContextVar("_may_write", default=None)


def watch_writes(events: BaseEventHooks) -> None:
    """Have the clients that share these events carry out the checks."""
    events.register("before-send.s3", _before_send)


@contextmanager
def checked(may_write: MayWrite) -> Iterator[None]:
    """Call `may_write` before each request to S3 that this thread sends in the block. Its error ends the call."""
    token = _may_write.set(may_write)
    try:
        yield
    finally:
        _may_write.reset(token)


class CheckedBody:
    """A file that calls `may_write` before each read. After an error the connection closes, and S3 stores nothing.

    Then the SDK tries again, and the check before that try raises the error. The body ends where the file ends now: a
    child that a photo has taken over can still append to the file, and S3 would take what follows the announced length
    for another request.
    """

    def __init__(self, file: BinaryIO, may_write: MayWrite) -> None:
        self._file = file
        self._size = file.seek(0, os.SEEK_END)
        self._may_write = may_write
        self._position = file.seek(0)
        self._block = memoryview(bytearray(min(BLOCK, self._size)))

    def read(self, _size: int = -1) -> memoryview:
        """The next block, whatever `_size` is: with the SDK's 128 KiB at a time the system calls would cost more. The
        next read overwrites it."""
        self._may_write()
        wanted = min(len(self._block), max(0, self._size - self._position))
        read = cast(io.BufferedReader, self._file).readinto(self._block[:wanted])
        self._position += read
        return self._block[:read]

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if whence == os.SEEK_END:
            offset, whence = self._size + offset, os.SEEK_SET
        self._position = self._file.seek(offset, whence)
        return self._position

    def tell(self) -> int:
        return self._position


def _before_send(**_: Any) -> None:
    if may_write := _may_write.get():
        may_write()
