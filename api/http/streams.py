"""The connections of a process that get events. Everything here runs in the main loop; it holds no thread.

Such a connection alternates between two phases: `listen`, while there is nothing to send, and `response`.
"""

from __future__ import annotations

import math
import selectors
import socket
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import structlog

from api.http.event_stream import ConnectedListener, StreamBegun
from api.http.phase import Phase
from api.http.time_limits import Progress, TimeLimit

if TYPE_CHECKING:
    from gunicorn.workers.gthread import TConn  # type: ignore[import-untyped]


log = structlog.get_logger()


class MainLoop(Protocol):
    """What a process's main loop does with connections (api/http/gunicorn_overrides.py)."""

    method_queue: Any
    """gunicorn's: calls functions in the main loop for other threads."""

    def begin_phase(self, conn: TConn, phase: Phase) -> None: ...

    def end_phase(self, conn: TConn) -> None: ...

    def in_phase(self, conn: TConn, name: str) -> bool: ...

    def linger(self, conn: TConn) -> None: ...

    def drop(self, conn: TConn) -> None: ...

    def drop_because(self, reason: str, conn: TConn) -> None: ...

    def bound_memory(self) -> None: ...


LISTEN = "listen"
"""The phase of a listener for whom nothing waits."""

LISTEN_LIMIT = TimeLimit(math.inf, math.inf)
"""Who listens need not send anything."""

MAX_BEHIND = 256 * 1024
"""Bytes of events that wait for a listener in memory when it gets the next ones. One who is further behind is dropped:
with its Last-Event-ID it can begin again. What it gets at the beginning does not count, and one event may be longer."""


class Streams:
    def __init__(self, loop: MainLoop) -> None:
        self._loop = loop
        self._listeners: dict[TConn, ConnectedListener] = {}
        self._max_waiting: dict[TConn, int] = {}
        """Bytes that may wait for each listener when it gets the next events."""
        self._ending: set[TConn] = set()

    def begin(self, conn: TConn, begun: StreamBegun) -> None:
        """Send the beginning of the response, and from now on what the listener is sent."""
        caller = conn.sock
        listener = ConnectedListener(partial(self._loop.method_queue.defer, self._push, conn))
        self._listeners[conn] = listener
        self._max_waiting[conn] = MAX_BEHIND + len(begun.begin)
        before = caller.on_close

        def close() -> None:
            listener.gone = True
            self._listeners.pop(conn, None)
            self._max_waiting.pop(conn, None)
            self._ending.discard(conn)
            before()

        caller.on_close = close
        caller.response.add(begun.begin)
        self._respond(conn)
        self._bound_memory(conn)
        try:
            begun.attach(listener)
        except Exception:  # it would end the main loop, and with it the process and all its connections
            log.exception("listener.not_attached")
            if conn in self._listeners:
                self._loop.drop(conn)

    def end_all(self) -> None:
        """The process is shutting down: listeners connect again, to another one."""
        for conn in list(self._listeners):
            self._loop.drop(conn)

    def _push(self, conn: TConn, events: bytes, last: bool) -> None:
        if conn not in self._listeners:
            return
        if last:
            self._ending.add(conn)
        response = conn.sock.response
        if events and response.memory > self._max_waiting[conn]:
            self._loop.drop_because("the listener reads too slowly", conn)
            return
        if events:
            response.add(events)
        if self._loop.in_phase(conn, LISTEN):
            self._loop.end_phase(conn)
            self._respond(conn)
        self._bound_memory(conn)

    def _bound_memory(self, conn: TConn) -> None:
        """Adding up what all connections hold takes time, so not for a listener who has read everything."""
        if conn in self._listeners and conn.sock.response.memory:
            self._loop.bound_memory()

    def _respond(self, conn: TConn) -> None:
        response = conn.sock.response
        self._loop.begin_phase(
            conn,
            Phase(
                "response",
                selectors.EVENT_WRITE,
                response.send,
                lambda: response.progress,
                then=partial(self._listen, conn),
                expired=partial(self._loop.drop_because, "the listener reads too slowly", conn),
            ),
        )

    def _listen(self, conn: TConn) -> None:
        if conn in self._ending:
            self._loop.linger(conn)
            return
        progress = Progress(LISTEN_LIMIT)

        def closed() -> bool:
            """Throw away what the listener sends. Returns whether it has closed the connection."""
            try:
                return not socket.socket.recv(conn.sock, 64 * 1024)
            except BlockingIOError:
                return False

        drop = partial(self._loop.drop, conn)
        self._loop.begin_phase(
            conn, Phase(LISTEN, selectors.EVENT_READ, closed, lambda: progress, then=drop, expired=drop)
        )
