"""The end of a body is found however the body is cut into pieces."""

from __future__ import annotations

import pytest

from api.http.body_end import MAX_LINE, ChunkedEnd, LengthEnd

WHOLE = {
    "no chunk": b"0\r\n\r\n",
    "one chunk": b"5\r\nhello\r\n0\r\n\r\n",
    "two chunks": b"5\r\nhello\r\nA\r\n0123456789\r\n0\r\n\r\n",
    "line breaks in the data": b"8\r\n\r\n0\r\n\r\n\n\r\n0\r\n\r\n",
    "extensions": b'5;name="a;b"\r\nhello\r\n0;last\r\n\r\n',
    "trailers": b"5\r\nhello\r\n0\r\nX-A: 1\r\nX-B: 2\r\n\r\n",
    "leading zeros": b"005\r\nhello\r\n000\r\n\r\n",
}


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize("body", WHOLE)
def test_a_chunked_body_ends_with_its_last_byte(body: str, size: int) -> None:
    end, whole = ChunkedEnd(), WHOLE[body]
    for start in range(0, len(whole), size):
        assert end.missing, whole[:start]
        end.feed(whole[start : start + size])

    assert not end.missing


@pytest.mark.parametrize("body", WHOLE)
def test_a_chunked_body_without_its_last_byte_is_not_complete(body: str) -> None:
    end = ChunkedEnd()
    end.feed(WHOLE[body][:-1])

    assert end.missing


@pytest.mark.parametrize(
    "body", [b"\r\n", b"x\r\n", b"-1\r\n", b"1 0\r\n", b"1_0\r\n", b"0x1\r\n", b"1" * (MAX_LINE + 1), b";\r\n"]
)
def test_a_body_that_is_not_valid_ends_at_the_fault(body: bytes) -> None:
    end = ChunkedEnd()
    end.feed(body)

    assert not end.missing


@pytest.mark.parametrize("trailers", [b"x" * (MAX_LINE + 1), b"X-A: 123456789\r\n" * MAX_LINE])
def test_trailers_have_a_limit(trailers: bytes) -> None:
    end = ChunkedEnd()
    end.feed(b"0\r\n" + trailers)

    assert not end.missing


@pytest.mark.parametrize(
    ("size", "count", "refused"), [(1, 1000, False), (1, 1001, True), (63, 1001, True), (64, 5000, False)]
)
def test_many_tiny_chunks_are_refused(size: int, count: int, refused: bool) -> None:
    end = ChunkedEnd()
    end.feed(b"%x\r\n%s\r\n" % (size, bytes(size)) * count)

    assert bool(end.fault) == refused
    assert bool(end.missing) != refused


def test_large_chunks_pay_for_small_ones() -> None:
    end = ChunkedEnd()
    end.feed(b"1\r\nx\r\n" * 1000 + b"1000\r\n" + bytes(4096) + b"\r\n" + b"1\r\nx\r\n" * 63)
    assert not end.fault

    end.feed(b"1\r\nx\r\n")
    assert end.fault


def test_a_length_counts_down() -> None:
    end = LengthEnd(10)
    end.feed(b"1234")
    assert end.missing == 6

    end.feed(b"567890 and more")
    assert end.missing == 0
