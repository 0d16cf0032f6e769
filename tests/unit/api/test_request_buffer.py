"""Heads and bodies are collected without waiting, and data that has arrived is always returned."""

from __future__ import annotations

import errno
import hashlib
import re
import select
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from api.http import body_file
from api.http.body_end import BodyEnd, ChunkedEnd, LengthEnd
from api.http.body_file import BodyFile
from api.http.request_buffer import MAX_HEAD, WAKE_AT, RequestBuffer
from api.http.time_limits import TimeLimit

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
LIMIT = TimeLimit(seconds=60, pause=10)

Pair = tuple[RequestBuffer, socket.socket]


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        buffer = RequestBuffer(ours, tmp_path, LIMIT)
        yield buffer, theirs
        buffer.close()


def test_a_head_is_complete_with_its_last_byte(pair: Pair) -> None:
    buffer, theirs = pair
    for byte in GET[:-1]:
        theirs.sendall(bytes([byte]))
        assert not buffer.receive_head()

    theirs.sendall(GET[-1:] + b"body")

    assert buffer.receive_head()
    assert buffer.starts_with(re.compile(b"GET /"))
    assert buffer.read(10_000) == GET + b"body"


def test_the_origin_of_a_head_that_is_too_long_is_found(pair: Pair) -> None:
    buffer, theirs = pair
    head = b"GET / HTTP/1.1\r\nOrigin: https://a.example\r\nX-Long: "
    theirs.sendall(head + b"x" * (MAX_HEAD - len(head)))
    assert buffer.receive_head()
    assert buffer.origin == "https://a.example"


def test_an_origin_that_is_cut_off_is_none(pair: Pair) -> None:
    buffer, theirs = pair
    start = b"GET / HTTP/1.1\r\nX-Long: "
    end = b"\r\nOrigin: https://a.example"
    theirs.sendall(start + b"x" * (MAX_HEAD - len(start) - len(end)) + end + b".evil.example\r\n\r\n")
    assert buffer.receive_head()
    assert buffer.origin == ""


@pytest.mark.parametrize(
    ("field", "key"),
    [(b"Authorization: Bearer dk_1", b"Bearer dk_1"), (b"AUTHORIZATION:x", b"x"), (b"X-Authorization: x", b"")],
)
def test_the_key_of_the_head_is_found(pair: Pair, field: bytes, key: bytes) -> None:
    buffer, theirs = pair
    theirs.sendall(b"GET / HTTP/1.1\r\n" + field + b"\r\n\r\nAuthorization: of the body\r\n")

    assert buffer.receive_head()
    assert buffer.api_key == key


@pytest.mark.parametrize("head", [b"GET / HTTP/1.1\n\n", b"GET / HTTP/1.1\nHost: x\n\r\n", b"x" * MAX_HEAD])
def test_a_head_that_the_parser_refuses_counts_as_complete(pair: Pair, head: bytes) -> None:
    buffer, theirs = pair
    theirs.sendall(head)

    assert buffer.receive_head()


def test_the_parser_gets_no_more_than_the_limit_of_a_head(pair: Pair) -> None:
    buffer, theirs = pair
    theirs.sendall(b"x" * (MAX_HEAD + 100) + b"\r\n\r\n")

    assert buffer.receive_head()
    assert buffer.read(2 * MAX_HEAD) == b"x" * MAX_HEAD
    with pytest.raises(TimeoutError):
        buffer.read(1)


def test_a_closed_connection_counts_as_a_complete_head(pair: Pair) -> None:
    buffer, theirs = pair
    theirs.sendall(GET[:5])
    assert not buffer.receive_head()
    theirs.close()

    assert buffer.receive_head()
    assert buffer.read(10_000) == GET[:5]
    assert buffer.read(10_000) == b""


def test_reading_returns_what_has_arrived_and_does_not_wait(pair: Pair) -> None:
    buffer, theirs = pair
    theirs.sendall(b"in time")

    assert buffer.read(3) == b"in "
    assert buffer.read(10_000) == b"time"
    with pytest.raises(TimeoutError):
        buffer.read(10_000)


