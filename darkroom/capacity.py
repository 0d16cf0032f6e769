"""What a worker does at a time: how many messages, in how many child processes, with how much memory."""

from __future__ import annotations

from dataclasses import dataclass

from darkroom.errors import SettingsError
from darkroom.settings import MIB, PREFIX, Settings

RESERVE = 256 * MIB
"""Bytes for the worker itself and the fork server: 150 MB measured, and some more for connections."""

LEAST = 128 * MIB
"""Fewest bytes that a child process can work with; a photo of 12 megapixels needs them."""

SLOTS_PER_CHILD = 8
"""A slot waits for AWS during most of its time. With calls of 30 ms, eight slots keep a child at work whose photos take
30 ms each."""


@dataclass(frozen=True)
class Capacity:
    """What a worker does at a time: `slots` messages, `children` of them in child processes, each of which may use
    `child_memory` bytes."""

    children: int
    slots: int
    child_memory: int


def worker_capacity(settings: Settings, cpus: int, usable: int) -> Capacity:
    """What a worker can do at a time with so many CPUs and bytes of memory.

    The settings come first. By default there are as many children as CPUs and memory allow, and they share the memory
    equally, except for the worker's own. Raises SettingsError when this does not fit into `usable` bytes.
    """
    fitting = (usable - RESERVE) // (settings.child_memory or LEAST)
    children = settings.children or max(1, min(cpus, fitting))
    slots = settings.slots or children * SLOTS_PER_CHILD
    if slots < children:
        raise SettingsError(f"{PREFIX}SLOTS ({slots}) must be at least the number of child processes ({children})")
    share = (usable - RESERVE) // children
    wanted = settings.child_memory or max(share, LEAST)
    if wanted <= share:
        return Capacity(children, slots, wanted)
    needed = RESERVE + children * wanted
    ways = [f"give the worker {_mib(needed)} MiB"]
    if fitting >= 1:
        ways.append(f"set {PREFIX}CHILDREN to {fitting}")
    if settings.child_memory and share >= LEAST:
        ways.append(f"set {PREFIX}CHILD_MEMORY to {share // MIB * MIB} or less")
    raise SettingsError(
        f"{children} child processes with {_mib(wanted)} MiB each, and {_mib(RESERVE)} MiB for the worker itself, need "
        f"{_mib(needed)} MiB; the worker has {usable // MIB} MiB: {', or '.join(ways)}"
    )


def _mib(size: int) -> int:
    return -(-size // MIB)
