"""Responses are sent as the caller reads them; nothing waits, and files are not read into memory."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.http import connection as connection_module
from api.http import response_queue as queue_module
from api.http.connection import CallerSocket
from api.http.response_queue import ResponseQueue
from api.http.time_limits import TimeLimit

LONG = bytes(range(256)) * 20_000

Pair = tuple[ResponseQueue, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        queue = ResponseQueue(ours)
        yield queue, theirs
        queue.close()


def read_all(queue: ResponseQueue, theirs: socket.socket) -> bytes:
    got = bytearray()
    sent = False
    theirs.setblocking(False)
    while not sent:
        sent = queue.send()
        with contextlib.suppress(BlockingIOError):
            while more := theirs.recv(65_536):
                got += more
    return bytes(got)


def test_a_short_response_is_sent_at_once(pair: Pair) -> None:
    queue, theirs = pair
    queue.add(b"hello")

    assert queue.send()
    assert theirs.recv(100) == b"hello"
    assert queue.memory == 0


def test_what_the_caller_does_not_read_stays_in_the_queue(pair: Pair) -> None:
    queue, theirs = pair
    queue.add(LONG)

    assert not queue.send()
    assert queue.progress.moved == len(LONG) - queue.memory
    assert 0 < queue.memory < len(LONG)
    assert read_all(queue, theirs) == LONG
    assert queue.memory == 0


def test_bytes_and_parts_of_files_arrive_in_order(pair: Pair, tmp_path: Path) -> None:
    queue, theirs = pair
    path = tmp_path / "file"
    path.write_bytes(LONG)
    queue.add(b"head")
    with path.open("rb") as file:
        queue.add_file(file, 1, 3_000_000)
        queue.add_file(file, 0, 0)
    queue.add(b"tail")

    assert queue.memory == len(b"headtail"), "files need no memory"
    assert read_all(queue, theirs) == b"head" + LONG[1:3_000_001] + b"tail"


def test_a_file_that_became_shorter_ends_the_connection(pair: Pair, tmp_path: Path) -> None:
    queue, _ = pair
    path = tmp_path / "file"
    path.write_bytes(b"short")
    with path.open("rb") as file:
        queue.add_file(file, 0, 6)

    with pytest.raises(OSError, match="shorter"):
        queue.send()


def test_closing_closes_the_files_that_were_not_sent(pair: Pair, tmp_path: Path) -> None:
    queue, _ = pair
    path = tmp_path / "file"
    path.write_bytes(LONG)
    with path.open("rb") as file:
        queue.add_file(file, 0, len(LONG))
    copy = next(int(link.name) for link in Path("/proc/self/fd").iterdir() if link.resolve() == path)

    queue.close()

    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(copy)


def test_the_time_of_a_response_begins_when_the_one_before_is_sent(pair: Pair) -> None:
    queue, _ = pair
    queue.add(b"one")
    queue.send()
    first = queue.progress
    queue.add(b"two")

    assert queue.progress is not first
    assert queue.progress.moved == 0


def test_a_thread_waits_only_for_readers_of_endless_responses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_module, "RESPONSE_LIMIT", TimeLimit(seconds=60, pause=0.1))
    monkeypatch.setattr(connection_module, "MAX_QUEUED", len(LONG))
    ours, theirs = socket.socketpair()
    with CallerSocket(ours, tmp_path) as caller, theirs:
        caller.sendall(LONG)
        assert caller.response.memory

        with pytest.raises(TimeoutError):
            caller.sendall(LONG)
