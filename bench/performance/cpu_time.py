"""CPU time of whole process trees, read from outside."""

from __future__ import annotations

import os
import time
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")


def session_cpu(session: int) -> float:
    """CPU seconds, user and system, of all processes of a session and of their children that have ended.

    For live processes this is exact to the nanosecond (clock_getcpuclockid(3)). For ended children the kernel counts
    ticks of 10 ms (`cutime` and `cstime` of proc_pid_stat(5)).
    """
    total = 0.0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            fields = (process / "stat").read_text().rpartition(")")[2].split()
            if int(fields[3]) == session:
                total += _clock(int(process.name)) + (int(fields[13]) + int(fields[14])) / TICK
        except OSError:  # it has just ended
            continue
    return total


def _clock(pid: int) -> float:
    """CPU seconds of one process with all its threads. The clock's id follows from the process id: see
    include/linux/posix-timers_types.h, `make_process_cpuclock` with CPUCLOCK_SCHED."""
    return time.clock_gettime((~pid << 3) | 2)
