"""seccomp: the kernel refuses a process the system calls that decoding does not need. This needs no privilege."""

from __future__ import annotations

import errno
import os
from typing import Any

try:
    import pyseccomp  # type: ignore[import-untyped]
except (ImportError, OSError, RuntimeError):  # not on Linux, or no libseccomp
    pyseccomp = None

REFUSED = (
    # the network; the pipes to the worker are already open
    *("socket", "socketpair", "connect", "bind", "listen", "accept", "accept4"),
    # io_uring could do all of these without their system calls
    *("io_uring_setup", "io_uring_enter", "io_uring_register"),
    # programs and processes; threads need `clone`, see below
    *("execve", "execveat", "fork", "vfork"),
    # other processes of the same user, such as the worker
    *("ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "kcmp", "pidfd_open", "pidfd_getfd"),
    *("pidfd_send_signal", "tkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo"),
    # parts of the kernel that decoding does not need and that often had security faults
    *("bpf", "perf_event_open", "userfaultfd", "keyctl", "add_key", "request_key", "unshare", "setns", "mount"),
    *("umount2", "move_mount", "open_tree", "fsopen", "pivot_root", "chroot", "open_by_handle_at"),
)
"""System calls that fail with "operation not permitted"."""

ESSENTIAL = {"socket", "execve"}
"""A filter without these counts as missing. An older libseccomp may not know some of the others."""

CLONE_THREAD = 0x10000
"""Source: linux/sched.h."""


def refuse_system_calls() -> bool:
    """Make all of REFUSED fail with "operation not permitted". Returns False if this system cannot refuse the
    ESSENTIAL ones."""
    if pyseccomp is None:
        return False
    try:
        rules = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
        refused = {name for name in REFUSED if _add(rules, errno.EPERM, name)}
        # A thread is a clone inside the process. The filter cannot see the flags of clone3; libraries fall back to
        # clone if clone3 is not implemented.
        _add(rules, errno.EPERM, "clone", pyseccomp.Arg(0, pyseccomp.MASKED_EQ, CLONE_THREAD, 0))
        _add(rules, errno.ENOSYS, "clone3")
        # abort() sends a signal to its own process.
        not_me = pyseccomp.Arg(0, pyseccomp.NE, os.getpid())
        _add(rules, errno.EPERM, "kill", not_me)
        _add(rules, errno.EPERM, "tgkill", not_me)
        # 0 means the process itself.
        _add(rules, errno.EPERM, "prlimit64", pyseccomp.Arg(0, pyseccomp.NE, 0))
        rules.load()
    except OSError:
        return False
    return refused >= ESSENTIAL


def _add(rules: Any, error: int, name: str, *arguments: Any) -> bool:
    """Make a system call fail with an error. Returns False if this version of libseccomp does not know the call."""
    try:
        rules.add_rule(pyseccomp.ERRNO(error), name, *arguments)
    except OSError:
        return False
    return True
