"""What a child gives up before it sees pixels, so that a decoder that was taken over has little left to use.

It may compute, talk to the worker by the pipe that it was born with, read the Python installation and the system's
libraries, and read and write in its slot's folder on the spool, where only the photo in work is. It has no
credentials, no other file, no network, no way to start a program or to touch another process, a cap on its memory, and
no life of its own: it dies with the worker, and with the fork server.

That holds where Linux has Landlock and libseccomp is there; what a system has no means for, the worker's log says at
the start. The worker's environment, with its credentials, is kept from a child everywhere: see
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
from pathlib import Path

import darkroom
import worker
from darkroom.resources import usable_cpus
from worker.child import landlock, seccomp

KEPT_VARIABLES = ("PATH", "HOME", "TMPDIR", "TZ", "LANG", "LC_", "LD_", "DYLD_", "MALLOC_", "PYTHON", "VIRTUAL_ENV")
"""How the variables begin that a child needs. The others hold, among other things, the worker's credentials."""

MEMORY = "a memory cap"
SYSTEM_CALLS = "no network, programs or other processes (seccomp)"
FILES = "no files but its photo's and Python's own (Landlock)"
"""What may be missing, in words for the log."""

PYTHON = (
    *(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")),
    *(path for path in sys.path if path.endswith("-packages")),
    *darkroom.__path__,
    *worker.__path__,
)
SYSTEM = ("/usr/lib", "/usr/lib64", "/usr/local/lib", "/usr/share", "/lib", "/lib64", "/etc/ld.so.cache")
DEVICES = ("/dev/null", "/dev/urandom", "/sys/devices/system/cpu", "/sys/devices/system/node", "/etc/localtime")
"""What a child may read besides its folder. Nearly all is loaded before there is a child; a codec, the text of a line
for a traceback or the number of CPUs may be looked up later. Not /proc: other processes' secrets are there."""

M_ARENA_MAX = -8
ARENAS = 2
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS = 1, 4, 38
"""Source: malloc.h, linux/prctl.h."""

CPU_SLACK = 10
"""Seconds of CPU time beyond the time limit: the parent's clock shall strike first."""


@dataclass(frozen=True)
class Limits:
    """`memory` in bytes that a child may map beyond what it starts with, None for as much as there is;
    `folder` is the only one that it writes into."""

    memory: int | None
    folder: Path


_cpus = functools.cache(usable_cpus)

_status: int | None = None
"""/proc/self/status, opened before the sandbox was entered."""


def harmless_environ() -> dict[str, str]:
    """The part of the environment that children may see."""
    return {name: value for name, value in os.environ.items() if name.startswith(KEPT_VARIABLES)}


@contextlib.contextmanager
def without_secrets() -> Iterator[None]:
    """The environment that children may see. For the start of the process, while there is one thread."""
    saved = dict(os.environ)
    try:
        _forget_secrets()
        yield
    finally:
        os.environ.update(saved)


def enter(limits: Limits) -> list[str]:
    """Give up all that can be given up, for good. Says what this system has no means for."""
    _forget_secrets()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform != "linux":
        return [MEMORY, SYSTEM_CALLS, FILES, "an end with the worker when that is killed"]
    _die_with_the_worker()
    # The fork server is the one who tells the worker how a child ended.
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    _prctl(PR_SET_DUMPABLE, 0)
    _prctl(PR_SET_NO_NEW_PRIVS, 1)
    _cap_memory(limits.memory)
    global _status
    _status = os.open("/proc/self/status", os.O_RDONLY | os.O_CLOEXEC)
    _cpus()  # while it can be found out
    missing = []
    if not landlock.confine(limits.folder, map(Path, (*PYTHON, *SYSTEM, *DEVICES))):
        missing.append(FILES)
    if not seccomp.refuse_system_calls():
        missing.append(SYSTEM_CALLS)
    return missing


def guard_this_process() -> None:
    """Close this process's memory and environment to others of the same user; with the worker's go credentials."""
    if sys.platform == "linux":
        _prctl(PR_SET_DUMPABLE, 0)


def allow_cpu_time(seconds: float) -> None:
    """Let this process use so much more time, on all CPUs that it may use; then the kernel ends it (SIGXCPU).

    For the case that nobody is left to watch the clock. The limit counts from the start of the process.
    """
    used = resource.getrusage(resource.RUSAGE_SELF)
    limit = math.ceil(used.ru_utime + used.ru_stime + seconds * _cpus()) + CPU_SLACK
    _, most = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (_at_most(limit, most), most))


def is_short_of_memory(limits: Limits, share: float) -> bool:
    """Whether this process once came nearer to its cap than that share of it. Always False without a cap."""
    if limits.memory is None or _status is None:
        return False
    status = os.pread(_status, 65_536, 0).decode()
    peak = int(status.partition("VmPeak:")[2].split()[0]) * 1024
    return resource.getrlimit(resource.RLIMIT_AS)[0] - peak < limits.memory * share


def _forget_secrets() -> None:
    for name in os.environ.keys() - harmless_environ().keys():
        del os.environ[name]


def _die_with_the_worker() -> None:
    """Have the kernel send SIGIO, which ends a process, when the worker's end of a pipe closes.

    A child in the middle of C code would see the end of its own pipe only after the job, and its parent in the eyes
    of the kernel is the fork server, which outlives the worker as long as it has children.
    """
    worker = multiprocessing.parent_process()
    if worker is None:
        return
    fcntl.fcntl(worker.sentinel, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(worker.sentinel, fcntl.F_SETFL, fcntl.fcntl(worker.sentinel, fcntl.F_GETFL) | os.O_ASYNC)
    if select.select([worker.sentinel], [], [], 0)[0]:
        os._exit(0)  # it was gone before


def _cap_memory(beyond: int | None) -> None:
    # glibc sets address space aside for each thread that allocates; encoders have several.
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
