"""A caller's connection: every read and write has a time limit, and data that has arrived is always returned."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from api.http import connection as connection_module
from api.http.connection import MAX_HEAD, CallerSocket

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
def pair() -> Iterator[tuple[CallerSocket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with CallerSocket(ours, silence=60) as connection, theirs:
        yield connection, theirs


def test_has_head_reads_the_head_and_nothing_beyond_it(pair: tuple[CallerSocket, socket.socket]) -> None:
    connection, theirs = pair
    for byte in GET[:-1]:
        theirs.sendall(bytes([byte]))
        assert not connection.has_head()

    theirs.sendall(GET[-1:] + b"body")

    assert connection.has_head()
    assert connection.recv(10_000) == GET
    assert connection.recv(10_000) == b"body"


@pytest.mark.parametrize("head", [b"GET / HTTP/1.1\n\n", b"GET / HTTP/1.1\nHost: x\n\r\n", b"x" * MAX_HEAD])
def test_a_head_that_the_parser_refuses_counts_as_complete(
    pair: tuple[CallerSocket, socket.socket], head: bytes
) -> None:
    connection, theirs = pair
    theirs.sendall(head)

    assert connection.has_head()


def test_a_closed_connection_counts_as_a_complete_head(pair: tuple[CallerSocket, socket.socket]) -> None:
    connection, theirs = pair
    theirs.sendall(GET[:5])
    assert not connection.has_head()
    theirs.close()

    assert connection.has_head()
    assert connection.recv(10_000) == GET[:5]
    assert connection.recv(10_000) == b""


def test_after_the_deadline_recv_returns_what_has_arrived_and_does_not_wait(
    pair: tuple[CallerSocket, socket.socket],
) -> None:
    connection, theirs = pair
    theirs.sendall(b"in time")
    connection.limit(0)

    assert connection.recv(10_000) == b"in time"
    with pytest.raises(TimeoutError):
        connection.recv(10_000)


def test_silence_ends_a_read_before_the_deadline() -> None:
    ours, theirs = socket.socketpair()
    with CallerSocket(ours, silence=0.1) as connection, theirs:
        connection.limit(3600)
        with pytest.raises(TimeoutError):
            connection.recv(10_000)


def test_with_a_rate_each_byte_moves_the_deadline_back(pair: tuple[CallerSocket, socket.socket]) -> None:
    connection, theirs = pair
    connection.limit(0, rate=1)
    theirs.sendall(bytes(3600))
    connection.recv(10_000)
    threading.Timer(0.2, theirs.sendall, [b"later"]).start()

    assert connection.recv(10_000) == b"later"


def test_sending_to_a_caller_who_reads_nothing_times_out(
    pair: tuple[CallerSocket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "READ_PAUSE", 0.1)
    connection, _ = pair

    with pytest.raises(TimeoutError):
        connection.sendall(bytes(100_000_000))


def test_sending_to_a_caller_who_reads_very_slowly_times_out(
    pair: tuple[CallerSocket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "RESPONSE_TIME", 0.5)
    connection, theirs = pair
    done = threading.Event()

    def read() -> None:
        while not done.wait(0.01):
            theirs.recv(10_000)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        with pytest.raises(TimeoutError):
            connection.sendall(bytes(100_000_000))
    finally:
        done.set()
        reader.join()


def test_a_long_response_arrives_complete(pair: tuple[CallerSocket, socket.socket]) -> None:
    connection, theirs = pair
    answer = bytes(range(256)) * 20_000
    got = bytearray()

    def read() -> None:
        while len(got) < len(answer):
            got.extend(theirs.recv(65536))

    reader = threading.Thread(target=read)
    reader.start()
    connection.sendall(answer)
    reader.join(60)

    assert got == answer
