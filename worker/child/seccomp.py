"""seccomp: the kernel lets a process make only the system calls that decoding and encoding need.

The process needs no privilege to ask for this. bench/system_calls measures which calls children make, in every
operation on every format, on x86_64 and on aarch64. Some of these may fail and are not allowed: Python asks with
`ioctl` whether a file is a terminal, and glibc writes its last words with `writev`.
"""

from __future__ import annotations

import errno
import fcntl
import os
import platform
from collections.abc import Iterator
from typing import Any

try:
    import pyseccomp  # type: ignore[import-untyped]
except (ImportError, OSError, RuntimeError):  # not on Linux, or no libseccomp
    pyseccomp = None

ALLOWED = (
    # Files that are open already. A child opens none.
    *("read", "pread64", "write", "lseek", "ftruncate", "fstat", "close"),
    # The worker's questions: descriptors come with recvmsg.
    "recvmsg",
    # Memory. See also _with_arguments.
    *("brk", "munmap", "mremap", "madvise"),
    # Threads of the codecs, and how many they start. See also _with_arguments.
    *("futex", "set_robust_list", "rseq", "gettid", "getpid", "sched_getaffinity", "exit"),
    # glibc blocks signals while it starts a thread. After a stop, the kernel restarts what the stop interrupted.
    *("rt_sigprocmask", "rt_sigreturn", "restart_syscall"),
    # The parser of XMP (expat) takes a random number for its tables, and ends the process if it gets none.
    "getrandom",
    # Exiv2 asks in which folder it is, to look for its settings there before it names a lens. It ends the process if it
    # gets no answer. See also FILE_QUESTIONS.
    "getcwd",
    # The clock, on machines where the kernel has no faster way to read it.
    "clock_gettime",
    "exit_group",
)
"""System calls that may have any arguments. All others fail with "operation not permitted", except those of
_with_arguments and FILE_QUESTIONS."""

FILE_QUESTIONS = ("newfstatat", "statx", *(("stat",) if platform.machine() == "x86_64" else ()))
"""System calls that fail with "no such file". They are refused as all others are, but Exiv2 takes "not permitted" for
an error from which it cannot go on: it asks for a file with its settings, which is optional."""

PROT_EXEC, MAP_ANONYMOUS = 4, 0x20
PR_SET_NAME = 15
SIGSETXID = 33
"""Source: asm-generic/mman.h, linux/prctl.h, and glibc's internal-signals.h: it handles this signal itself."""

THREAD = 0x3D0F00
CLONE_DETACHED = 0x400000
"""Flags of clone (linux/sched.h) with which glibc starts a thread. musl adds the second one, which does nothing."""

HARMLESS_FCNTL = (fcntl.F_GETFD, fcntl.F_SETFD, fcntl.F_GETFL, getattr(fcntl, "F_DUPFD_CLOEXEC", 1030))


def refuse_system_calls() -> bool:
    """Make all system calls fail with "operation not permitted" or "no such file", except those that a child needs.
    Returns False if this system cannot do so, because libseccomp is missing or does not know one of the names."""
    if pyseccomp is None:
        return False
    try:
        rules = pyseccomp.SyscallFilter(pyseccomp.ERRNO(errno.EPERM))
        for name, *arguments in [*((name,) for name in ALLOWED), *_with_arguments()]:
            rules.add_rule(pyseccomp.ALLOW, name, *arguments)
        for name in FILE_QUESTIONS:
            rules.add_rule(pyseccomp.ERRNO(errno.ENOENT), name)
        # The filter cannot see the flags of clone3. glibc uses clone if clone3 is not implemented.
        rules.add_rule(pyseccomp.ERRNO(errno.ENOSYS), "clone3")
        rules.load()
    except OSError:
        return False
    return True


def allowed_names() -> set[str]:
    """The system calls that a child may make, some of them only with certain arguments."""
    return {*ALLOWED, *(name for name, *_ in _with_arguments())}


def _with_arguments() -> Iterator[tuple[Any, ...]]:
    """System calls that may have only these arguments. Each entry is one way to make the call."""
    # Memory, but no new code, and no files: a file that is in use takes up the disk, and only open ones are limited.
    yield "mmap", _masked(2, PROT_EXEC, 0), _masked(3, MAP_ANONYMOUS, MAP_ANONYMOUS)
    yield "mprotect", _masked(2, PROT_EXEC, 0)
    # A thread, but no process, and none with open files of its own.
    yield "clone", _masked(0, 2**32 - 1 - CLONE_DETACHED, THREAD)
    yield "rt_sigaction", _equal(0, SIGSETXID)
    yield "prctl", _equal(0, PR_SET_NAME)
    # abort() sends a signal to its own process.
    yield "tgkill", _equal(0, os.getpid())
    # Reads the process's own limits.
    yield "prlimit64", _equal(0, 0), _equal(2, 0)
    yield from (("fcntl", _equal(1, command)) for command in HARMLESS_FCNTL)


def _equal(argument: int, value: int) -> Any:
    return pyseccomp.Arg(argument, pyseccomp.EQ, value)


def _masked(argument: int, mask: int, value: int) -> Any:
    return pyseccomp.Arg(argument, pyseccomp.MASKED_EQ, mask, value)
