"""How many CPUs this process may use."""

from __future__ import annotations

import os
from pathlib import Path

CPU_MAX = Path("/sys/fs/cgroup/cpu.max")


def usable_cpus(cpu_max: Path = CPU_MAX) -> int:
    """The CPUs that affinity and the container's quota leave us, at least 1.

    `cpu.max` holds quota and period in microseconds, or `max` for no quota; source: the kernel's cgroup-v2
    documentation, "CPU Interface Files".
    """
    # Not everywhere is there an affinity to ask for, macOS among them.
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = cpu_max.read_text().split()
    except (OSError, ValueError):
        return cpus
    return cpus if quota == "max" else max(1, min(cpus, round(int(quota) / int(period))))
