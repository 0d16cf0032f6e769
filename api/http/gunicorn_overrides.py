"""Everything that overrides gunicorn's private methods: its threaded worker, its parser, its log.

gunicorn's threads read from callers and write to them, and wait as long as a slow caller takes. Here the main loop
does everything that may have to wait for a caller, and a thread only runs the app. A connection goes through these
phases, one after the other, and then begins again:

1. head: the main loop collects the head of a request.
2. run: a thread of the pool reads the head and runs the app. The app checks from the head alone whether the caller may
   send a body. If the body is not here yet, the app stops with BodyAwaited.
3. body, only after BodyAwaited: the main loop sends `100 Continue` if the caller waits for it, and collects the body.
   For a photo that arrives in memory, the kernel wakes the main loop only when WAKE_AT bytes have arrived. Every
   CHECK_INTERVAL the main loop takes what has arrived, even if it is less. Then step 2 runs again, from its start.
4. response: the main loop sends what the socket did not accept in step 2. The next request of the connection is looked
   at only after that.
5. listen, only after a response that goes on (server-sent events): the main loop sends what the app has for the caller.
6. linger, only before the connection is closed: the caller can read the response although it still sends.

The main loop itself does step 2 for the liveness probe, which is then answered even if every thread hangs.

pyproject.toml bounds gunicorn to one major version, and tests/unit/api/test_gunicorn_overrides.py fails when gunicorn
changes a method that this file overrides or relies on.
"""

from __future__ import annotations

import contextlib
import logging
import math
import selectors
import socket
import sys
import time
from collections.abc import Iterable
from concurrent.futures import Future
from functools import partial
from http import HTTPStatus
from typing import Any

import structlog
from gunicorn.glogging import Logger  # type: ignore[import-untyped]
from gunicorn.http.errors import LimitRequestHeaders, NoMoreData  # type: ignore[import-untyped]
from gunicorn.http.parser import RequestParser  # type: ignore[import-untyped]
from gunicorn.workers.gthread import TConn, ThreadWorker  # type: ignore[import-untyped]

from api.http.caller_table import CallerTable, network_of
from api.http.connection import MAX_LINGER, CallerSocket
from api.http.cors import Cors
from api.http.event_stream import StreamBegun
from api.http.fair_queue import FairQueue
from api.http.head_rules import check_head
from api.http.parse_faults import parse_fault
from api.http.phase import Phase
from api.http.refusals import error_response, malformed_response, refusal
from api.http.request import BodyAwaited
from api.http.streams import LISTEN, Streams
from api.http.time_limits import Progress
from darkroom.settings import Settings

log = structlog.get_logger()

CHECK_INTERVAL = 0.5
"""Seconds between two looks for connections whose time is over."""

RETRY_AFTER = 2
"""Seconds after which a refused caller may try again. An estimate: the time when others are answered is unknown."""

WAITING_PER_THREAD = 32
"""Requests that may wait for a thread, for each thread. Further ones are refused."""

MAX_UNSENT = 32 * 1024 * 1024
"""Bytes of responses that a process holds in memory for callers who have not read them. Beyond that it closes the
connection of the slowest reader."""

DISK_SHARE = 7 / 8
"""Share of (threads x largest request) that bodies of a process may have on disk. The rest is for what arrives between
two looks."""

_BODY_AWAITED = object()


class Parser(RequestParser):  # type: ignore[misc]
    """Reads requests from what has arrived, without waiting."""

    repeat = False
    """Return the request once more that was returned last."""

    def __next__(self) -> Any:
        if self.repeat:
            self.repeat = False
            return self.mesg
        try:
            request = super().__next__()
        except TimeoutError:
            raise LimitRequestHeaders("the head is too long") from None
        except NoMoreData:  # gunicorn would log what has arrived, which may hold an API key
            raise StopIteration from None
        check_head(request.version, request.headers)
        return request


