"""How much memory there is for us, and how workers share it out."""

from __future__ import annotations

import os
from pathlib import Path

from darkroom import cgroup
from darkroom.errors import SettingsError
from darkroom.settings import MIB, PREFIX, Settings

RESERVE = 256 * MIB
"""Bytes for the worker itself and the fork server: together 150 MB as measured, and some for more connections."""

LEAST = 128 * MIB
"""Bytes that a child needs to make anything of a photo: one of 12 megapixels takes as much."""


def usable_memory(root: Path = cgroup.ROOT, membership: Path = cgroup.MEMBERSHIP) -> int:
    """Bytes that the machine has, or that the container or another control group leaves us of them."""
    physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    files = cgroup.limits(("memory.max", "memory.limit_in_bytes"), "memory", root, membership)
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
