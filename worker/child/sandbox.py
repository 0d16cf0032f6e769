"""The rights that a child gives up before it reads a photo, so that a malicious photo can do little harm.

A child may compute, read and write the files that the worker opened for it, and talk to the worker through its pipe. It
opens no files: not /proc, which shows secrets of other processes, and not the files of other slots. It has no
credentials and no network; it cannot start programs or reach other processes; its memory, files and CPU time are
limited; and it dies with the worker.

seccomp and Landlock each refuse files, signals to others, and the network, so that either is enough where the other is
missing. The worker logs at its start which protections the system lacks. On every system children are without the
worker's environment and its credentials: see worker/child/fork_server.py.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import sys
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

from worker.child import landlock, limits, seccomp
from worker.child.limits import ChildLimits

KEPT_VARIABLES = (
    *("PATH", "HOME", "TMPDIR", "TZ", "LANG", "LC_", "LD_", "DYLD_"),
    *("MALLOC_", "GLIBC_", "PYTHON", "VIRTUAL_ENV"),
)
"""Prefixes of the variables that a child needs. The other variables include the worker's credentials."""

ADDED_VARIABLES = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1", "OPENBLAS_NUM_THREADS": "1"}
"""Variables of children and of what they are forked from.

OPENBLAS_NUM_THREADS: numpy brings OpenBLAS, which would start a thread for each CPU as soon as it is loaded. A process
with threads must not fork.

GLIBC_TUNABLES: glibc then asks the kernel for huge pages (2 MB, transparent_hugepage=madvise). A picture of 12
megapixels has 48 MB. With pages of 4 KB, a filter job on it takes 240 ms of CPU time, with huge pages 170 ms. Other C
libraries, and glibc before 2.35, ignore the variable."""

LIMITS = "limits of memory and CPU time"
SYSTEM_CALLS = "no system calls but those that photos need (seccomp)"
FILES = "no files, and no signals to other processes (Landlock)"
END = "an end with the worker when that is killed"
"""The protections that a system may lack, as the log names them."""

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS = 1, 4, 38
"""Source: linux/prctl.h."""

_loaded_by = os.getpid()
"""The fork server, in children that were forked from it."""

_status: int | None = None
"""/proc/self/status, opened before the sandbox was entered."""


def harmless_environ() -> dict[str, str]:
    """The environment of children: the variables of this process that they may see, and those added for them."""
    kept = {name: value for name, value in os.environ.items() if name.startswith(KEPT_VARIABLES)}
    return ADDED_VARIABLES | kept


@contextlib.contextmanager
def without_secrets() -> Iterator[None]:
    """Have the environment of children for a while. Use it at the start of the process, while there is one thread."""
    saved = dict(os.environ)
    try:
        _forget_secrets()
        os.environ.update(ADDED_VARIABLES | os.environ)
        yield
    finally:
        for name in os.environ.keys() - saved.keys():
            del os.environ[name]
        os.environ.update(saved)


def enter(child_limits: ChildLimits, pipe: Connection) -> list[str]:
    """Give up every right that can be given up, for good, and every open file but the pipe to the worker. Returns the
    protections that this system lacks."""
    global _status
    _forget_secrets()
    linux = sys.platform == "linux"
    _status = os.open("/proc/self/status", os.O_RDONLY | os.O_CLOEXEC) if linux else None
    _close_all_but({pipe.fileno(), *([] if _status is None else [_status])})
    limits.enter(child_limits)
    if not linux:
        return [LIMITS, SYSTEM_CALLS, FILES, END]
    _die_with_the_fork_server()
    _prctl(PR_SET_DUMPABLE, 0)
    _prctl(PR_SET_NO_NEW_PRIVS, 1)
    missing = []
    if not landlock.confine():
        missing.append(FILES)
    if not seccomp.refuse_system_calls():
        missing.append(SYSTEM_CALLS)
    return missing


def enter_and_report(pipe: Connection, child_limits: ChildLimits) -> None:
    """Enter, and send the protections that this system lacks. In a child only."""
    pipe.send(enter(child_limits, pipe))


def guard_this_process() -> None:
    """Hide this process's memory and environment, and so the credentials, from other processes of the same user."""
    if sys.platform == "linux":
        _prctl(PR_SET_DUMPABLE, 0)


def is_short_of_memory(child_limits: ChildLimits, share: float) -> bool:
    """Whether this process ever had less than this share of its cap left. Always False without a cap."""
    if child_limits.memory is None or _status is None:
        return False
    peak = _bytes_of("VmPeak", _status)
    return resource.getrlimit(resource.RLIMIT_AS)[0] - peak < child_limits.memory * share


def end_order() -> None:
    """Give back free memory after an order, if this process has much of it. Only Linux can say how much it has."""
    if _status is not None:
        limits.give_back_free_memory(_bytes_of("VmRSS", _status))


def _bytes_of(field: str, status: int) -> int:
    """A size that the kernel tells in kB (proc_pid_status(5))."""
    return int(os.pread(status, 65_536, 0).decode().partition(f"{field}:")[2].split()[0]) * 1024


def _forget_secrets() -> None:
    for name in os.environ.keys() - harmless_environ().keys():
        del os.environ[name]


def _close_all_but(kept: set[int]) -> None:
    """Close the descriptors that a child inherits: pipes of multiprocessing, and the worker's own output, in which a
    child could forge log lines."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in range(3):
        os.dup2(nothing, standard)
    inherited = {int(entry.name) for entry in Path("/proc/self/fd" if sys.platform == "linux" else "/dev/fd").iterdir()}
    for descriptor in inherited - {0, 1, 2} - kept:
        with contextlib.suppress(OSError):  # that of the list itself
            os.close(descriptor)


def _die_with_the_fork_server() -> None:
    """Have the kernel kill this process when the fork server ends, which ends with the worker.

    The fork server reads a pipe whose other end only the worker holds, because children close it. Without the fork
    server, nobody could tell the worker how a child ended.
    """
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != _loaded_by:
        os._exit(0)  # the fork server died before this


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None).prctl(option, *(ctypes.c_ulong(argument) for argument in (value, 0, 0, 0)))
