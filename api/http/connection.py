"""A caller's connection with a time limit for every read and write, however slowly the caller sends or reads."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable
from typing import Any

HEAD_TIME = 10.0
"""Seconds that the head of a request may take from its first byte to its last."""

BODY_TIME = 10.0
"""Seconds that the whole body of a request may take, unless it is an upload."""

RESPONSE_TIME = 60.0
"""Seconds that a caller may take to read a response. Responses are short: callers read photos from S3."""

READ_PAUSE = 10.0
"""Seconds for which a caller may read nothing of a response."""

MAX_HEAD = 32 * 1024
"""Bytes of an incomplete head after which the parser gets it, and refuses it: its own limit is one or two lines of
that length."""

_HEAD_END = re.compile(rb"\n\r?\n")


class CallerSocket(socket.socket):
    """Takes over an accepted connection. `silence`: seconds for which a caller may send nothing within a request.

    A read or write that takes too long raises TimeoutError; gunicorn and werkzeug treat that as a lost connection.
    Data that has arrived is returned even after the deadline, because then the caller was not the slow one.
    """

    def __init__(self, accepted: socket.socket, silence: float) -> None:
        super().__init__(fileno=accepted.detach())
        self._silence = silence
        self._ahead = b""
        self._head_deadline = 0.0
        self._response_deadline = 0.0
        self.close_after_response: Callable[[], None] = lambda: None
        """Close the connection after the response, and say so in the response's headers."""
        self.limit(HEAD_TIME)

    def limit(self, seconds: float, rate: float = 0) -> None:
        """Start a new deadline for what the caller sends.

        With a `rate` (bytes per second) each byte received moves the deadline back by 1 / rate seconds.
        """
        self._deadline = time.monotonic() + seconds
        self._rate = rate
        self._received = 0

    def begin_body(self, close_after_response: Callable[[], None]) -> None:
        """The head has been read: the body follows, then the response."""
        self.close_after_response = close_after_response
        self._head_deadline = self._response_deadline = 0.0
        self.limit(BODY_TIME)

    @property
    def head_deadline(self) -> float:
        """Monotonic time by which the head must be complete; the first call of `has_head` sets it."""
        return self._head_deadline

    def has_head(self) -> bool:
        """Read what has arrived of a request's head, and nothing beyond it, without waiting.

        True when the parser can run without waiting for more: the head is complete or too long, or the caller has
        closed the connection.
        """
        self._head_deadline = self._head_deadline or time.monotonic() + HEAD_TIME
        self.setblocking(False)
        try:
            seen = super().recv(MAX_HEAD, socket.MSG_PEEK)
            if not seen:
                return True
            before = self._ahead[-2:]
            end = _HEAD_END.search(before + seen)
            self._ahead += super().recv(end.end() - len(before) if end else len(seen))
        except BlockingIOError:
            return False
        except OSError:
            return True
        return end is not None or len(self._ahead) >= MAX_HEAD

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Raises TimeoutError when the caller sends too slowly."""
        if self._ahead:
            taken, self._ahead = self._ahead[:size], self._ahead[size:]
            return taken
        left = self._deadline - time.monotonic() + (self._received / self._rate if self._rate else 0)
        self.settimeout(max(0.0, min(self._silence, left)))
        try:
            data = super().recv(size, flags)
        except BlockingIOError:
            raise TimeoutError("the caller sends too slowly") from None
        self._received += len(data)
        return data

    def sendall(self, data: Any, flags: int = 0) -> None:
        """Raises TimeoutError when the caller reads too slowly."""
        self._response_deadline = self._response_deadline or time.monotonic() + RESPONSE_TIME
        left = memoryview(data)
        while left:
            self.settimeout(max(0.0, min(READ_PAUSE, self._response_deadline - time.monotonic())))
            try:
                left = left[super().send(left, flags) :]
            except BlockingIOError:
                raise TimeoutError("the caller reads too slowly") from None
