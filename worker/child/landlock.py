"""Landlock: the kernel takes rights from a process. The process needs no privilege to ask for this.

Source of the numbers and structures: the kernel's documentation, "Landlock: unprivileged access control", and
linux/landlock.h. The two system calls have the same numbers on every architecture.
"""

from __future__ import annotations

import ctypes
import os

CREATE_RULESET, RESTRICT_SELF = 444, 446
CREATE_RULESET_VERSION = 1

FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 5: 16}
"""Landlock's version -> how many rights on files it knows: read, write, execute, make, remove, link, truncate..."""

BIND_AND_CONNECT_TCP = 0b11
"""Since version 4."""

ABSTRACT_SOCKETS_AND_SIGNALS = 0b11
"""Since version 6: no sockets and signals of processes that are not confined in the same way."""


class _RulesetAttributes(ctypes.Structure):
    _fields_ = (
        ("handled_access_fs", ctypes.c_uint64),
        ("handled_access_net", ctypes.c_uint64),
        ("scoped", ctypes.c_uint64),
    )


SIZES = {1: 8, 4: 16, 6: 24}
"""Landlock's version -> bytes of _RulesetAttributes that it knows."""


def version() -> int:
    """The version of this kernel's Landlock, less than 1 if it has none."""
    return _call(CREATE_RULESET, None, 0, CREATE_RULESET_VERSION)


def confine() -> bool:
    """Let this process open, make and remove no files at all, and reach no TCP port, and no process by a signal or an
    abstract socket, as far as this kernel's Landlock knows these rights.

    Open files stay open. Returns False if the kernel has no Landlock. Set PR_SET_NO_NEW_PRIVS before.
    """
    known = version()
    if known < 1:
        return False
    handled = _RulesetAttributes(
        (1 << _latest(FILE_RIGHTS, known)) - 1,
        BIND_AND_CONNECT_TCP if known >= 4 else 0,
        ABSTRACT_SOCKETS_AND_SIGNALS if known >= 6 else 0,
    )
    ruleset = _call(CREATE_RULESET, ctypes.byref(handled), _latest(SIZES, known), 0)
    if ruleset < 0:
        return False
    try:
        return _call(RESTRICT_SELF, ruleset, 0) == 0
    finally:
        os.close(ruleset)


def _latest(by_version: dict[int, int], known: int) -> int:
    """The entry of the version that this kernel knows, or of the last one before it."""
    return by_version[max(since for since in by_version if since <= known)]


def _call(number: int, *arguments: object) -> int:
    result: int = ctypes.CDLL(None).syscall(
        ctypes.c_long(number), *(ctypes.c_long(a) if isinstance(a, int) else a for a in arguments)
    )
    return result
