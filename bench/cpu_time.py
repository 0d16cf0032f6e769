"""CPU time of whole process trees, read from outside."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")


def session_cpu(session: int) -> float:
    """CPU seconds of all processes of a session, as `cpu_seconds`."""
    return cpu_seconds(lambda process: in_session(process, session))


def mean_session_cpu(session: int, times: int, do: Callable[[], object]) -> float:
    """The mean CPU seconds of a session while `do` is called once, over so many calls."""
    before = session_cpu(session)
    for _ in range(times):
        do()
    return (session_cpu(session) - before) / times


def cpu_seconds(chosen: Callable[[Path], bool]) -> float:
    """CPU seconds, user and system, of the processes for whose folder in /proc `chosen` is true, and of their children
    that have ended.

    For live processes this is exact to the nanosecond (clock_getcpuclockid(3)). For ended children the kernel counts
    ticks of 10 ms (`cutime` and `cstime` of proc_pid_stat(5)).
    """
    total = 0.0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if chosen(process):
                total += _clock(int(process.name)) + sum(map(int, _stat(process)[13:15])) / TICK
        except OSError:  # it has just ended
            continue
    return total


def in_session(process: Path, session: int) -> bool:
    """Whether a process belongs to a session. `process`: its folder in /proc."""
    try:
        return int(_stat(process)[3]) == session
    except OSError:  # it has just ended
        return False


def _stat(process: Path) -> list[str]:
    """The fields that follow the name, see proc_pid_stat(5)."""
    return (process / "stat").read_text().rpartition(")")[2].split()


def _clock(pid: int) -> float:
    """CPU seconds of one process with all its threads. The clock's id follows from the process id: see
    include/linux/posix-timers_types.h, `make_process_cpuclock` with CPUCLOCK_SCHED."""
    return time.clock_gettime((~pid << 3) | 2)
