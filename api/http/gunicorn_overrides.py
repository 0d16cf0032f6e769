"""Everything that overrides gunicorn's private methods: its threaded worker, its parser, its log, its error responses.

gunicorn's threads read from callers and write to them, and wait as long as a slow caller takes. Here the main loop
does everything that may have to wait for a caller, and a thread only runs the app. A connection goes through these
phases, one after the other, and then begins again:

1. head: the main loop collects the head of a request.
2. run: a thread of the pool reads the head and runs the app. The app checks from the head alone whether the caller may
   send a body. If the body is not here yet, the app stops with BodyAwaited.
3. body, only after BodyAwaited: the main loop sends `100 Continue` if the caller waits for it, and collects the body.
   Then step 2 runs again, from its start.
4. response: the main loop sends what the socket did not accept in step 2. The next request of the connection is looked
   at only after that.
5. linger, only before the connection is closed: the caller can read the response although it still sends.

The main loop itself does step 2 for the liveness probe, which is then answered even if every thread hangs.

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
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Any

from gunicorn import util  # type: ignore[import-untyped]
from gunicorn.glogging import Logger  # type: ignore[import-untyped]
from gunicorn.http.errors import LimitRequestHeaders  # type: ignore[import-untyped]
from gunicorn.http.parser import RequestParser  # type: ignore[import-untyped]
from gunicorn.workers.gthread import TConn, ThreadWorker  # type: ignore[import-untyped]

from api.http.connection import CallerSocket
from api.http.malformed import malformed_response
from api.http.request import BodyAwaited
from api.http.request_buffer import MAX_HEAD
from api.http.time_limits import Progress

CHECK_INTERVAL = 0.5
"""Seconds between two looks for connections whose time is over."""

MAX_UNSENT = 32 * 1024 * 1024
"""Bytes of responses that a process holds in memory for callers who have not read them. Beyond that it closes the
connection of the slowest reader."""

_BODY_AWAITED = object()


@dataclass(frozen=True)
class Phase:
    """What the main loop waits for on one connection."""

    events: int
    advance: Callable[[], bool]
    """Read or write what is possible now. Returns whether the phase is over; raises OSError when the caller is gone."""

    progress: Callable[[], Progress]
    then: Callable[[], None]
    expired: Callable[[], None]


class Parser(RequestParser):  # type: ignore[misc]
    """Reads requests from what has arrived, without waiting."""

    repeat = False
    """Return the request once more that was returned last."""

    def __next__(self) -> Any:
        if self.repeat:
            self.repeat = False
            return self.mesg
        try:
            return super().__next__()
        except TimeoutError:
            raise LimitRequestHeaders(f"the head of the request has more than {MAX_HEAD:,} bytes") from None


class Worker(ThreadWorker):  # type: ignore[misc]
    """gunicorn's threaded worker; slow callers hold none of its threads."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.phases: dict[TConn, Phase] = {}
        self.next_check = 0.0

    def enqueue_req(self, conn: TConn) -> None:
        """Collect the head of the connection's next request, then answer it."""
        if not isinstance(conn.sock, CallerSocket):
            conn.sock = CallerSocket(conn.sock, self.app.settings.spool_dir)
            conn.parser = Parser(self.cfg, conn.sock, conn.client)
            conn.initialized = conn.data_ready = True  # otherwise gunicorn would wait for data in the thread
        caller = conn.sock
        caller.request.begin_head()
        self._begin(
            conn,
            Phase(
                selectors.EVENT_READ,
                caller.request.receive_head,
                lambda: caller.request.progress,
                then=partial(self._run, conn),
                expired=partial(self._drop, conn),
            ),
        )

    def handle(self, conn: TConn) -> Any:
        try:
            return super().handle(conn)
        except BodyAwaited:
            conn.parser.repeat = True
            return _BODY_AWAITED

    def handle_request(self, req: Any, conn: TConn) -> Any:
        # What the parser has read beyond the head is the start of the body.
        conn.sock.request.put_back(conn.parser.unreader.take_buffered())
        conn.sock.close_after_response = req.force_close
        if req._expected_100_continue:  # gunicorn would send it before the app has checked anything
            req._expected_100_continue = False
            conn.sock.continue_expected = True
        return super().handle_request(req, conn)

    def finish_request(self, conn: TConn, fs: Future[Any]) -> None:
        result = None if fs.cancelled() or fs.exception() else fs.result()
        caller = conn.sock
        if result is _BODY_AWAITED:
            caller.begin_body()
            phase = Phase(
                selectors.EVENT_READ,
                caller.request.receive_body,
                lambda: caller.request.progress,
                then=partial(self._run, conn),
                expired=partial(self._run_without_rest, conn),
            )
        else:
            phase = Phase(
                selectors.EVENT_WRITE,
                caller.response.send,
                lambda: caller.response.progress,
                then=partial(self._next_request, conn, fs) if result else partial(self._linger, conn),
                expired=partial(self._drop, conn),
            )
        self._begin(conn, phase)
        if self.phases.get(conn) is phase and caller.response.memory:
            self._bound_memory()

    def murder_pending(self) -> None:
        now = time.monotonic()
        if now < self.next_check:
            return
        self.next_check = now + CHECK_INTERVAL
        for conn, phase in list(self.phases.items()):
            if phase.progress().expires <= now:
                self._end(conn)
                phase.expired()

    def _run(self, conn: TConn) -> None:
        if conn.sock.asks_for_liveness:
            done: Future[Any] = Future()
            done.set_result(self.handle(conn))
            self.finish_request(conn, done)
        else:
            super().enqueue_req(conn)

    def _run_without_rest(self, conn: TConn) -> None:
        """The caller was too slow. The app finds that out when it reads the body, and says so in its response."""
        conn.sock.request.end_body()
        self._run(conn)

    def _next_request(self, conn: TConn, fs: Future[Any]) -> None:
        conn.sock.request.begin_request(conn.parser.unreader.take_buffered())
        if conn.sock.request.begun:
            self.method_queue.defer(self.enqueue_req, conn)  # after the events of other connections
        else:
            super().finish_request(conn, fs)

    def _linger(self, conn: TConn) -> None:
        caller = conn.sock
        progress = Progress(caller.linger)

        def discard() -> bool:
            try:
                size = len(socket.socket.recv(caller, 64 * 1024))
            except BlockingIOError:
                return False
            progress.add(size)
            return not size or progress.moved > caller.max_linger

        drop = partial(self._drop, conn)
        try:
            caller.setblocking(False)
            caller.shutdown(socket.SHUT_WR)
        except OSError:  # the connection is closed already
            drop()
        else:
            self._begin(conn, Phase(selectors.EVENT_READ, discard, lambda: progress, then=drop, expired=drop))

    def _begin(self, conn: TConn, phase: Phase) -> None:
        try:
            if phase.advance():
                phase.then()
                return
            self.poller.register(conn.sock, phase.events, partial(self._advance, conn))
        except (OSError, ValueError, KeyError):  # the connection is closed already
            self._drop(conn)
        else:
            self.phases[conn] = phase

    def _advance(self, conn: TConn, _: Any) -> None:
        if not (phase := self.phases.get(conn)):
            return  # another event of the same turn has ended it
        try:
            over = phase.advance()
        except OSError:
            self._drop(conn)
            return
        if over:
            self._end(conn)
            phase.then()

    def _end(self, conn: TConn) -> None:
        if self.phases.pop(conn, None):
            with contextlib.suppress(OSError, KeyError, ValueError):  # it is closed already
                self.poller.unregister(conn.sock)

    def _drop(self, conn: TConn) -> None:
        self._end(conn)
        self.nr_conns -= 1
        conn.close()

    def _bound_memory(self) -> None:
        """Close the connections of the slowest readers while too much of responses waits in memory."""
        readers = [conn for conn in self.phases if conn.sock.response.memory]
        readers.sort(key=lambda conn: conn.sock.response.progress.speed)
        waiting = sum(conn.sock.response.memory for conn in readers)
        for conn in readers:
            if waiting <= MAX_UNSENT:
                break
            waiting -= conn.sock.response.memory
            self._drop(conn)


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
