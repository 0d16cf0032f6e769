"""Landlock: the kernel lets a process write into one folder only, without any privilege.

Numbers and structures are those of the kernel's documentation, "Landlock: unprivileged access control", and of
linux/landlock.h. The three system calls have these numbers on every architecture.
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
CREATE_RULESET_VERSION = 1
RULE_PATH_BENEATH = 1

WRITE_FILE, REMOVE_DIR, REMOVE_FILE = 1 << 1, 1 << 4, 1 << 5
MAKE_CHAR, MAKE_DIR, MAKE_REG, MAKE_SOCK, MAKE_FIFO, MAKE_BLOCK, MAKE_SYM = (1 << bit for bit in range(6, 13))
TRUNCATE = 1 << 14
"""Known from version 3 on."""

WRITING = (
    WRITE_FILE | REMOVE_DIR | REMOVE_FILE
    | MAKE_CHAR | MAKE_DIR | MAKE_REG | MAKE_SOCK | MAKE_FIFO | MAKE_BLOCK | MAKE_SYM
)  # fmt: skip
"""All that changes the file system, TRUNCATE aside."""


class _RulesetAttributes(ctypes.Structure):
    _fields_ = (("handled_access_fs", ctypes.c_uint64),)


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("allowed_access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


def write_only_into(folder: Path) -> bool:
    """Forbid this process to write anywhere but to files in `folder`. False where the kernel has no Landlock.

    It must have been forbidden to gain privileges (PR_SET_NO_NEW_PRIVS) before.
    """
    version = _call(CREATE_RULESET, None, 0, CREATE_RULESET_VERSION)
    if version < 1:
        return False
    truncate = TRUNCATE if version >= 3 else 0
    handled = _RulesetAttributes(WRITING | truncate)
    ruleset = _call(CREATE_RULESET, ctypes.byref(handled), ctypes.sizeof(handled), 0)
    if ruleset < 0:
        return False
    parent = os.open(folder, os.O_PATH | os.O_CLOEXEC)
    try:
        rule = _PathBeneath(WRITE_FILE | MAKE_REG | REMOVE_FILE | truncate, parent)
        return (
            _call(ADD_RULE, ruleset, RULE_PATH_BENEATH, ctypes.byref(rule), 0) == 0
            and _call(RESTRICT_SELF, ruleset, 0) == 0
        )
    finally:
        os.close(parent)
        os.close(ruleset)


def _call(number: int, *arguments: object) -> int:
    result: int = ctypes.CDLL(None).syscall(
        ctypes.c_long(number), *(ctypes.c_long(a) if isinstance(a, int) else a for a in arguments)
    )
    return result
