"""A caller's connection. Neither reading from it nor writing to it makes a thread wait for the caller."""

from __future__ import annotations

import re
import select
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from api.http.body_end import BodyEnd, ChunkedEnd, LengthEnd
from api.http.body_file import BodyFile
from api.http.request_buffer import RequestBuffer
from api.http.response_queue import ResponseQueue
from api.http.time_limits import TimeLimit

HEAD_LIMIT = TimeLimit(seconds=10, pause=10)
"""For the head of a request."""

LINGER_LIMIT = TimeLimit(seconds=5, pause=2, rate=1_000_000)
"""For a caller who still sends and has to read the response first: closing at once would destroy it (TCP reset). Few
clients read before they have sent the whole body, even if it is 20 MB."""

MAX_LINGER = 32 * 1024 * 1024
"""Bytes that such a caller may still send. They are thrown away."""

REFUSED_LINGER = 1024 * 1024
"""Bytes that a caller may still send after its connection was refused at once."""

MAX_QUEUED = 4 * 1024 * 1024
"""Bytes of a response that a thread leaves to the main loop. It waits with what is more; no response of ours is."""

SEND_BUFFER = 128 * 1024
"""Bytes for each connection in the kernel. Its own limit is several megabytes, which slow readers would fill."""


LIVENESS = "/healthz"
"""The path that the main loop answers itself, so that the answer never waits for a thread."""

_LIVENESS = re.compile(rb"(?:GET|HEAD) %s[? ](?!(?s:.*)\n(?i:transfer-encoding):)" % LIVENESS.encode())
"""A request with a chunked body is left to a thread: decoding it takes time."""


class Admission(Protocol):
    """What a caller was granted for a request, and holds until the request ends."""

    def release(self, received: int) -> None:
        """The request has ended. `received`: bytes of its body. Further calls do nothing."""


class CallerSocket(socket.socket):
    """Takes over an accepted connection. gunicorn calls `recv`, `sendall` and `sendfile` in its threads."""

    def __init__(self, accepted: socket.socket, spool_dir: Path) -> None:
        super().__init__(fileno=accepted.detach())
        self.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        self.request = RequestBuffer(self, spool_dir, HEAD_LIMIT)
        self.response = ResponseQueue(self)
        self.close_after_response: Callable[[], None] = lambda: None
        """Close the connection after the response, and say so in the response's headers."""
        self.continue_expected = False
        """The caller waits for `100 Continue` before it sends the body."""
        self.admission: Admission | None = None
        self.on_close: Callable[[], None] = lambda: None
        self.linger = LINGER_LIMIT
        self.max_linger = REFUSED_LINGER
        """Bytes that the caller may still send while it has to read the last response."""
        self.skip_body: Callable[[], None] = lambda: None
        """Have gunicorn read nothing of the request's body."""
        self._body_limit, self._max_body, self._body_is_photo = LINGER_LIMIT, 0, False

    @property
    def asks_for_liveness(self) -> bool:
        return self.request.starts_with(_LIVENESS)

    def body_arrived(self, length: int | None) -> bool:
        """Whether the whole body is here. `length`: its Content-Length; None for a chunked body."""
        end: BodyEnd = ChunkedEnd() if length is None else LengthEnd(length)
        return self.request.expect_body(end)

    @property
    def body_collected(self) -> bool:
        """Whether the main loop has collected the body, complete or not."""
        return self.request.collected

    def await_body(self, limit: TimeLimit, most: int, is_photo: bool) -> None:
        """Say how the main loop collects the body after this."""
        self._body_limit, self._max_body, self._body_is_photo = limit, most, is_photo

    def begin_body(self) -> None:
        """Collect the body in the main loop from now on."""
        self.request.begin_body(self._body_limit, self._max_body, self._body_is_photo)
        if self.continue_expected:
            self.continue_expected = False
            self.response.add(b"HTTP/1.1 100 Continue\r\n\r\n")

    def receive_body(self) -> bool:
        """Send `100 Continue` if it is due, and take what has arrived. Returns whether there is nothing to wait for.

        Raises OSError when the connection is closed.
        """
        self.response.send()
        return self.request.receive_body()

    def read_past_gunicorn(self) -> BodyFile | None:
        """The file of the body, if all of it was collected and it has a Content-Length.

        From now on the body is read from there: gunicorn would copy each byte several times.
        """
        body = self.request.whole_body
        if body:
            self.skip_body()
        return body

    def recv(self, size: int, flags: int = 0) -> bytes:  # noqa: ARG002 - gunicorn gives none
        """What has arrived. Raises TimeoutError when nothing has: the caller had its time before."""
        return self.request.read(size)

    def sendall(self, data: Any, flags: int = 0) -> None:  # noqa: ARG002 - gunicorn gives none
        """Send what the socket accepts, and leave the rest to the main loop.

        Raises TimeoutError when the response is longer than any of ours and the caller reads too slowly.
        """
        self.response.add(data)
        self.response.send()
        while self.response.memory > MAX_QUEUED:
            writable = select.poll()
            writable.register(self, select.POLLOUT)
            left = self.response.progress.expires - time.monotonic()
            if left <= 0 or not writable.poll(left * 1000):
                raise TimeoutError("the caller reads too slowly")
            self.response.send()

    def sendfile(self, file: Any, offset: int = 0, count: int | None = None) -> int:
        """The same for a part of a file, which the main loop sends without reading it into memory."""
        size = count or 0  # gunicorn always gives it
        self.response.add_file(file, offset, size)
        self.response.send()
        return size

    def close(self) -> None:
        self.request.close()
        self.response.close()
        if self.admission:
            self.admission.release(self.request.body_size)
            self.admission = None
        self.on_close()
        super().close()
