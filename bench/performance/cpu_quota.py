"""A CPU quota for a process and its children: a cgroup of version 1 or 2, which root can make.

A quota leaves the rest of a small machine to other processes, so that they take nothing from the one that is measured.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from types import TracebackType

ROOT = Path("/sys/fs/cgroup")

PERIOD = 20_000
"""Microseconds. The processes of a group use up their quota, and then stop until the next period begins."""

PATIENCE = 10.0
"""Seconds until the processes of a group have ended."""


class CpuQuota:
    """CPU time for all processes of a group together: `cpus` seconds in each second. A context manager.

    Raises OSError if this system has no cgroups, or does not let this user make one.
    """

    def __init__(self, cpus: float) -> None:
        self._quota = round(cpus * PERIOD)
        self._parent = ROOT / "cpu" if (ROOT / "cpu").is_dir() else ROOT
        self._folder = self._parent / f"darkroom-bench-{os.getpid()}-{time.monotonic_ns()}"

    def __enter__(self) -> CpuQuota:
        second_version = (ROOT / "cgroup.controllers").exists()
        if second_version:
            (ROOT / "cgroup.subtree_control").write_text("+cpu")
        self._folder.mkdir()
        try:
            if second_version:
                (self._folder / "cpu.max").write_text(f"{self._quota} {PERIOD}")
            else:
                (self._folder / "cpu.cfs_period_us").write_text(str(PERIOD))
                (self._folder / "cpu.cfs_quota_us").write_text(str(self._quota))
        except OSError:
            self._folder.rmdir()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        deadline = time.monotonic() + PATIENCE
        while self._folder.exists() and time.monotonic() < deadline:
            with contextlib.suppress(OSError):  # a process of the group has not ended yet
                self._folder.rmdir()
            time.sleep(0.05)

    @property
    def command(self) -> list[str]:
        """What to write before a command, so that it runs in the group."""
        return ["sh", "-c", 'echo $$ > "$0" && exec "$@"', str(self._folder / "cgroup.procs")]


def quotas_work() -> bool:
    try:
        with CpuQuota(1):
            return True
    except OSError:
        return False
