"""The rights that a child gives up before it reads a photo, so that a malicious photo can do little harm.

A child may compute, talk to the worker through its pipe, read the Python installation and the system's libraries, and
read and write in its own folder on the spool, which holds only the current photo. It has no credentials, no other
files and no network; it cannot start programs or reach other processes; its memory is capped; and it dies with the
worker and with the fork server.

All of this needs a Linux with Landlock and libseccomp. The worker logs at its start which protections the system
lacks. On every system children are without the worker's environment and its credentials: see
worker/child/fork_server.py.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import functools
import math
import multiprocessing
import os
import resource
import select
import signal
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import darkroom
import worker
from darkroom.resources import usable_cpus
from worker.child import landlock, seccomp

KEPT_VARIABLES = ("PATH", "HOME", "TMPDIR", "TZ", "LANG", "LC_", "LD_", "DYLD_", "MALLOC_", "PYTHON", "VIRTUAL_ENV")
"""Prefixes of the variables that a child needs. The other variables include the worker's credentials."""

MEMORY = "a memory cap"
SYSTEM_CALLS = "no network, programs or other processes (seccomp)"
FILES = "no files but its photo's and Python's own (Landlock)"
"""The protections that a system may lack, as the log names them."""

PYTHON = (
    *(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")),
    *(path for path in sys.path if path.endswith("-packages")),
    *darkroom.__path__,
    *worker.__path__,
)
SYSTEM = ("/usr/lib", "/usr/lib64", "/usr/local/lib", "/usr/share", "/lib", "/lib64", "/etc/ld.so.cache")
DEVICES = ("/dev/null", "/dev/urandom", "/sys/devices/system/cpu", "/sys/devices/system/node", "/etc/localtime")
"""What a child may read besides its folder. The fork server has loaded nearly all of it, but a codec, a source line for
a traceback or the number of CPUs may be read later. /proc is not among them: it shows secrets of other processes."""

M_ARENA_MAX = -8
ARENAS = 2
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS = 1, 4, 38
"""Source: malloc.h, linux/prctl.h."""

CPU_SLACK = 10
"""Seconds of CPU time beyond the time limit, so that normally the worker's watchdog ends the child first."""


@dataclass(frozen=True)
class SandboxLimits:
    """`memory`: the bytes that a child may map beyond what it starts with, None for no cap. `folder`: the only folder
    that it may write into."""

    memory: int | None
    folder: Path


_cpus = functools.cache(usable_cpus)

_status: int | None = None
"""/proc/self/status, opened before the sandbox was entered."""


def harmless_environ() -> dict[str, str]:
    """The variables that children may see."""
    return {name: value for name, value in os.environ.items() if name.startswith(KEPT_VARIABLES)}


@contextlib.contextmanager
def without_secrets() -> Iterator[None]:
    """Hide all other variables for a while. Use it at the start of the process, while there is one thread."""
    saved = dict(os.environ)
    try:
        _forget_secrets()
        yield
    finally:
        os.environ.update(saved)


def enter(limits: SandboxLimits) -> list[str]:
    """Give up every right that can be given up, for good. Returns the protections that this system lacks."""
    _forget_secrets()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform != "linux":
        return [MEMORY, SYSTEM_CALLS, FILES, "an end with the worker when that is killed"]
    _die_with_the_worker()
    # Die with the fork server, too: only it can tell the worker how a child ended.
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    _prctl(PR_SET_DUMPABLE, 0)
    _prctl(PR_SET_NO_NEW_PRIVS, 1)
    _cap_memory(limits.memory)
    global _status
    _status = os.open("/proc/self/status", os.O_RDONLY | os.O_CLOEXEC)
    _cpus()  # later Landlock hides the files that tell
    missing = []
    if not landlock.confine(limits.folder, map(Path, (*PYTHON, *SYSTEM, *DEVICES))):
        missing.append(FILES)
    if not seccomp.refuse_system_calls():
        missing.append(SYSTEM_CALLS)
    return missing


def enter_and_report(pipe: Connection, limits: SandboxLimits) -> None:
    """Enter, and send the protections that this system lacks. In a child only."""
    pipe.send(enter(limits))


def guard_this_process() -> None:
    """Hide this process's memory and environment, and so the credentials, from other processes of the same user."""
    if sys.platform == "linux":
        _prctl(PR_SET_DUMPABLE, 0)


def allow_cpu_time(seconds: float) -> None:
    """Let this process use `seconds` more on each of its CPUs; then the kernel ends it (SIGXCPU).

    This holds even if the worker, and its watchdog, are gone. The kernel counts from the start of the process.
    """
    used = resource.getrusage(resource.RUSAGE_SELF)
    limit = math.ceil(used.ru_utime + used.ru_stime + seconds * _cpus()) + CPU_SLACK
    _, most = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (_at_most(limit, most), most))


def is_short_of_memory(limits: SandboxLimits, share: float) -> bool:
    """Whether this process ever had less than this share of its cap left. Always False without a cap."""
    if limits.memory is None or _status is None:
        return False
    status = os.pread(_status, 65_536, 0).decode()
    peak = int(status.partition("VmPeak:")[2].split()[0]) * 1024
    return resource.getrlimit(resource.RLIMIT_AS)[0] - peak < limits.memory * share


def _forget_secrets() -> None:
    for name in os.environ.keys() - harmless_environ().keys():
        del os.environ[name]


def _die_with_the_worker() -> None:
    """Have the kernel send SIGIO, which ends this process, when the worker's end of a pipe closes.

    A child that runs C code would notice its closed pipe only after the job. PR_SET_PDEATHSIG does not help: the
    child's parent is the fork server, which outlives the worker while it has children.
    """
    worker = multiprocessing.parent_process()
    if worker is None:
        return
    fcntl.fcntl(worker.sentinel, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(worker.sentinel, fcntl.F_SETFL, fcntl.fcntl(worker.sentinel, fcntl.F_GETFL) | os.O_ASYNC)
    if select.select([worker.sentinel], [], [], 0)[0]:
        os._exit(0)  # the worker died before this


def _cap_memory(beyond: int | None) -> None:
    # glibc reserves address space for each thread that allocates, and encoders have several threads.
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    if mallopt:
        mallopt(M_ARENA_MAX, ARENAS)
    if beyond is not None:
        mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        cap = _at_most(mapped + beyond, resource.getrlimit(resource.RLIMIT_AS)[1])
        resource.setrlimit(resource.RLIMIT_AS, (cap, cap))


def _at_most(limit: int, most: int) -> int:
    return limit if most == resource.RLIM_INFINITY else min(limit, most)


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None).prctl(option, *(ctypes.c_ulong(argument) for argument in (value, 0, 0, 0)))
