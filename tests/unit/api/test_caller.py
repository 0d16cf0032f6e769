"""A caller's connection: nothing is waited for without end, and what is there already is taken."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from api.http import connection as caller
from api.http.connection import LONG_HEAD, Caller

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
def pair() -> Iterator[tuple[Caller, socket.socket]]:
    ours, theirs = socket.socketpair()
    with Caller(ours, silence=60) as connection, theirs:
        yield connection, theirs


def test_a_head_is_gathered_until_it_is_complete_and_nothing_beyond_it(pair: tuple[Caller, socket.socket]) -> None:
    connection, theirs = pair
    for byte in GET[:-1]:
        theirs.sendall(bytes([byte]))
        assert not connection.has_head()

    theirs.sendall(GET[-1:] + b"body")

    assert connection.has_head()
    assert connection.recv(10_000) == GET
    assert connection.recv(10_000) == b"body"


@pytest.mark.parametrize("head", [b"GET / HTTP/1.1\n\n", b"GET / HTTP/1.1\nHost: x\n\r\n", b"x" * LONG_HEAD])
def test_whatever_the_parser_would_refuse_is_given_to_it(pair: tuple[Caller, socket.socket], head: bytes) -> None:
    connection, theirs = pair
    theirs.sendall(head)

    assert connection.has_head()


def test_a_caller_who_has_gone_is_left_to_the_parser(pair: tuple[Caller, socket.socket]) -> None:
    connection, theirs = pair
    theirs.sendall(GET[:5])
    assert not connection.has_head()
    theirs.close()

    assert connection.has_head()
    assert connection.recv(10_000) == GET[:5]
    assert connection.recv(10_000) == b""


def test_after_its_time_what_has_come_is_taken_and_no_more_is_waited_for(pair: tuple[Caller, socket.socket]) -> None:
    connection, theirs = pair
    theirs.sendall(b"in time")
    connection.limit(0)

    assert connection.recv(10_000) == b"in time"
    with pytest.raises(TimeoutError):
        connection.recv(10_000)


def test_silence_ends_it_before_its_time() -> None:
    ours, theirs = socket.socketpair()
    with Caller(ours, silence=0.1) as connection, theirs:
        connection.limit(3600)
        with pytest.raises(TimeoutError):
            connection.recv(10_000)


def test_with_a_rate_there_is_more_time_as_more_comes(pair: tuple[Caller, socket.socket]) -> None:
    connection, theirs = pair
    connection.limit(0, rate=1)
    theirs.sendall(bytes(3600))
    connection.recv(10_000)
    threading.Timer(0.2, theirs.sendall, [b"later"]).start()

    assert connection.recv(10_000) == b"later"


def test_a_caller_who_reads_nothing_is_given_up(
    pair: tuple[Caller, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(caller, "NO_READING", 0.1)
    connection, _ = pair

    with pytest.raises(TimeoutError):
        connection.sendall(bytes(100_000_000))


def test_a_caller_who_reads_drop_by_drop_is_given_up(
    pair: tuple[Caller, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(caller, "ANSWER", 0.5)
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


def test_an_answer_arrives_whole(pair: tuple[Caller, socket.socket]) -> None:
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
