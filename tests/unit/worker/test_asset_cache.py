"""The files of assets that a worker keeps."""

from __future__ import annotations

from pathlib import Path

import pytest

from worker.child.asset_cache import AssetCache
from worker.child.workspace import remove_leftovers


@pytest.fixture
def cache(tmp_path: Path) -> AssetCache:
    return AssetCache(tmp_path, most=100)


def file_of(folder: Path, size: int = 40) -> Path:
    path = folder / "downloaded"
    path.unlink(missing_ok=True)
    path.write_bytes(b"x" * size)
    return path


def has(cache: AssetCache, key: str, folder: Path) -> bool:
    target = folder / "taken"
    target.unlink(missing_ok=True)
    return cache.take(key, target)


def test_a_file_that_was_kept_is_taken_as_often_as_it_is_needed(cache: AssetCache, tmp_path: Path) -> None:
    assert not cache.take("assets/a/1", tmp_path / "0")
    cache.keep("assets/a/1", file_of(tmp_path))
    for name in ("1", "2"):
        assert cache.take("assets/a/1", tmp_path / name)
        assert (tmp_path / name).read_bytes() == b"x" * 40
    assert not cache.take("assets/a/2", tmp_path / "3")


def test_the_file_that_was_not_used_for_the_longest_time_makes_room(cache: AssetCache, tmp_path: Path) -> None:
    for key in ("1", "2"):
        cache.keep(key, file_of(tmp_path))
    assert cache.take("1", tmp_path / "in use")
    cache.keep("3", file_of(tmp_path))
    assert [has(cache, key, tmp_path) for key in "123"] == [True, False, True]
    kept = [path for path in tmp_path.glob("slot-*/*") if path.name != "lock"]
    assert sum(path.stat().st_size for path in kept) == 80


def test_a_file_in_use_outlives_its_place_in_the_cache(cache: AssetCache, tmp_path: Path) -> None:
    cache.keep("1", file_of(tmp_path))
    assert cache.take("1", tmp_path / "in use")
    for key in ("2", "3"):
        cache.keep(key, file_of(tmp_path))
    assert not has(cache, "1", tmp_path)
    assert (tmp_path / "in use").stat().st_size == 40


def test_a_file_that_is_larger_than_the_cache_is_not_kept(cache: AssetCache, tmp_path: Path) -> None:
    cache.keep("1", file_of(tmp_path, 40))
    cache.keep("2", file_of(tmp_path, 101))
    assert has(cache, "1", tmp_path)
    assert not has(cache, "2", tmp_path)


def test_files_that_somebody_has_removed_are_downloaded_again(cache: AssetCache, tmp_path: Path) -> None:
    cache.keep("1", file_of(tmp_path))
    for path in tmp_path.glob("slot-*/1"):
        path.unlink()
    assert not has(cache, "1", tmp_path)
    cache.keep("1", file_of(tmp_path))
    assert has(cache, "1", tmp_path)


def test_no_other_worker_takes_the_files_for_leftovers(cache: AssetCache, tmp_path: Path) -> None:
    cache.keep("1", file_of(tmp_path))
    remove_leftovers(tmp_path)
    assert has(cache, "1", tmp_path)


def test_closing_removes_all_files(cache: AssetCache, tmp_path: Path) -> None:
    cache.keep("1", file_of(tmp_path))
    cache.close()
    assert not list(tmp_path.glob("slot-*"))