def test_a_body_is_collected_up_to_its_end(pair: Pair, tmp_path: Path) -> None:
    buffer, theirs = pair
    theirs.sendall(GET + b"he")
    assert buffer.receive_head()
    assert buffer.read(len(GET)) == GET
    assert not buffer.expect_body(LengthEnd(5))
    buffer.begin_body(LIMIT, most=100)
    assert not buffer.receive_body()

    theirs.sendall(b"lloGET /next")

    assert buffer.receive_body()
    assert buffer.read(5) == b"hello"
    buffer.drop_body()
    buffer.begin_request(b"")
    assert not buffer.receive_head()
    assert buffer.starts_with(re.compile(b"GET /next"))
    assert not list(tmp_path.iterdir()), "the file of the body has no name"


def test_what_the_app_has_not_read_of_a_whole_body_is_not_the_next_request(pair: Pair) -> None:
    buffer, theirs = pair
    body = b"GET /smuggled HTTP/1.1"
    buffer.expect_body(LengthEnd(len(body)))
    buffer.begin_body(LIMIT, most=100)
    theirs.sendall(body + b"GET /next")
    assert buffer.receive_body()
    assert buffer.whole_body
    assert buffer.whole_body.read(4) == body[:4]

    buffer.drop_body()
    buffer.begin_request(b"")

    assert not buffer.receive_head()
    assert buffer.starts_with(re.compile(b"GET /next"))


@pytest.mark.parametrize("end", [LengthEnd(6), ChunkedEnd()])
def test_a_body_that_is_not_complete_or_has_chunks_is_read_through_gunicorn(pair: Pair, end: BodyEnd) -> None:
    buffer, theirs = pair
    buffer.expect_body(end)
    buffer.begin_body(LIMIT, most=100)
    theirs.sendall(b"5\r\nab")
    buffer.receive_body()

    assert buffer.whole_body is None


def test_what_follows_a_chunked_body_is_the_next_request(pair: Pair) -> None:
    buffer, theirs = pair
    body = b"5\r\nhello\r\n0\r\n\r\n"
    theirs.sendall(body[:3])
    assert not buffer.receive_head()
    assert not buffer.expect_body(ChunkedEnd())
    buffer.begin_body(LIMIT, most=100)

    theirs.sendall(body[3:] + b"GET /next")

    assert buffer.receive_body()
    assert buffer.read(len(body)) == body
    buffer.drop_body()
    buffer.begin_request(b"")
    assert buffer.begun
    assert buffer.read(100) == b"GET /next"


def test_a_body_that_is_here_already_needs_no_file(pair: Pair) -> None:
    buffer, theirs = pair
    theirs.sendall(GET + b"hello")
    buffer.receive_head()
    buffer.read(len(GET))

    assert buffer.expect_body(LengthEnd(5))
    assert not buffer.collected


def test_a_body_that_ends_early_can_be_read_as_far_as_it_came(pair: Pair) -> None:
    buffer, theirs = pair
    buffer.expect_body(LengthEnd(5))
    buffer.begin_body(LIMIT, most=100)
    theirs.sendall(b"hel")
    assert not buffer.receive_body()
    theirs.close()

    assert buffer.receive_body()
    assert buffer.read(100) == b"hel"
    assert buffer.read(100) == b""


def test_a_body_that_is_one_photo_is_taken_as_a_file_with_its_hash(pair: Pair) -> None:
    buffer, theirs = pair
    theirs.sendall(GET + b"ph")
    assert buffer.receive_head()
    assert buffer.read(len(GET)) == GET
    buffer.expect_body(LengthEnd(5))
    buffer.begin_body(LIMIT, most=100, is_photo=True)
    assert buffer.take_photo() is None, "not complete"
    theirs.sendall(b"otoGET /next")
    assert buffer.receive_body()

    taken = buffer.take_photo()

    assert taken
    with taken.file as file:
        assert file.read() == b"photo"
    assert (taken.size, taken.sha256) == (5, hashlib.sha256(b"photo").hexdigest())
    assert buffer.take_photo() is None, "taken already"
    assert buffer.on_disk == 0
    buffer.begin_request(b"")
    assert not buffer.receive_head()
    assert buffer.starts_with(re.compile(b"GET /next"))


