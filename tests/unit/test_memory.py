"""How much memory the container leaves us, and each child."""

from __future__ import annotations

from pathlib import Path

import pytest

from darkroom.errors import SettingsError
from darkroom.settings import MIB, Settings
from worker.memory import LEAST, RESERVE, child_memory, usable_memory

GIB = 1024 * MIB


@pytest.fixture
def physical(tmp_path: Path) -> int:
    return usable_memory(tmp_path)  # no cgroup there


@pytest.mark.parametrize("limit", ["max", str(2**62)])
def test_cgroup_v2_without_a_limit_that_counts(tmp_path: Path, limit: str, physical: int) -> None:
    (tmp_path / "memory.max").write_text(limit + "\n")
    assert usable_memory(tmp_path) == physical


def test_cgroup_v2(tmp_path: Path, physical: int) -> None:
    (tmp_path / "memory.max").write_text(f"{physical // 2}\n")
    assert usable_memory(tmp_path) == physical // 2


def test_cgroup_v1(tmp_path: Path, physical: int) -> None:
    (tmp_path / "memory").mkdir()
    limit = tmp_path / "memory" / "memory.limit_in_bytes"
    limit.write_text("9223372036854771712\n")  # what it says for "unlimited"
    assert usable_memory(tmp_path) == physical
    limit.write_text(f"{physical // 2}\n")
    assert usable_memory(tmp_path) == physical // 2


@pytest.mark.parametrize("slots", [1, 2, 8])
def test_by_default_children_share_what_the_worker_leaves(slots: int) -> None:
    assert child_memory(Settings(), slots, 4 * GIB) == (4 * GIB - RESERVE) // slots


def test_what_is_set_holds_when_it_fits() -> None:
    assert child_memory(Settings(child_memory=GIB), 2, 2 * GIB + RESERVE) == GIB


def test_too_much_for_the_container_is_refused_with_what_would_be_right() -> None:
    with pytest.raises(SettingsError) as caught:
        child_memory(Settings(child_memory=GIB), 4, 2 * GIB + RESERVE)
    assert str(caught.value) == (
        "4 photos at a time with 1024 MiB each, and 256 MiB for the worker itself, need 4352 MiB; there are 2304 MiB: "
        "give the worker 4352 MiB, or set DARKROOM_CONCURRENCY to 2, or set DARKROOM_CHILD_MEMORY to 536870912 or less"
    )
    assert child_memory(Settings(child_memory=536_870_912), 4, 2 * GIB + RESERVE)
    assert child_memory(Settings(child_memory=GIB), 2, 2 * GIB + RESERVE)


def test_a_share_too_small_for_any_photo_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"16 photos at a time with 128 MiB each.* DARKROOM_CONCURRENCY to 6$"):
        child_memory(Settings(), 16, RESERVE + 6 * LEAST)
    with pytest.raises(SettingsError, match=r"there are 300 MiB: give the worker 384 MiB$"):
        child_memory(Settings(), 1, 300 * MIB)
