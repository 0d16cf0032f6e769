"""Connections that get events: who is dropped, and who is not."""

from __future__ import annotations

import selectors
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gunicorn.config import Config  # type: ignore[import-untyped]
from gunicorn.workers.gthread import TConn  # type: ignore[import-untyped]
from structlog.testing import capture_logs

from api.http.caller_table import CallerTable
from api.http.connection import CallerSocket
from api.http.event_stream import ConnectedListener, StreamBegun
from api.http.gunicorn_overrides import MAX_UNSENT, Worker
from api.http.streams import MAX_BEHIND, Streams


class AtOnce:
    """gunicorn's queue of calls for the main loop; here the test is the main loop."""

    @staticmethod
    def defer(function: Any, *arguments: Any) -> None:
        function(*arguments)


class Loop:
    """The main loop of a worker, without gunicorn's process around it."""

    def __init__(self, folder: Path) -> None:
        worker = self.worker = Worker.__new__(Worker)
        worker.phases, worker.poller = {}, selectors.DefaultSelector()
        worker.nr_conns, worker.callers = 0, CallerTable(0)
        worker.method_queue, worker.keepalived_conns = AtOnce(), []
        worker.streams = Streams(worker)
        self._folder = folder
        self.callers: list[socket.socket] = []

    def connect(self) -> TConn:
        ours, theirs = socket.socketpair()
        theirs.settimeout(10)
        self.callers.append(theirs)
        caller = CallerSocket(ours, self._folder)
        caller.on_close = lambda: self.worker.callers.remove(caller)
        self.worker.callers.add(caller, "127.0.0.1")
        self.worker.nr_conns += 1
        return TConn(Config(), caller, ("127.0.0.1", 1), ("127.0.0.1", 2))

    def listener(self, begin: bytes = b"head") -> tuple[TConn, ConnectedListener]:
        conn, attached = self.connect(), []
        self.worker.streams.begin(conn, StreamBegun(begin, attached.append))
        return conn, attached[0]

    def read(self, conn: TConn, size: int) -> int:
        """The caller of the last connection reads so many bytes. Returns how many came."""
        got = 0
        while got < size and (piece := self.callers[-1].recv(65_536)):
            got += len(piece)
            self.worker._advance(conn)
        return got


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[Loop]:
    loop = Loop(tmp_path)
    yield loop
    for conn in list(loop.worker.phases):
        loop.worker.drop(conn)
    for caller in loop.callers:
        caller.close()


def test_an_event_longer_than_what_may_wait_is_sent(loop: Loop) -> None:
    conn, listener = loop.listener()
    event = b"x" * (3 * MAX_BEHIND)
    listener.send(event)
    assert loop.read(conn, 4 + len(event)) == 4 + len(event)
    assert not listener.gone


def test_what_a_listener_gets_at_the_beginning_does_not_count(loop: Loop) -> None:
    begin = b"x" * (3 * MAX_BEHIND)
    conn, listener = loop.listener(begin)
    listener.send(b"y" * 1000)
    assert loop.read(conn, len(begin) + 1000) == len(begin) + 1000
    assert not listener.gone


def test_a_listener_that_is_too_far_behind_is_dropped(loop: Loop) -> None:
    _, listener = loop.listener()
    with capture_logs() as lines:
        for _ in range(20):
            listener.send(b"x" * (MAX_BEHIND // 2))
    assert listener.gone
    assert [line["reason"] for line in lines] == ["the listener reads too slowly"]


def test_events_count_as_responses_in_memory(loop: Loop) -> None:
    """One by one they may wait; together they would take too much memory."""
    listeners = [loop.listener()[1] for _ in range(4)]
    with capture_logs() as lines:
        for listener in listeners:
            listener.send(b"x" * (MAX_UNSENT // 2))
    assert [line["reason"] for line in lines] == [
        "too much of responses waits in memory, and this caller reads slowest"
    ] * len([listener for listener in listeners if listener.gone])
    assert loop.worker.callers.unsent <= MAX_UNSENT
    assert any(not listener.gone for listener in listeners)


def test_a_listener_is_not_closed_for_a_new_connection_while_another_caller_can_be(loop: Loop) -> None:
    _, listener = loop.listener()
    other = loop.connect()
    loop.worker.enqueue_req(other)  # it has sent nothing yet
    loop.worker._make_room()
    assert (listener.gone, other in loop.worker.phases) == (False, False)

    loop.worker._make_room()
    assert listener.gone
