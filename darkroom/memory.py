"""How much memory there is for us."""

from __future__ import annotations

import os
from pathlib import Path

from darkroom import cgroup


def usable_memory(root: Path = cgroup.ROOT, membership: Path = cgroup.MEMBERSHIP) -> int:
    """Bytes that the machine has, or that the container or another control group leaves us of them."""
    physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    files = cgroup.limits(("memory.max", "memory.limit_in_bytes"), "memory", root, membership)
    return min([physical, *(limit for limit in map(_limit, files) if limit)])


def _limit(file: Path) -> int | None:
    """A group's limit in bytes; None without one.

    Source: the kernel's documentation of cgroup-v2, "Memory Interface Files", and of cgroup-v1, "Memory Resource
    Controller". The latter says "unlimited" by a number that no machine has.
    """
    try:
        return int(file.read_text())
    except (OSError, ValueError):  # gone, or `max`
        return None
