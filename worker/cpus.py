"""How many CPUs this process may use."""

from __future__ import annotations

import os
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")


def usable_cpus(cgroup: Path = CGROUP) -> int:
    """The CPUs that affinity and the container's quota leave us, at least 1."""
    # Not everywhere is there an affinity to ask for, macOS among them.
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _quota(cgroup)
    return max(1, min(cpus, round(quota))) if quota else cpus


def _quota(cgroup: Path) -> float | None:
    """CPU time that the container may use in a period, as a number of CPUs; None without a limit.

    Source: the kernel's documentation of cgroup-v2, "CPU Interface Files", and of cgroup-v1, "CFS Bandwidth Control".
    """
    try:
        if (cgroup / "cpu.max").exists():
            quota, period = (cgroup / "cpu.max").read_text().split()
        else:
            quota = (cgroup / "cpu" / "cpu.cfs_quota_us").read_text()
            period = (cgroup / "cpu" / "cpu.cfs_period_us").read_text()
        return int(quota) / int(period) if int(quota) > 0 else None
    except (OSError, ValueError):  # no cgroup, or `max`
        return None
