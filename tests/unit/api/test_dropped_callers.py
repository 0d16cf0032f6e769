"""The worker drops callers that are too slow, and logs in which phase."""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from gunicorn.config import Config  # type: ignore[import-untyped]
from gunicorn.workers.gthread import TConn  # type: ignore[import-untyped]
from structlog.testing import capture_logs

from api.http.caller_table import CallerTable
from api.http.connection import CallerSocket
from api.http.fair_queue import FairQueue
from api.http.gunicorn_overrides import Worker

LONG = bytes(3_000_000)

Pair = tuple[TConn, socket.socket]


@pytest.fixture
def worker() -> Worker:
    """A worker with one connection, without gunicorn's process around it."""
    worker = Worker.__new__(Worker)
    worker.phases, worker.waiting, worker.poller = {}, FairQueue(), selectors.DefaultSelector()
    worker.in_pool, worker.nr_conns, worker.next_check, worker.max_collected = 1, 1, 0, 0
    worker.callers, worker.alive = CallerTable(0), True
    return worker


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    """A connection, and its caller."""
    ours, theirs = socket.socketpair()
    caller = CallerSocket(ours, tmp_path)
    with theirs:
        theirs.settimeout(60)
        yield TConn(Config(), caller, ("127.0.0.1", 1), ("127.0.0.1", 2)), theirs
    caller.close()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The monotonic time, in its first item."""
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def send(worker: Worker, conn: TConn, response: bytes) -> None:
    """Begin a response, as a thread does. The connection is closed after it."""
    conn.sock.sendall(response)
    done: Future[Any] = Future()
    done.set_result(False)
    worker.finish_request(conn, done)


def dropped(worker: Worker) -> list[tuple[str, str]]:
    with capture_logs() as lines:
        worker.murder_pending()
    return [(line["log_level"], line["phase"]) for line in lines if line["event"] == "caller.dropped"]


def test_a_caller_that_does_not_read_is_dropped_and_logged(clock: list[float], worker: Worker, pair: Pair) -> None:
    conn, theirs = pair
    send(worker, conn, LONG)
    clock[0] += 59
    assert dropped(worker) == []

    clock[0] += 2
    assert dropped(worker) == [("info", "response")]
    assert (worker.nr_conns, worker.phases) == (0, {})
    assert theirs.recv(len(LONG)), "it can still read what was sent"


def test_a_caller_that_does_not_finish_a_head_is_dropped_and_logged(
    clock: list[float], worker: Worker, pair: Pair
) -> None:
    conn, theirs = pair
    theirs.sendall(b"GET /hea")
    worker.enqueue_req(conn)

    clock[0] += 11
    assert dropped(worker) == [("info", "head")]
    assert theirs.recv(1) == b""


def test_an_idle_connection_is_dropped_without_a_line(clock: list[float], worker: Worker, pair: Pair) -> None:
    conn, theirs = pair
    worker.enqueue_req(conn)

    clock[0] += 11
    assert dropped(worker) == []
    assert theirs.recv(1) == b""


def test_a_steady_reader_with_pauses_gets_the_whole_response(clock: list[float], worker: Worker, pair: Pair) -> None:
    """curl with --limit-rate 30k reads some hundred kilobytes at once, and then nothing for a while."""
    conn, theirs = pair
    send(worker, conn, LONG)
    got = 0
    while got < len(LONG):
        before = got
        while got < min(before + 440_000, len(LONG)):
            piece = theirs.recv(65_536)
            assert piece, f"the connection was closed after {got} bytes"
            got += len(piece)
            if conn in worker.phases:
                worker._advance(conn, None)
        clock[0] += (got - before) / 30_000
        assert dropped(worker) == []
