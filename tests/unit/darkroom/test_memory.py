"""How much memory a worker and each of its child processes may use."""

from __future__ import annotations

from pathlib import Path

import pytest

from darkroom.capacity import LEAST, RESERVE, SLOTS_PER_CHILD, Capacity, worker_capacity
from darkroom.errors import SettingsError
from darkroom.local.containers import worker_shares
from darkroom.resources import usable_memory
from darkroom.settings import MIB, Settings

GIB = 1024 * MIB


@pytest.fixture
def physical(tmp_path: Path) -> int:
    return usable_memory(tmp_path)  # no cgroup there


@pytest.mark.parametrize("limit", ["max", str(2**62)])
def test_cgroup_v2_without_an_effective_limit(tmp_path: Path, limit: str, physical: int) -> None:
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


def a_group(folder: Path, file: str, limit: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / file).write_text(f"{limit}\n")


@pytest.mark.parametrize("mount", [".", "unified"])
def test_the_smallest_limit_of_the_groups_above_applies_in_cgroup_v2(tmp_path: Path, physical: int, mount: str) -> None:
    root, membership = tmp_path / "cgroup", tmp_path / "membership"
    membership.write_text("1:name=systemd:/elsewhere\n0::/system.slice/darkroom.service\n")
    system = root / mount / "system.slice"
    a_group(system / "darkroom.service", "memory.max", physical // 2)
    a_group(system / "another.service", "memory.max", physical // 8)
    assert usable_memory(root, membership) == physical // 2
    a_group(system, "memory.max", physical // 4)
    assert usable_memory(root, membership) == physical // 4
    (system / "memory.max").write_text("max\n")
    assert usable_memory(root, membership) == physical // 2


def test_the_smallest_limit_of_the_groups_above_applies_in_cgroup_v1(tmp_path: Path, physical: int) -> None:
    root, membership = tmp_path / "cgroup", tmp_path / "membership"
    membership.write_text("5:cpu,cpuacct:/other\n4:memory:/lxc/darkroom\n0::/\n")
    a_group(root / "memory" / "lxc" / "darkroom", "memory.limit_in_bytes", 9223372036854771712)
    assert usable_memory(root, membership) == physical
    a_group(root / "memory" / "lxc", "memory.limit_in_bytes", physical // 2)
    assert usable_memory(root, membership) == physical // 2


@pytest.mark.parametrize("group", ["/docker/0123456789ab", "/../outside", "/"])
def test_if_the_group_is_not_mounted_the_limit_at_the_top_applies(tmp_path: Path, physical: int, group: str) -> None:
    root, membership = tmp_path / "cgroup", tmp_path / "membership"
    membership.write_text(f"0::{group}\n")
    a_group(root, "memory.max", physical // 2)
    a_group(tmp_path / "outside", "memory.max", physical // 8)
    assert usable_memory(root, membership) == physical // 2


def capacity(children: int, child_memory: int) -> Capacity:
    return Capacity(children, children * SLOTS_PER_CHILD, child_memory)


@pytest.mark.parametrize("cpus", [1, 2, 8])
def test_by_default_children_share_the_memory_that_the_worker_does_not_need(cpus: int) -> None:
    assert worker_capacity(Settings(), cpus, 4 * GIB) == capacity(cpus, (4 * GIB - RESERVE) // cpus)


@pytest.mark.parametrize(
    ("cpus", "usable", "children"),
    [(8, GIB, 6), (16, 2 * GIB, 14), (64, 8 * GIB, 62), (4, RESERVE + LEAST, 1)],
)
def test_by_default_there_are_only_as_many_children_as_memory_allows(cpus: int, usable: int, children: int) -> None:
    assert worker_capacity(Settings(), cpus, usable) == capacity(children, (usable - RESERVE) // children)


def test_slots_can_be_set_but_each_child_needs_one() -> None:
    assert worker_capacity(Settings(slots=3), 2, 4 * GIB).slots == 3
    with pytest.raises(
        SettingsError, match=r"DARKROOM_SLOTS \(1\) must be at least the number of child processes \(2\)"
    ):
        worker_capacity(Settings(slots=1), 2, 4 * GIB)


def test_settings_that_fit_are_used() -> None:
    assert worker_capacity(Settings(child_memory=GIB), 2, 2 * GIB + RESERVE) == capacity(2, GIB)
    assert worker_capacity(Settings(child_memory=GIB), 8, 2 * GIB + RESERVE) == capacity(2, GIB)
    assert worker_capacity(Settings(children=4), 2, RESERVE + 4 * LEAST) == capacity(4, LEAST)


def test_settings_that_need_too_much_memory_are_refused_with_values_that_fit() -> None:
    with pytest.raises(SettingsError) as caught:
        worker_capacity(Settings(child_memory=GIB, children=4), 8, 2 * GIB + RESERVE)
    assert str(caught.value) == (
        "4 child processes with 1024 MiB each, and 256 MiB for the worker itself, need 4352 MiB; the worker has "
        "2304 MiB: give the worker 4352 MiB, or set DARKROOM_CHILDREN to 2, or set DARKROOM_CHILD_MEMORY to "
        "536870912 or less"
    )
    assert worker_capacity(Settings(child_memory=536_870_912, children=4), 8, 2 * GIB + RESERVE)
    assert worker_capacity(Settings(child_memory=GIB, children=2), 8, 2 * GIB + RESERVE)


def test_a_share_that_is_too_small_for_any_photo_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"16 child processes with 128 MiB each.* DARKROOM_CHILDREN to 6$"):
        worker_capacity(Settings(children=16), 1, RESERVE + 6 * LEAST)
    with pytest.raises(SettingsError, match=r"the worker has 300 MiB: give the worker 384 MiB$"):
        worker_capacity(Settings(), 1, 300 * MIB)
    with pytest.raises(SettingsError, match=r"1 child processes .* set DARKROOM_CHILD_MEMORY to 805306368 or less$"):
        worker_capacity(Settings(child_memory=GIB), 8, GIB)


@pytest.mark.parametrize("workers", [1, 2, 4])
@pytest.mark.parametrize("given", [{}, {"children": 2}])
def test_the_workers_of_an_embedded_run_share_the_machine(workers: int, given: dict[str, int]) -> None:
    settings = Settings.model_validate(given)
    shares = worker_shares(settings, workers, 8 * GIB)
    children, memory = int(shares["DARKROOM_CHILDREN"]), int(shares["DARKROOM_CHILD_MEMORY"])
    assert children == given.get("children", 1)
    assert 7 * GIB - workers * RESERVE < workers * children * memory <= 8 * GIB - workers * RESERVE
    assert worker_capacity(Settings(children=children, child_memory=memory), 1, 8 * GIB) == capacity(children, memory)


def test_an_embedded_run_starts_on_a_small_machine_and_keeps_the_settings() -> None:
    assert worker_shares(Settings(), 8, GIB)["DARKROOM_CHILD_MEMORY"] == str(LEAST)
    assert worker_shares(Settings(child_memory=GIB), 8, GIB)["DARKROOM_CHILD_MEMORY"] == str(GIB)
