"""darkroom/containers/view.py: a file made of ranges of another file and of literal bytes."""

from __future__ import annotations

import io
import os
import random

import pytest

from darkroom.containers.view import view

WHOLE = bytes(range(256)) * 100
PARTS: list[range | bytes] = [b"head", range(10, 20), b"", range(0), range(5000, 25000), b"tail"]
EXPECTED = b"head" + WHOLE[10:20] + WHOLE[5000:25000] + b"tail"


def test_a_view_reads_as_its_parts() -> None:
    file = view(io.BytesIO(WHOLE), PARTS)
    assert file.size == len(EXPECTED)
    assert file.read() == EXPECTED
    assert file.read() == b""


def test_a_view_reads_from_every_position() -> None:
    file = view(io.BytesIO(WHOLE), PARTS)
    chance = random.Random(4)
    for _ in range(300):
        start, length = chance.randrange(len(EXPECTED) + 10), chance.choice([0, 1, 3, 11, 9000, 10**12])
        assert file.seek(start) == start
        assert file.read(length) == EXPECTED[start : start + length]
    assert file.seek(-4, os.SEEK_END) == len(EXPECTED) - 4
    assert file.read(2) == b"ta"
    assert file.seek(-2, os.SEEK_CUR) == len(EXPECTED) - 4


def test_a_view_of_a_view() -> None:
    inner = view(io.BytesIO(WHOLE), [range(100, 200)])
    assert view(inner, [b"a", range(50, 60)]).read() == b"a" + WHOLE[150:160]


def test_a_range_beyond_the_end_of_the_file_ends_with_it() -> None:
    assert view(io.BytesIO(b"abc"), [range(1, 100)]).read() == b"bc"


def test_a_view_has_no_descriptor() -> None:
    """libtiff would read the original through it."""
    with pytest.raises(io.UnsupportedOperation):
        view(io.BytesIO(WHOLE), PARTS).fileno()
    with pytest.raises(ValueError, match="before the start"):
        view(io.BytesIO(WHOLE), PARTS).seek(-1)