def test_a_photo_of_several_pieces_size_is_one_file(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BodyFile, "piece", 2)
    monkeypatch.setattr(body_file, "LARGEST_IN_MEMORY", 0)
    buffer, theirs = pair
    buffer.expect_body(LengthEnd(5))
    buffer.begin_body(LIMIT, most=100, is_photo=True)
    theirs.sendall(b"photo")
    assert buffer.receive_body()

    taken = buffer.take_photo()

    assert taken
    with taken.file as file:
        assert file.read() == b"photo"


def test_a_photo_that_is_not_complete_is_read_as_any_body(pair: Pair) -> None:
    buffer, theirs = pair
    buffer.expect_body(LengthEnd(5))
    buffer.begin_body(LIMIT, most=100, is_photo=True)
    theirs.sendall(b"pho")
    assert not buffer.receive_body()
    theirs.close()
    assert buffer.receive_body()

    assert buffer.take_photo() is None
    assert buffer.read(100) == b"pho"


def test_a_body_without_an_end_is_collected_up_to_the_limit(pair: Pair) -> None:
    buffer, theirs = pair
    buffer.expect_body(ChunkedEnd())
    buffer.begin_body(LIMIT, most=1000)
    theirs.sendall(b"fffff\r\n" + bytes(1000))
    assert not buffer.receive_body()

    assert buffer.receive_body()


def test_a_full_disk_ends_the_body(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    buffer, theirs = pair
    buffer.expect_body(LengthEnd(5))
    buffer.begin_body(LIMIT, most=1000)
    theirs.sendall(b"he")

    assert buffer.receive_body()
    assert buffer.disk_error
    assert buffer.disk_error.errno == errno.ENOSPC


@pytest.fixture
def tcp_pair(tmp_path: Path) -> Iterator[Pair]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        theirs = socket.create_connection(server.getsockname(), timeout=60)
        ours, _ = server.accept()
    with ours, theirs:
        buffer = RequestBuffer(ours, tmp_path, LIMIT)
        yield buffer, theirs
        buffer.close()


def readable(buffer: RequestBuffer, seconds: float) -> bool:
    return bool(select.select([buffer._caller], [], [], seconds)[0])


def test_the_kernel_wakes_the_main_loop_for_much_of_a_photo_and_for_its_end(tcp_pair: Pair) -> None:
    buffer, theirs = tcp_pair
    buffer.expect_body(LengthEnd(3 * WAKE_AT // 2))
    buffer.begin_body(LIMIT, most=2 * WAKE_AT, is_photo=True)
    assert not buffer.wakes_late, "no byte of it is in memory yet"
    theirs.sendall(b"1")
    assert readable(buffer, 60)
    assert not buffer.receive_body()
    assert buffer.wakes_late

    theirs.sendall(bytes(1000))
    assert not readable(buffer, 0.1)
    assert not buffer.receive_body()
    assert buffer.body_size == buffer.progress.moved == 1001, "what has arrived can be taken all the same"

    theirs.sendall(bytes(3 * WAKE_AT // 2 - 1001))
    while not buffer.receive_body():
        assert readable(buffer, 60)
    assert not buffer.wakes_late
    theirs.sendall(b"G")
    assert readable(buffer, 60), "the next request"


def test_the_main_loop_is_woken_for_the_end_of_a_connection(tcp_pair: Pair) -> None:
    buffer, theirs = tcp_pair
    buffer.expect_body(LengthEnd(WAKE_AT))
    buffer.put_back(b"1")
    buffer.begin_body(LIMIT, most=2 * WAKE_AT, is_photo=True)
    assert buffer.wakes_late
    theirs.sendall(b"2")
    theirs.shutdown(socket.SHUT_WR)

    assert readable(buffer, 60)
    while not buffer.receive_body():
        assert readable(buffer, 60)
    assert buffer.read(10) == b"12"
