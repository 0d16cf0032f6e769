"""The CPUs, the memory and the open files that this process may use."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

CGROUP_ROOT = Path("/sys/fs/cgroup")
CGROUP_MEMBERSHIP = Path("/proc/self/cgroup")

OPEN_FILES = 65_536
"""Each photo of an upload is an open file until it is stored, and each caller is a socket. A worker opens the files of
a whole order at once, for each child."""


def raise_limit_of_open_files() -> None:
    """Let this process have OPEN_FILES, or as many as the system allows if these are fewer."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))


def usable_cpus(root: Path = CGROUP_ROOT, membership: Path = CGROUP_MEMBERSHIP) -> int:
    """The CPUs that affinity and the container's quota allow, at least 1."""
    # macOS, for one, has no CPU affinity.
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    files = _group_files(("cpu.max", "cpu.cfs_quota_us"), "cpu", root, membership)
    quotas = [quota for quota in map(_quota, files) if quota]
    return max(1, min([cpus, *map(round, quotas)]))


def usable_memory(root: Path = CGROUP_ROOT, membership: Path = CGROUP_MEMBERSHIP) -> int:
    """Bytes of memory of the machine, or fewer if the container or another control group has a limit."""
    physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    files = _group_files(("memory.max", "memory.limit_in_bytes"), "memory", root, membership)
    return min([physical, *(limit for limit in map(_limit, files) if limit)])


def _quota(file: Path) -> float | None:
    """A control group's CPU quota as a number of CPUs; None without a limit.

    Source: the kernel's documentation of cgroup-v2, "CPU Interface Files", and of cgroup-v1, "CFS Bandwidth Control".
    """
    try:
        if file.name == "cpu.max":
            quota, period = file.read_text().split()
        else:
            quota, period = file.read_text(), file.with_name("cpu.cfs_period_us").read_text()
        return int(quota) / int(period) if int(quota) > 0 else None
    except (OSError, ValueError):  # no such file, or `max`
        return None


def _limit(file: Path) -> int | None:
    """A control group's memory limit in bytes; None without one.

    Source: the kernel's documentation of cgroup-v2, "Memory Interface Files", and of cgroup-v1, "Memory Resource
    Controller". Version 1 writes "unlimited" as a number larger than any machine's memory.
    """
    try:
        return int(file.read_text())
    except (OSError, ValueError):  # no such file, or `max`
        return None


# --- control groups ---------------------------------------------------------------------------------------------------


def _group_files(files: tuple[str, ...], controller: str, root: Path, membership: Path) -> Iterator[Path]:
    """Those of the files that exist for this process's control group and the groups above it, in versions 1 and 2.

    The limits of all these groups apply, so the caller takes the smallest. Source: cgroups(7), "/proc/[pid]/cgroup".
    """
    seen = set()
    for base, group in _groups(controller, root, membership):
        for folder in (base / group, *(base / above for above in group.parents)):
            if folder not in seen:
                seen.add(folder)
                yield from (folder / name for name in files if (folder / name).is_file())


def _groups(controller: str, root: Path, membership: Path) -> Iterator[tuple[Path, PurePosixPath]]:
    """Where a hierarchy is mounted, and this process's group in it.

    In a container the group's name may be the one that the host sees, while only the container's part of the hierarchy
    is mounted. Then the folder does not exist, and the limit is at the top of the hierarchy.
    """
    top = PurePosixPath()
    bases = [root, root / "unified", root / controller]
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        lines = []
    for line in lines:
        _, controllers, group = line.split(":", 2)
        path = PurePosixPath(group.lstrip("/"))
        path = top if ".." in path.parts else path  # outside of the namespace
        if not controllers:
            yield from ((base, path) for base in bases[:2])
        elif controller in controllers.split(","):
            yield from ((base, path) for base in (root / controller, root / controllers))
    yield from ((base, top) for base in bases)
