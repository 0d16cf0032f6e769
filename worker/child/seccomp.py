"""seccomp: the kernel refuses a process the system calls that decoding does not need, without any privilege."""

from __future__ import annotations

import errno
import os
from typing import Any

try:
    import pyseccomp  # type: ignore[import-untyped]
except (ImportError, OSError, RuntimeError):  # not on Linux, or no libseccomp
    pyseccomp = None

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

ESSENTIAL = {"socket", "execve"}
"""Without these the filter is not worth its name. Others may be unknown to an older libseccomp."""

CLONE_THREAD = 0x10000
"""Source: linux/sched.h."""


def refuse_system_calls() -> bool:
    """Have all of REFUSED answer "operation not permitted". False where that, or what is essential of it, is not to
    be had."""
    if pyseccomp is None:
        return False
    try:
        rules = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
        refused = {name for name in REFUSED if _add(rules, errno.EPERM, name)}
        # A thread is a clone that stays in the process. The flags of clone3 are out of the filter's sight, and
        # libraries fall back to clone where it is not implemented.
        _add(rules, errno.EPERM, "clone", pyseccomp.Arg(0, pyseccomp.MASKED_EQ, CLONE_THREAD, 0))
        _add(rules, errno.ENOSYS, "clone3")
        # abort() sends a signal to itself.
        not_me = pyseccomp.Arg(0, pyseccomp.NE, os.getpid())
        _add(rules, errno.EPERM, "kill", not_me)
        _add(rules, errno.EPERM, "tgkill", not_me)
        # 0 is the process itself.
        _add(rules, errno.EPERM, "prlimit64", pyseccomp.Arg(0, pyseccomp.NE, 0))
        rules.load()
    except OSError:
        return False
    return refused >= ESSENTIAL


def _add(rules: Any, error: int, name: str, *arguments: Any) -> bool:
    """Have a system call answer with an error. False where it is unknown: each libseccomp knows those of its time."""
    try:
        rules.add_rule(pyseccomp.ERRNO(error), name, *arguments)
    except OSError:
        return False
    return True
