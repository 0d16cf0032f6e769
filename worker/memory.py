"""How much memory this process may use, and how much of it each child."""

from __future__ import annotations

import os
from pathlib import Path

from darkroom.errors import SettingsError
from darkroom.settings import MIB, PREFIX, Settings
from worker.cpus import CGROUP

RESERVE = 256 * MIB
"""Bytes for the worker itself and the fork server: together 150 MB as measured, and some for more connections."""

LEAST = 128 * MIB
"""Bytes that a child needs to make anything of a photo: one of 12 megapixels takes as much."""


def usable_memory(cgroup: Path = CGROUP) -> int:
    """Bytes that the container, or else the machine, has for us."""
    physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limit = _limit(cgroup)
    return min(physical, limit) if limit else physical


def child_memory(settings: Settings, slots: int, usable: int) -> int:
    """Bytes that each child may take: what the setting says, else an equal share of what the worker leaves.

    Raises SettingsError when worker and children together do not fit into `usable` bytes.
    """
    share = (usable - RESERVE) // slots
    wanted = settings.child_memory or max(share, LEAST)
    if wanted <= share:
        return wanted
    needed = RESERVE + slots * wanted
    fitting = (usable - RESERVE) // wanted
    ways = [f"give the worker {_mib(needed)} MiB"]
    if fitting >= 1:
        ways.append(f"set {PREFIX}CONCURRENCY to {fitting}")
    if settings.child_memory and share >= LEAST:
        ways.append(f"set {PREFIX}CHILD_MEMORY to {share // MIB * MIB} or less")
    raise SettingsError(
        f"{slots} photos at a time with {_mib(wanted)} MiB each, and {_mib(RESERVE)} MiB for the worker itself, need "
        f"{_mib(needed)} MiB; there are {usable // MIB} MiB: {', or '.join(ways)}"
    )


def _mib(size: int) -> int:
    return -(-size // MIB)


def _limit(cgroup: Path) -> int | None:
    """The container's limit in bytes; None without one.

    Source: the kernel's documentation of cgroup-v2, "Memory Interface Files", and of cgroup-v1, "Memory Resource
    Controller". The latter says "unlimited" by a number that no machine has.
    """
    try:
        if (cgroup / "memory.max").exists():
            return int((cgroup / "memory.max").read_text())
        return int((cgroup / "memory" / "memory.limit_in_bytes").read_text())
    except (OSError, ValueError):  # no cgroup, or `max`
        return None
