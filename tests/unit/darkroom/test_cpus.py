"""How many CPUs a process may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from darkroom.resources import usable_cpus

ALL = len(os.sched_getaffinity(0))


@pytest.mark.parametrize(("quota", "cpus"), [("max 100000", ALL), ("100000 100000", 1), ("10000 100000", 1)])
def test_cgroup_v2(tmp_path: Path, quota: str, cpus: int) -> None:
    (tmp_path / "cpu.max").write_text(quota + "\n")
    assert usable_cpus(tmp_path) == cpus


@pytest.mark.parametrize(("quota", "cpus"), [("-1", ALL), ("100000", 1), ("6400000", ALL)])
def test_cgroup_v1(tmp_path: Path, quota: str, cpus: int) -> None:
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text(quota + "\n")
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    assert usable_cpus(tmp_path) == cpus


def test_no_cgroup(tmp_path: Path) -> None:
    assert usable_cpus(tmp_path) == ALL


@pytest.mark.skipif(ALL < 2, reason="one CPU cannot be limited to fewer")
@pytest.mark.parametrize(
    ("line", "folder", "file", "text"),
    [
        ("0::/app/worker", "app", "cpu.max", "100000 100000"),
        ("4:cpu,cpuacct:/app/worker", "cpu,cpuacct/app/worker", "cpu.cfs_quota_us", "100000"),
        ("4:cpu,cpuacct:/app/worker", "cpu/app", "cpu.cfs_quota_us", "100000"),
    ],
)
def test_the_quota_of_a_group_above_applies(tmp_path: Path, line: str, folder: str, file: str, text: str) -> None:
    root, membership = tmp_path / "cgroup", tmp_path / "membership"
    membership.write_text(line + "\n")
    (root / folder).mkdir(parents=True)
    assert usable_cpus(root, membership) == ALL
    (root / folder / "cpu.cfs_period_us").write_text("100000\n")
    (root / folder / file).write_text(text + "\n")
    assert usable_cpus(root, membership) == 1
