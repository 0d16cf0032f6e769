"""The resource limits of a child (setrlimit). A child cannot raise them: hard limits are equal to soft ones. Only the
soft limit of CPU time is lower than the hard one, and the worker raises it for each order, from outside.

There is no limit of processes (RLIMIT_NPROC): the kernel counts all threads of the user, in all containers of a host
together, so other workers would use it up. The container's own limit (`pids_limit`) bounds threads.
"""

from __future__ import annotations

import ctypes
import functools
import math
import os
import resource
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from darkroom.jobs.asset_ids import MAX_ASSETS
from darkroom.jobs.job_types import MAX_JOBS
from darkroom.resources import usable_cpus

MOST_FILES = MAX_JOBS + MAX_ASSETS + 14
"""Open files of a child: an order's original, results and assets, standard input, output and error, the pipe, its
status, and some to spare for the duplicates that libraries make."""

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
"""Source: malloc.h."""

ARENAS = 1
"""All threads share one heap. With a second one, the threads that decode a HEIC leave 4 to 8 MB in it that no other
thread can use, and 20 MB in a child with much memory. How much depends on how they take turns, so a child seems to grow
with every HEIC. One heap costs no CPU time, and reserves no address space for threads."""

MIB = 2**20

ROOMY = 1024 * MIB
"""Bytes of a cap from which on a child keeps free memory for its next order (ROOMY_HEAP)."""

CROWDED = 192 * MIB
"""Resident bytes from which on even such a child gives back all its free memory after an order."""


@dataclass(frozen=True)
class Heap:
    """Settings of glibc's malloc. Blocks of `mmap_threshold` bytes and more get memory of their own, which goes back to
    the system as soon as they are free. At most `trim_threshold` bytes stay free at the end of the heap."""

    mmap_threshold: int
    trim_threshold: int


SMALL_HEAP = Heap(MIB, 8 * MIB)
"""For a child with little memory. By default glibc raises the first limit to the largest block that was freed, at most
32 MiB, and keeps what is free between smaller blocks. After a HEIC of 12 megapixels a child then has up to 110 MB, and
with this limit 69. Small photos need not ask for memory again."""

ROOMY_HEAP = Heap(32 * MIB, 128 * MIB)  # 32 MiB is the most that mallopt takes
"""For a child with much memory. It uses the same pages for the pictures of each order, so that the kernel need not
clear new ones. For the order `mixed` of the bench this saves 8 percent of the child's CPU time for 12 megapixels, and
12 to 16 percent for 13 and 16 megapixels. The peak of JPEG orders is the same, that of HEIC of 12 megapixels is about
24 MB higher. After orders of many kinds a child stays near its peak: 155 MB if HEIC of 12 megapixels were among
them."""

CPU_SLACK = 10
"""Seconds of CPU time beyond the time limit, so that normally the worker's watchdog ends the child first."""


@dataclass(frozen=True)
class ChildLimits:
    """`memory`: the bytes that a child may map beyond what it starts with, None for no cap. `max_pixels` (width x
    height) of a photo and of a result. `max_result_bytes`: those of each result. `max_frames` and
    `max_animation_pixels`: frames of an animation that a job may take, and the pixels of all of them.
    `extra_inputs`: of EXTRA_INPUTS."""

    memory: int | None
    max_pixels: int
    max_result_bytes: int
    max_frames: int = 1000
    max_animation_pixels: int = 250_000_000
    extra_inputs: tuple[str, ...] = ()


def enter(limits: ChildLimits) -> None:
    """Limit this process for good. Only Linux limits memory."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _lower(resource.RLIMIT_NOFILE, MOST_FILES)
    _lower(resource.RLIMIT_FSIZE, limits.max_result_bytes)
    if mallopt := getattr(_libc(), "mallopt", None):  # musl has none
        mallopt(M_ARENA_MAX, ARENAS)
        heap = ROOMY_HEAP if _is_roomy(limits) else SMALL_HEAP
        mallopt(M_MMAP_THRESHOLD, heap.mmap_threshold)
        mallopt(M_TRIM_THRESHOLD, heap.trim_threshold)
    if limits.memory is not None and sys.platform == "linux":
        mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        _lower(resource.RLIMIT_AS, mapped + limits.memory)


def give_back_free_memory(resident: int) -> None:
    """Give all free memory of this process back to the system if its `resident` bytes are more than CROWDED.

    A small block that is in use near the end of the heap keeps glibc from doing so itself. After that malloc asks for
    pages again, so this is only for the rest of photos that are much larger than most.
    """
    if resident > CROWDED and (malloc_trim := getattr(_libc(), "malloc_trim", None)):  # musl has none
        malloc_trim(ctypes.c_size_t(0))


def allow_cpu_time(child: int, seconds: float, orders: int) -> None:
    """Let a child process use `seconds` more on each CPU for its next order. The worker calls this.

    After that the kernel ends the child with SIGXCPU. If the child blocks this signal, the kernel kills it when it has
    used the time of all `orders` that it may still do. This holds even if the watchdog hangs. The kernel counts
    from the start of the process. Does nothing if the child has ended, or if this is not Linux.
    """
    if sys.platform != "linux":
        return
    allowance = seconds * _cpus() + CPU_SLACK
    try:
        used = _cpu_seconds(child)
        _, most = resource.prlimit(child, resource.RLIMIT_CPU)
        soft, hard = (_at_most(math.ceil(used + allowance * times), most) for times in (1, orders))
        resource.prlimit(child, resource.RLIMIT_CPU, (soft, hard))
    except OSError:  # the child has ended; its pipe says so
        return


def _cpu_seconds(process: int) -> float:
    """CPU time of a process. /proc may hide the processes of others, this clock does not."""
    clock = ctypes.c_int()
    if error := _libc().clock_getcpuclockid(process, ctypes.byref(clock)):
        raise OSError(error, os.strerror(error))
    return time.clock_gettime(clock.value)


_cpus = functools.cache(usable_cpus)


@functools.cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None)


def _is_roomy(limits: ChildLimits) -> bool:
    return limits.memory is None or limits.memory >= ROOMY


def _lower(limit: int, value: int) -> None:
    value = _at_most(value, resource.getrlimit(limit)[1])
    resource.setrlimit(limit, (value, value))


def _at_most(value: int, most: int) -> int:
    return value if most == resource.RLIM_INFINITY else min(value, most)
