"""How many CPUs the container leaves us."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from worker.cpus import usable_cpus

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
