"""The CPUs and the memory that this process may use, and how many photos at a time they are enough for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from darkroom.errors import SettingsError
from darkroom.settings import MIB, PREFIX, Settings

CGROUP_ROOT = Path("/sys/fs/cgroup")
CGROUP_MEMBERSHIP = Path("/proc/self/cgroup")

RESERVE = 256 * MIB
"""Bytes for the worker itself and the fork server: together 150 MB as measured, and some for more connections."""

LEAST = 128 * MIB
"""Bytes that a child needs to make anything of a photo: one of 12 megapixels takes as much."""


def usable_cpus(root: Path = CGROUP_ROOT, membership: Path = CGROUP_MEMBERSHIP) -> int:
    """The CPUs that affinity and the container's quota leave us, at least 1."""
    # Not everywhere is there an affinity to ask for, macOS among them.
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    files = _group_files(("cpu.max", "cpu.cfs_quota_us"), "cpu", root, membership)
    quotas = [quota for quota in map(_quota, files) if quota]
    return max(1, min([cpus, *map(round, quotas)]))


def usable_memory(root: Path = CGROUP_ROOT, membership: Path = CGROUP_MEMBERSHIP) -> int:
    """Bytes that the machine has, or that the container or another control group leaves us of them."""
    physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    files = _group_files(("memory.max", "memory.limit_in_bytes"), "memory", root, membership)
    return min([physical, *(limit for limit in map(_limit, files) if limit)])


def slots_and_memory(settings: Settings, cpus: int, usable: int) -> tuple[int, int]:
    """Photos at a time, and bytes that each one's child may take: what the settings say, else as many as there are
    CPUs and memory for, with an equal share of what the worker itself leaves.

    Raises SettingsError when what is set, or a single child, does not fit into `usable` bytes.
    """
    fitting = (usable - RESERVE) // (settings.child_memory or LEAST)
    slots = settings.concurrency or max(1, min(cpus, fitting))
    share = (usable - RESERVE) // slots
    wanted = settings.child_memory or max(share, LEAST)
    if wanted <= share:
        return slots, wanted
    needed = RESERVE + slots * wanted
    ways = [f"give the worker {_mib(needed)} MiB"]
    if fitting >= 1:
        ways.append(f"set {PREFIX}CONCURRENCY to {fitting}")
    if settings.child_memory and share >= LEAST:
        ways.append(f"set {PREFIX}CHILD_MEMORY to {share // MIB * MIB} or less")
    raise SettingsError(
        f"{slots} photos at a time with {_mib(wanted)} MiB each, and {_mib(RESERVE)} MiB for the worker itself, need "
        f"{_mib(needed)} MiB; there are {usable // MIB} MiB: {', or '.join(ways)}"
    )


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


def _limit(file: Path) -> int | None:
    """A group's limit in bytes; None without one.

    Source: the kernel's documentation of cgroup-v2, "Memory Interface Files", and of cgroup-v1, "Memory Resource
    Controller". The latter says "unlimited" by a number that no machine has.
    """
    try:
        return int(file.read_text())
    except (OSError, ValueError):  # gone, or `max`
        return None


def _mib(size: int) -> int:
    return -(-size // MIB)


# --- control groups ---------------------------------------------------------------------------------------------------


def _group_files(files: tuple[str, ...], controller: str, root: Path, membership: Path) -> Iterator[Path]:
    """Each of these files, of version 2 or 1, that exists for a group which holds this process, from its own up.

    A limit further up counts as well, so the caller takes the smallest. Source: cgroups(7), "/proc/[pid]/cgroup".
    """
    seen = set()
    for base, group in _groups(controller, root, membership):
        for folder in (base / group, *(base / above for above in group.parents)):
            if folder not in seen:
                seen.add(folder)
                yield from (folder / name for name in files if (folder / name).is_file())


def _groups(controller: str, root: Path, membership: Path) -> Iterator[tuple[Path, PurePosixPath]]:
    """Where a hierarchy is mounted, and the group of this process in it.

    The group may be named as the host sees it while only the container's part is mounted: then there is no such
    folder, and what counts is at the top.
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
        path = top if ".." in path.parts else path  # outside of what a namespace shows
        if not controllers:
            yield from ((base, path) for base in bases[:2])
        elif controller in controllers.split(","):
            yield from ((base, path) for base in (root / controller, root / controllers))
    yield from ((base, top) for base in bases)
