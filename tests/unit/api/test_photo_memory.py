"""Photos that arrive are held in memory, as far as it goes, and read in the same way as from disk."""

from __future__ import annotations

import errno
import hashlib
import io
import random
import tempfile
from pathlib import Path
from typing import Any

import pytest

from api.http import photo_memory
from api.http.body_file import PhotoBody
from api.http.photo_memory import Blocks, MemoryFile

BLOCK = 1000

DATA = random.Random(1).randbytes(4500)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(photo_memory, "BLOCK", BLOCK)


def free(blocks: Blocks) -> int:
    """How many blocks can be taken."""
    taken = []
    while block := blocks.take():
        taken.append(block)
    blocks.give_back(taken)
    return len(taken)


def receive(body: PhotoBody, data: bytes, at_a_time: int) -> None:
    """Have `data` arrive as the main loop receives it."""
    while data:
        room = body.room(min(at_a_time, len(data)))
        room[:] = data[: len(room)]
        body.fill(room)
        data = data[len(room) :]


def in_memory(*parts: bytes) -> MemoryFile:
    file = MemoryFile(Blocks())
    for part in parts:
        room = file.room(len(part))
        assert room
        room[:] = part
        file.fill(len(part))
    return file


@pytest.mark.parametrize("at_a_time", [1, 999, 1000, 1001, 5000])
@pytest.mark.parametrize("blocks", [0, 1, 3, 5], ids=lambda count: f"{count} blocks")
def test_a_photo_is_the_same_in_memory_and_on_disk(tmp_path: Path, at_a_time: int, blocks: int) -> None:
    pool = Blocks(blocks)
    body = PhotoBody(tmp_path, len(DATA), pool)
    body.write(DATA[:300])
    receive(body, DATA[300:], at_a_time)
    assert body.on_disk == (0 if blocks == 5 else len(DATA))

    taken = body.take()

    assert (taken.size, taken.sha256) == (len(DATA), hashlib.sha256(DATA).hexdigest())
    with taken.file as file:
        file.seek(0)
        assert file.read() == DATA
    assert free(pool) == blocks


def test_a_photo_that_finds_no_memory_left_uses_none(tmp_path: Path) -> None:
    pool = Blocks(4)
    first, second = (PhotoBody(tmp_path, len(DATA), pool) for _ in range(2))
    first.write(DATA[:2500])
    second.write(DATA[:2500])

    assert (first.on_disk, second.on_disk) == (0, 2500)
    assert free(pool) == 1
    second.rewind()
    assert second.read(5000) == DATA[:2500]
    first.close()
    second.close()
    assert free(pool) == 4


def test_a_large_photo_is_on_disk(tmp_path: Path) -> None:
    pool = Blocks(4)
    body = PhotoBody(tmp_path, photo_memory.LARGEST_IN_MEMORY + 1, pool)
    body.write(DATA[:10])

    assert (body.on_disk, free(pool)) == (10, 4)
    body.close()


def test_a_disk_that_is_full_when_the_memory_is_used_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    pool = Blocks(1)
    body = PhotoBody(tmp_path, len(DATA), pool)
    with pytest.raises(OSError, match="No space left"):
        body.write(DATA)

    body.close()

    assert free(pool) == 1


def test_a_part_that_arrived_can_be_read(tmp_path: Path) -> None:
    body = PhotoBody(tmp_path, len(DATA), Blocks())
    body.write(DATA[:1500])
    body.rewind()

    assert body.read(1200) == DATA[:1200]
    assert body.read(1200) == DATA[1200:1500]
    assert body.read(1200) == b""
    body.close()


def test_a_file_in_memory_reads_as_any_file() -> None:
    with io.BufferedReader(in_memory(DATA[:1000], DATA[1000:1600])) as file:
        assert file.seek(0, io.SEEK_END) == 1600
        assert file.read() == b""
        assert file.seek(-700, io.SEEK_END) == 900
        assert file.read(200) == DATA[900:1100]
        assert file.seek(10, io.SEEK_CUR) == 1110
        buffer = bytearray(1000)
        assert file.readinto(buffer) == 490
        assert buffer[:490] == DATA[1110:1600]
        assert file.seek(5000) == 5000
        assert file.read(1) == b""
        with pytest.raises(OSError, match="Invalid argument"):
            file.seek(-1)


def test_a_block_that_was_given_back_cannot_be_read_through_its_earlier_file() -> None:
    file = in_memory(DATA[:10])
    file.close()
    file.close()

    with pytest.raises(ValueError, match="closed"):
        file.read(1)
    with pytest.raises(ValueError, match="closed"):
        file.readinto(bytearray(1))
