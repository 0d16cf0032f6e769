"""How many CPUs this process may use."""

from __future__ import annotations

import os
from pathlib import Path

from darkroom import cgroup


def usable_cpus(root: Path = cgroup.ROOT, membership: Path = cgroup.MEMBERSHIP) -> int:
    """The CPUs that affinity and the container's quota leave us, at least 1."""
    # Not everywhere is there an affinity to ask for, macOS among them.
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    files = cgroup.limits(("cpu.max", "cpu.cfs_quota_us"), "cpu", root, membership)
    quotas = [quota for quota in map(_quota, files) if quota]
    return max(1, min([cpus, *map(round, quotas)]))


def _quota(file: Path) -> float | None:
    """CPU time that a group may use in a period, as a number of CPUs; None without a limit.

    Source: the kernel's documentation of cgroup-v2, "CPU Interface Files", and of cgroup-v1, "CFS Bandwidth Control".
    """
    try:
        if file.name == "cpu.max":
            quota, period = file.read_text().split()
        else:
            quota, period = file.read_text(), file.with_name("cpu.cfs_period_us").read_text()
        return int(quota) / int(period) if int(quota) > 0 else None
    except (OSError, ValueError):  # gone, or `max`
        return None
