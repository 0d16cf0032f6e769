"""Everything that overrides gunicorn's private methods: its threaded worker, its log, its error responses.

gunicorn has no time limits of its own for a caller who sends or reads a few bytes at a time. Without a proxy in front,
such callers would hold every thread. So:

- The main loop collects the head of a request; a thread starts when the head is complete.
- The thread reads and writes through `api.http.connection`, which has time limits.
- The main loop also closes connections, so that a caller who still sends can read the response first.

pyproject.toml bounds gunicorn to one major version, and tests/unit/api/test_gunicorn_overrides.py fails when gunicorn
changes a method that this file overrides or relies on.
"""

from __future__ import annotations

import contextlib
import logging
import selectors
import socket
import sys
import time
from collections import deque
from concurrent.futures import Future
from functools import partial
from typing import Any

from gunicorn import util  # type: ignore[import-untyped]
from gunicorn.glogging import Logger  # type: ignore[import-untyped]
from gunicorn.workers.gthread import TConn, ThreadWorker  # type: ignore[import-untyped]

from api.http.connection import HEAD_TIME, CallerSocket
from api.http.malformed import malformed_response

LINGER = 2.0
"""Seconds for which a caller who still sends can read the response: closing at once would destroy it (TCP reset)."""

MAX_DISCARDED = 1024 * 1024
"""Bytes that a caller may send during that time."""


class Worker(ThreadWorker):  # type: ignore[misc]
    """gunicorn's threaded worker; slow callers hold none of its threads."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.pending_conns: deque[TConn] = deque()
        self.lingering: deque[TConn] = deque()

    def enqueue_req(self, conn: TConn) -> None:
        """Let a thread answer the connection's next request as soon as the request's head is complete."""
        if not isinstance(conn.sock, CallerSocket):
            conn.sock = CallerSocket(conn.sock, self.app.settings.silence)
        read_ahead = conn.parser is not None and conn.parser.unreader.buf.getvalue()
        if read_ahead or conn.sock.has_head():
            conn.data_ready = True  # otherwise gunicorn would wait for data in the thread
            super().enqueue_req(conn)
        else:
            conn.timeout = conn.sock.head_deadline
            self.pending_conns.append(conn)
            self.poller.register(conn.sock, selectors.EVENT_READ, partial(self.on_pending_socket_readable, conn))

    def handle(self, conn: TConn) -> Any:
        conn.sock.limit(HEAD_TIME)  # for a head that arrived together with the request before it
        try:
            return super().handle(conn)
        finally:
            conn.sock.limit(0)

    def handle_request(self, req: Any, conn: TConn) -> Any:
        conn.sock.begin_body(req.force_close)
        return super().handle_request(req, conn)

    def _keepalive_after(self, conn: TConn, keepalive: bool) -> bool:
        conn.sock.limit(0)  # the app has already read the rest of the body, if it wanted to
        return bool(super()._keepalive_after(conn, keepalive))

    def finish_request(self, conn: TConn, fs: Future[Any]) -> None:
        if fs.cancelled() or fs.exception() or fs.result():
            super().finish_request(conn, fs)
            return
        # gunicorn would wait here for the caller, and serve no other connection meanwhile.
        conn.timeout = time.monotonic() + LINGER
        conn.discarded = 0
        self.lingering.append(conn)
        try:
            conn.sock.shutdown(socket.SHUT_WR)
            conn.sock.setblocking(False)
            self.poller.register(conn.sock, selectors.EVENT_READ, partial(self._discard, conn))
        except (OSError, ValueError):  # the connection is closed already
            self._close_lingering(conn)

    def murder_pending(self) -> None:
        # gunicorn expects the earliest deadline first; a connection whose head arrives in pieces was appended again.
        self.pending_conns = deque(sorted(self.pending_conns, key=lambda conn: conn.timeout))
        super().murder_pending()
        while self.lingering and self.lingering[0].timeout <= time.monotonic():
            self._close_lingering(self.lingering[0])

    def _discard(self, conn: TConn, _: socket.socket) -> None:
        try:
            size = len(conn.sock.recv(64 * 1024))
        except OSError:
            size = 0
        conn.discarded += size
        if not size or conn.discarded > MAX_DISCARDED:
            self._close_lingering(conn)

    def _close_lingering(self, conn: TConn) -> None:
        self.lingering.remove(conn)
        with contextlib.suppress(OSError, KeyError, ValueError):  # it was never registered
            self.poller.unregister(conn.sock)
        self.nr_conns -= 1
        conn.close()


class GunicornLog(Logger):  # type: ignore[misc]
    """gunicorn's log lines in our format. The app itself logs a line for each request."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        for logger in (self.error_log, self.access_log):
            logger.handlers.clear()
            logger.propagate = True
            logger.setLevel(logging.NOTSET)

    def exception(self, msg: str, *args: Any, **kwargs: Any) -> None:
        if isinstance(sys.exc_info()[1], TimeoutError):  # a time limit of api.http.connection
            self.debug("the caller is silent or too slow")
        else:
            super().exception(msg, *args, **kwargs)


def answer_malformed_requests_with_problems() -> None:
    """Replace gunicorn's HTML error pages. gunicorn has no setting for that."""
    util.write_error = _write_error


def _write_error(caller: socket.socket, status: int, _reason: str, detail: str) -> None:
    util.write_nonblock(caller, malformed_response(status, detail))
