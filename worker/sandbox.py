"""What a child gives up before it sees pixels, so that a decoder that was taken over has little left to use.

It may compute, read files, write into the spool, and talk to the worker by the pipe that it was born with. It has
no credentials, no network, no way to start a program or to touch another process, a cap on its memory, and no life
of its own: it dies with the worker, and with the fork server.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import math
import multiprocessing
import os
import resource
import select
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from worker import landlock
from worker.cpus import usable_cpus

try:
    import pyseccomp  # type: ignore[import-untyped]
except (ImportError, OSError, RuntimeError):  # not on Linux, or no libseccomp
    pyseccomp = None

KEPT_VARIABLES = ("PATH", "HOME", "TMPDIR", "TZ", "LANG", "LC_", "LD_", "DYLD_", "MALLOC_", "PYTHON", "VIRTUAL_ENV")
"""How the variables begin that a child needs. The others hold, among other things, the worker's credentials."""

REFUSED = (
    # the network; what the pipes to the worker need is there already
    *("socket", "socketpair", "connect", "bind", "listen", "accept", "accept4"),
    # what could do all of these without a system call of its own
    *("io_uring_setup", "io_uring_enter", "io_uring_register"),
    # programs and processes; threads are made by `clone`, see below
    *("execve", "execveat", "fork", "vfork"),
    # other processes of the same user: the worker is one
    *("ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "kcmp", "pidfd_open", "pidfd_getfd"),
    *("pidfd_send_signal", "tkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo"),
    # parts of the kernel that decoding does not need, and where faults keep being found
    *("bpf", "perf_event_open", "userfaultfd", "keyctl", "add_key", "request_key", "unshare", "setns", "mount"),
    *("umount2", "move_mount", "open_tree", "fsopen", "pivot_root", "chroot", "open_by_handle_at"),
)
"""System calls that answer "operation not permitted"."""

MEMORY = "a memory cap"
SYSTEM_CALLS = "no network, programs or other processes (seccomp)"
FILES = "no files written outside of the spool (Landlock)"
"""What may be missing, in words for the log."""

CLONE_THREAD = 0x10000
M_ARENA_MAX = -8
ARENAS = 2
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS = 1, 4, 38
"""Source: linux/sched.h, malloc.h, linux/prctl.h."""

CPU_SLACK = 10
"""Seconds of CPU time beyond the time limit: the parent's clock shall strike first."""


@dataclass(frozen=True)
class Limits:
    """`memory` in bytes that a child may map beyond what it starts with, None for as much as there is;
    `folder` is the only one that it writes into."""

    memory: int | None
    folder: Path


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
    missing = []
    if not landlock.write_only_into(limits.folder):
        missing.append(FILES)
    if not _refuse_system_calls():
        missing.append(SYSTEM_CALLS)
    return missing


def guard_the_worker() -> None:
    """Close the worker's memory and environment, where the credentials are, to others of the same user."""
    if sys.platform == "linux":
        _prctl(PR_SET_DUMPABLE, 0)


def allow_cpu_time(seconds: float) -> None:
    """Let this process use so much more time, on all CPUs that it may use; then the kernel ends it (SIGXCPU).

    For the case that nobody is left to watch the clock. The limit counts from the start of the process.
    """
    used = resource.getrusage(resource.RUSAGE_SELF)
    limit = math.ceil(used.ru_utime + used.ru_stime + seconds * usable_cpus()) + CPU_SLACK
    _, most = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (_at_most(limit, most), most))


def is_short_of_memory(limits: Limits) -> bool:
    """Whether this process once came near its cap: nearer than half of it. Always False without one."""
    if limits.memory is None or sys.platform != "linux":
        return False
    status = Path("/proc/self/status").read_text()
    peak = int(status.partition("VmPeak:")[2].split()[0]) * 1024
    return resource.getrlimit(resource.RLIMIT_AS)[0] - peak < limits.memory / 2


def _forget_secrets() -> None:
    for name in [name for name in os.environ if not name.startswith(KEPT_VARIABLES)]:
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


def _refuse_system_calls() -> bool:
    if pyseccomp is None:
        return False
    refuse = pyseccomp.ERRNO(errno.EPERM)
    not_me = pyseccomp.Arg(0, pyseccomp.NE, os.getpid())
    try:
        rules = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
        for name in REFUSED:
            rules.add_rule(refuse, name)
        # A thread is a clone that stays in the process. The flags of clone3 are out of the filter's sight, and
        # libraries fall back to clone where it is not implemented.
        rules.add_rule(refuse, "clone", pyseccomp.Arg(0, pyseccomp.MASKED_EQ, CLONE_THREAD, 0))
        rules.add_rule(pyseccomp.ERRNO(errno.ENOSYS), "clone3")
        # abort() sends a signal to itself.
        rules.add_rule(refuse, "kill", not_me)
        rules.add_rule(refuse, "tgkill", not_me)
        # 0 is the process itself.
        rules.add_rule(refuse, "prlimit64", pyseccomp.Arg(0, pyseccomp.NE, 0))
        rules.load()
    except OSError:
        return False
    return True


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None).prctl(option, *(ctypes.c_ulong(argument) for argument in (value, 0, 0, 0)))
