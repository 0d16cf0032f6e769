"""Bodies on disk: what was read makes room at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.http.body_file import BodyFile

DATA = bytes(range(256)) * 10


@pytest.mark.parametrize("written", [1, 7, 100, 5000])
@pytest.mark.parametrize("read", [1, 99, 100, 5000])
def test_what_was_written_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: int, read: int) -> None:
    monkeypatch.setattr(BodyFile, "piece", 100)
    file = BodyFile(tmp_path)
    for start in range(0, len(DATA), written):
        file.write(DATA[start : start + written])
    assert file.on_disk == len(DATA)
    file.rewind()

    got = b""
    while data := file.read(read):
        assert len(data) <= read
        got += data

    assert got == DATA
    assert file.on_disk == 0


def test_pieces_have_no_names_and_are_removed_when_they_were_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BodyFile, "piece", 1000)

    def pieces() -> int:
        return sum(link.resolve().is_relative_to(tmp_path) for link in Path("/proc/self/fd").iterdir())

    file = BodyFile(tmp_path)
    file.write(DATA)
    assert not list(tmp_path.iterdir())
    assert pieces() == 3

    file.rewind()
    for _ in range(4):
        file.read(500)
    file.read(1)

    assert (pieces(), file.on_disk) == (1, 560)
    file.close()
    assert (pieces(), file.on_disk) == (0, 0)


def test_an_empty_body_needs_no_file(tmp_path: Path) -> None:
    file = BodyFile(tmp_path / "missing")
    file.write(b"")
    file.rewind()

    assert file.read(10) == b""
    with pytest.raises(FileNotFoundError):
        file.write(b"1")
