"""gunicorn's threaded worker, whose threads slow callers do not hold.

gunicorn has no time limits of its own for a caller who sends or reads drop by drop; whoever runs it without a proxy in
front needs them. Heads of requests are gathered in the main loop, and a thread begins when one is complete. There it
reads and writes by `api.http.connection`. Connections that end are seen off in the main loop too.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import time
from collections import deque
from concurrent.futures import Future
from functools import partial
from typing import Any

from gunicorn.workers.gthread import TConn, ThreadWorker  # type: ignore[import-untyped]

from api.http.connection import HEAD, Caller

LINGER = 2.0
"""Seconds in which a caller who still sends can read the answer: closed at once, the connection would take it along."""

MOST_DISCARDED = 1024 * 1024
"""Bytes that a caller may still send meanwhile."""


class Worker(ThreadWorker):  # type: ignore[misc]
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.pending_conns: deque[TConn] = deque()
        self.lingering: deque[TConn] = deque()

    def enqueue_req(self, conn: TConn) -> None:
        """Have a thread answer what comes next on the connection, as soon as its head is here."""
        if not isinstance(conn.sock, Caller):
            conn.sock = Caller(conn.sock, self.app.settings.silence)
        read_ahead = conn.parser is not None and conn.parser.unreader.buf.getvalue()
        if read_ahead or conn.sock.has_head():
            conn.data_ready = True  # or gunicorn would wait for some, in the thread
            super().enqueue_req(conn)
        else:
            conn.timeout = conn.sock.head_ends
            self.pending_conns.append(conn)
            self.poller.register(conn.sock, selectors.EVENT_READ, partial(self.on_pending_socket_readable, conn))

    def handle(self, conn: TConn) -> Any:
        conn.sock.limit(HEAD)  # of a request that was read along with the one before it
        try:
            return super().handle(conn)
        finally:
            conn.sock.limit(0)

    def handle_request(self, req: Any, conn: TConn) -> Any:
        conn.sock.begin_body(req.force_close)
        return super().handle_request(req, conn)

    def _keepalive_after(self, conn: TConn, keepalive: bool) -> bool:
        conn.sock.limit(0)  # the app has waited for the rest of a body, where it wanted to
        return bool(super()._keepalive_after(conn, keepalive))

    def finish_request(self, conn: TConn, fs: Future[Any]) -> None:
        if fs.cancelled() or fs.exception() or fs.result():
            super().finish_request(conn, fs)
            return
        # gunicorn would wait for the caller here, and nobody else would be served meanwhile.
        conn.timeout = time.monotonic() + LINGER
        conn.discarded = 0
        self.lingering.append(conn)
        try:
            conn.sock.shutdown(socket.SHUT_WR)
            conn.sock.setblocking(False)
            self.poller.register(conn.sock, selectors.EVENT_READ, partial(self._discard, conn))
        except (OSError, ValueError):  # it is closed already
            self._see_off(conn)

    def murder_pending(self) -> None:
        # Those who send drop by drop have come to stand behind later ones.
        self.pending_conns = deque(sorted(self.pending_conns, key=lambda conn: conn.timeout))
        super().murder_pending()
        while self.lingering and self.lingering[0].timeout <= time.monotonic():
            self._see_off(self.lingering[0])

    def _discard(self, conn: TConn, _: socket.socket) -> None:
        try:
            size = len(conn.sock.recv(64 * 1024))
        except OSError:
            size = 0
        conn.discarded += size
        if not size or conn.discarded > MOST_DISCARDED:
            self._see_off(conn)

    def _see_off(self, conn: TConn) -> None:
        self.lingering.remove(conn)
        with contextlib.suppress(OSError, KeyError, ValueError):  # it was never registered
            self.poller.unregister(conn.sock)
        self.nr_conns -= 1
        conn.close()
