"""A caller's connection, on which nothing is waited for without end, however the bytes come or go."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable
from typing import Any

HEAD = 10.0
"""Seconds that the head of a request may take from its first byte to its last."""

BODY = 10.0
"""Seconds that the whole body of a request may take, unless it is an upload."""

ANSWER = 60.0
"""Seconds that a caller may take to read an answer. Photos are read from S3, so that there are no long ones."""

NO_READING = 10.0
"""Seconds in which a caller may read nothing of an answer."""

LONG_HEAD = 32 * 1024
"""Bytes of a head after which the parser may look at it: it takes no more than one or two lines as long as that."""

_HEAD_ENDS = re.compile(rb"\n\r?\n")


class Caller(socket.socket):
    """Takes over an accepted connection. `silence` is how many seconds a caller may send nothing in the midst of it.

    Whatever takes too long raises TimeoutError, which for gunicorn and werkzeug is a caller who has gone away.
    What is there already is taken even after the time is over: it is not the caller who was slow then.
    """

    def __init__(self, accepted: socket.socket, silence: float) -> None:
        super().__init__(fileno=accepted.detach())
        self._silence = silence
        self._ahead = b""
        self._head_ends = 0.0
        self._answer_ends = 0.0
        self.hang_up: Callable[[], None] = lambda: None
        """Have the connection closed after the answer, which says so."""
        self.limit(HEAD)

    def limit(self, seconds: float, rate: float = 0) -> None:
        """From now on the caller has so many seconds to send, and with a rate (bytes per second) more as more comes."""
        self._ends = time.monotonic() + seconds
        self._rate = rate
        self._received = 0

    def begin_body(self, hang_up: Callable[[], None]) -> None:
        """The head is read: what comes now is the body, then the answer goes out."""
        self.hang_up = hang_up
        self._head_ends = self._answer_ends = 0.0
        self.limit(BODY)

    @property
    def head_ends(self) -> float:
        """By when, in monotonic time, the head must be complete that `has_head` began to look for."""
        return self._head_ends

    def has_head(self) -> bool:
        """Take in what has come of a request's head and nothing beyond it, without waiting.

        True when the parser would not wait for more, be it because the caller is gone.
        """
        self._head_ends = self._head_ends or time.monotonic() + HEAD
        self.setblocking(False)
        try:
            seen = super().recv(LONG_HEAD, socket.MSG_PEEK)
            if not seen:
                return True
            before = self._ahead[-2:]
            end = _HEAD_ENDS.search(before + seen)
            self._ahead += super().recv(end.end() - len(before) if end else len(seen))
        except BlockingIOError:
            return False
        except OSError:
            return True
        return end is not None or len(self._ahead) >= LONG_HEAD

    def recv(self, size: int, flags: int = 0) -> bytes:
        if self._ahead:
            taken, self._ahead = self._ahead[:size], self._ahead[size:]
            return taken
        left = self._ends - time.monotonic() + (self._received / self._rate if self._rate else 0)
        self.settimeout(max(0.0, min(self._silence, left)))
        try:
            data = super().recv(size, flags)
        except BlockingIOError:
            raise TimeoutError("the caller sends too slowly") from None
        self._received += len(data)
        return data

    def sendall(self, data: Any, flags: int = 0) -> None:
        self._answer_ends = self._answer_ends or time.monotonic() + ANSWER
        left = memoryview(data)
        while left:
            self.settimeout(max(0.0, min(NO_READING, self._answer_ends - time.monotonic())))
            try:
                left = left[super().send(left, flags) :]
            except BlockingIOError:
                raise TimeoutError("the caller reads too slowly") from None
