"""What a caller has not received of a response yet: bytes in memory, and parts of open files.

A thread of the pool fills the queue and sends what the socket accepts at once; nearly every response fits. The main
loop sends the rest as the caller reads it. So a slow reader holds no thread, and a file needs no memory.
"""

from __future__ import annotations

import os
import socket
from collections import deque
from dataclasses import dataclass
from typing import IO, Any

from api.http.time_limits import Progress, TimeLimit

RESPONSE_LIMIT = TimeLimit(seconds=60, pause=60, rate=10_000)
"""For reading a response. The pause is long because a steady reader may look like one with pauses: curl with
--limit-rate takes some hundred kilobytes at once, and then nothing for a while."""

MAX_SEND = 256 * 1024
"""Bytes for one call of `send`, so that each connection gets its turn."""


@dataclass
class _FilePart:
    file: int
    """A file descriptor of our own; its position is not used."""

    offset: int
    left: int


class ResponseQueue:
    """Nothing here waits. Not thread-safe: a thread of the pool or the main loop uses it, never both at a time."""

    def __init__(self, caller: socket.socket) -> None:
        self._caller = caller
        self._parts: deque[memoryview | _FilePart] = deque()
        self.memory = 0
        """Bytes held in memory."""
        self.progress = Progress(RESPONSE_LIMIT)

    @property
    def left(self) -> bool:
        """Whether a part is not sent yet."""
        return bool(self._parts)

    def add(self, data: Any) -> None:
        self._restart_progress()
        self._parts.append(memoryview(bytes(data)))  # bytes() copies nothing that is bytes already
        self.memory += len(data)

    def add_file(self, file: IO[bytes], offset: int, size: int) -> None:
        """The caller of this method may close the file and move its position."""
        self._restart_progress()
        self._parts.append(_FilePart(os.dup(file.fileno()), offset, size))

    def send(self) -> bool:
        """Send what the socket accepts now. Returns whether everything is sent.

        Raises OSError when the connection is closed or a file is shorter than announced.
        """
        self._caller.setblocking(False)
        budget = MAX_SEND
        while self._parts and budget > 0:
            try:
                sent = self._send_first(budget)
            except BlockingIOError:
                return False
            self.progress.add(sent)
            budget -= sent
        return not self._parts

    def close(self) -> None:
        """Forget what was not sent."""
        while self._parts:
            self._remove_first()

    def _send_first(self, most: int) -> int:
        part = self._parts[0]
        if isinstance(part, _FilePart):
            sent = os.sendfile(self._caller.fileno(), part.file, part.offset, min(part.left, most)) if part.left else 0
            if part.left and not sent:
                raise OSError("the file became shorter while it was sent")
            part.offset += sent
            part.left -= sent
            empty = not part.left
        else:
            sent = self._caller.send(part[:most])
            self._parts[0] = part[sent:]
            self.memory -= sent
            empty = sent == len(part)
        if empty:
            self._remove_first()
        return sent

    def _remove_first(self) -> None:
        part = self._parts.popleft()
        if isinstance(part, _FilePart):
            os.close(part.file)
        else:
            self.memory -= len(part)

    def _restart_progress(self) -> None:
        if not self._parts:
            self.progress = Progress(RESPONSE_LIMIT)