class Worker(ThreadWorker):  # type: ignore[misc]
    """gunicorn's threaded worker; slow callers hold none of its threads."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        settings: Settings = self.app.settings
        self.spool_dir = settings.spool_dir
        self.cors = Cors(settings.cors_origins)
        self.callers = CallerTable(math.ceil(settings.connections_per_address / settings.api_processes))
        self.max_collected = int(settings.api_threads * settings.max_request_bytes * DISK_SHARE)
        self.phases: dict[TConn, Phase] = {}
        self.waiting: FairQueue[TConn] = FairQueue()
        self.in_pool = 0
        """Requests that the pool has: those that a thread runs, and some that the next free threads take."""
        self.next_check = 0.0
        self.streams = Streams(self)

    def enqueue_req(self, conn: TConn) -> None:
        """Collect the head of the connection's next request, then answer it."""
        if not isinstance(conn.sock, CallerSocket) and not self._take_over(conn):
            return
        caller = conn.sock
        caller.request.begin_head()
        self.begin_phase(
            conn,
            Phase(
                "head",
                selectors.EVENT_READ,
                caller.request.receive_head,
                lambda: caller.request.progress,
                then=partial(self._run, conn),
                expired=partial(self._drop_slow, conn),
            ),
        )

    def handle_error(self, req: Any, client: Any, addr: Any, exc: Exception) -> None:  # noqa: ARG002 - gunicorn's
        fault = parse_fault(exc)
        headers = self.cors.refusal_headers(client.request.origin)
        response = malformed_response(fault.status, fault.detail, headers) if fault else error_response(exc, headers)
        with contextlib.suppress(OSError):  # the caller is gone
            client.sendall(response)

    def handle(self, conn: TConn) -> Any:
        structlog.contextvars.clear_contextvars()  # of the request that this thread had before
        try:
            return super().handle(conn)
        except BodyAwaited:
            conn.parser.repeat = True
            return _BODY_AWAITED
        except StreamBegun as begun:
            return begun

    def handle_request(self, req: Any, conn: TConn) -> Any:
        # What the parser has read beyond the head is the start of the body.
        conn.sock.request.put_back(conn.parser.unreader.take_buffered())
        conn.sock.close_after_response = req.force_close
        conn.sock.skip_body = partial(_skip_body, req)
        if req._expected_100_continue:  # gunicorn would send it before the app has checked anything
            req._expected_100_continue = False
            conn.sock.continue_expected = True
        return super().handle_request(req, conn)

    def finish_request(self, conn: TConn, fs: Future[Any]) -> None:
        self.in_pool -= 1
        self._fill_pool()
        result = None if fs.cancelled() or fs.exception() else fs.result()
        caller = conn.sock
        if isinstance(result, StreamBegun):
            self.streams.begin(conn, result)
            return
        if result is _BODY_AWAITED:
            caller.begin_body()
            phase = Phase(
                "body",
                selectors.EVENT_READ,
                caller.receive_body,
                lambda: caller.request.progress,
                then=partial(self._run, conn),
                expired=partial(self._run_without_rest, conn),
            )
        else:
            phase = Phase(
                "response",
                selectors.EVENT_WRITE,
                caller.response.send,
                lambda: caller.response.progress,
                then=partial(self._next_request, conn, fs) if result else partial(self.linger, conn),
                expired=partial(self._drop_slow, conn),
            )
        self.begin_phase(conn, phase)
        if self.phases.get(conn) is phase and caller.response.memory:
            self.bound_memory()

    def on_client_socket_readable(self, conn: TConn, client: Any) -> None:
        if conn in self.keepalived_conns:  # another event of the same turn may have closed it
            super().on_client_socket_readable(conn, client)

    def murder_pending(self) -> None:
        now = time.monotonic()
        if now < self.next_check:
            return
        self.next_check = now + CHECK_INTERVAL
        self._bound_disk()
        if not self.alive:
            self.streams.end_all()
        for conn, phase in list(self.phases.items()):
            if phase.name == "body" and conn.sock.request.wakes_late:
                self._advance(conn)
            if self.phases.get(conn) is phase and phase.progress().expires <= now:
                phase.expired()

    def _take_over(self, conn: TConn) -> bool:
        """Returns False when the connection is refused."""
        caller = conn.sock = CallerSocket(conn.sock, self.spool_dir)
        conn.parser = Parser(self.cfg, caller, conn.client)
        conn.initialized = conn.data_ready = True  # otherwise gunicorn would wait for data in the thread
        caller.on_close = partial(self.callers.remove, caller)
        if not self.callers.add(caller, conn.client[0]):
            self._refuse(conn, HTTPStatus.TOO_MANY_REQUESTS, "your address has too many connections to this server")
            return False
        caller.max_linger = MAX_LINGER
        if self.nr_conns >= self.worker_connections:
            self._make_room()
        return True

    def _run(self, conn: TConn) -> None:
        if conn.sock.asks_for_liveness:
            done: Future[Any] = Future()
            self.in_pool += 1
            done.set_result(self.handle(conn))
            self.finish_request(conn, done)
        elif conn.sock.body_collected:  # it has had its turn, and an upload needs no second one
            self.waiting.resume(conn)
            self._fill_pool()
        elif self.in_pool + len(self.waiting) >= self.cfg.threads * (1 + WAITING_PER_THREAD):
            self._refuse(conn, HTTPStatus.SERVICE_UNAVAILABLE, "too many requests are waiting for this server")
        else:
            self.waiting.push(network_of(conn.client[0]), conn.sock.request.api_key, conn)
            self._fill_pool()

    def _fill_pool(self) -> None:
        # Twice as many as threads, so that a free thread need not wait for the main loop.
        while self.waiting and self.in_pool < 2 * self.cfg.threads:
            self.in_pool += 1
            super().enqueue_req(self.waiting.pop())

    def _refuse(self, conn: TConn, status: HTTPStatus, detail: str) -> None:
        """Answer without a thread, and close the connection."""
        try:
            conn.sock.sendall(refusal(status, detail, RETRY_AFTER, self.cors.refusal_headers(conn.sock.request.origin)))
        except OSError:
            self.drop(conn)
        else:
            self.linger(conn)

    def _run_without_rest(self, conn: TConn) -> None:
        """The caller was too slow. The app says so in its response."""
        self.end_phase(conn)
        conn.sock.request.end_late_body()
        self._run(conn)

    def _next_request(self, conn: TConn, fs: Future[Any]) -> None:
        conn.sock.request.begin_request(conn.parser.unreader.take_buffered())
        if conn.sock.request.begun:
            self.method_queue.defer(self.enqueue_req, conn)  # after the events of other connections
        else:
            super().finish_request(conn, fs)

    def linger(self, conn: TConn) -> None:
        caller = conn.sock
        progress = Progress(caller.linger)

        def discard() -> bool:
            try:
                size = len(socket.socket.recv(caller, 64 * 1024))
            except BlockingIOError:
                return False
            progress.add(size)
            return not size or progress.moved > caller.max_linger

        drop = partial(self.drop, conn)
        try:
            caller.setblocking(False)
            caller.shutdown(socket.SHUT_WR)
        except OSError:  # the connection is closed already
            drop()
        else:
            self.begin_phase(
                conn, Phase("linger", selectors.EVENT_READ, discard, lambda: progress, then=drop, expired=drop)
            )

    def begin_phase(self, conn: TConn, phase: Phase) -> None:
        try:
            if not (over := phase.advance()):
                self.poller.register(conn.sock, phase.events, partial(self._advance, conn))
        except (OSError, ValueError, KeyError):  # the connection is closed already
            self.drop(conn)
            return
        if over:
            phase.then()
        else:
            self.phases[conn] = phase

    def _advance(self, conn: TConn, _: Any = None) -> None:
        if not (phase := self.phases.get(conn)):
            return  # another event of the same turn has ended it
        try:
            over = phase.advance()
        except OSError:
            self.drop(conn)
            return
        if over:
            self.end_phase(conn)
            phase.then()

    def in_phase(self, conn: TConn, name: str) -> bool:
        return conn in self.phases and self.phases[conn].name == name

    def end_phase(self, conn: TConn) -> None:
        if self.phases.pop(conn, None):
            with contextlib.suppress(OSError, KeyError, ValueError):  # it is closed already
                self.poller.unregister(conn.sock)

    def drop(self, conn: TConn) -> None:
        self.end_phase(conn)
        self.nr_conns -= 1
        conn.close()

    def _drop_slow(self, conn: TConn) -> None:
        if conn.sock.request.begun or conn.sock.response.left:
            self.drop_because("the caller is too slow", conn)
        else:  # it has sent nothing
            self.drop(conn)

    def drop_because(self, reason: str, conn: TConn) -> None:
        """Drop a caller that is in a phase, and log it."""
        phase = self.phases[conn]
        log.info("caller.dropped", phase=phase.name, reason=reason, bytes_moved=phase.progress().moved)
        self.drop(conn)

    def _make_room(self) -> None:
        """All connections are in use: close the one that has been idle for the longest time, or else the slowest one,
        or else that of a listener.

        Otherwise callers who only hold connections would keep others from connecting. Listeners need not send anything,
        so their speed says nothing.
        """
        if self.keepalived_conns:
            self.keepalived_conns[0].timeout = 0
            self.murder_keepalived()
            return
        others = [conn for conn, phase in self.phases.items() if phase.name != LISTEN]
        if slowest := self._slowest(others or self.phases):
            self.drop_because("all connections are in use, and this one is the slowest", slowest)

    def bound_memory(self) -> None:
        """Close the connections of the slowest readers while too much of responses waits in memory."""
        while self.callers.unsent > MAX_UNSENT:
            if not (slowest := self._slowest(conn for conn in self.phases if conn.sock.response.memory)):
                break
            self.drop_because("too much of responses waits in memory, and this caller reads slowest", slowest)

    def _bound_disk(self) -> None:
        """Close the connections of the largest uploads that still arrive, while all uploads have too much on disk."""
        while self.callers.collected > self.max_collected:
            arriving = [conn for conn in self.phases if conn.sock.request.on_disk]
            if not arriving:
                break
            largest = max(arriving, key=lambda conn: int(conn.sock.request.on_disk))
            self.drop_because("the bodies on disk are too large together, and this one is the largest", largest)

    def _slowest(self, conns: Iterable[TConn]) -> TConn | None:
        def speed(conn: TConn) -> tuple[float, float]:
            progress = self.phases[conn].progress()
            return progress.speed, progress.begun

        return min(conns, key=speed, default=None)


def _skip_body(request: Any) -> None:
    """For a body with a Content-Length, of which gunicorn has read nothing."""
    request.body.reader.length = 0


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
