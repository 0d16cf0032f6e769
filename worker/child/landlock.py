"""Landlock: the kernel restricts a process to a few folders. The process needs no privilege to ask for this.

Source of the numbers and structures: the kernel's documentation, "Landlock: unprivileged access control", and
linux/landlock.h. The three system calls have the same numbers on every architecture.
"""

from __future__ import annotations

import ctypes
import os
import stat
from collections.abc import Iterable
from pathlib import Path

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
CREATE_RULESET_VERSION = 1
RULE_PATH_BENEATH = 1

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, REMOVE_DIR, REMOVE_FILE = (1 << bit for bit in range(6))
MAKE_CHAR, MAKE_DIR, MAKE_REG, MAKE_SOCK, MAKE_FIFO, MAKE_BLOCK, MAKE_SYM = (1 << bit for bit in range(6, 13))
TRUNCATE = 1 << 14
"""Landlock knows it since version 3."""

WRITING = (
    WRITE_FILE | REMOVE_DIR | REMOVE_FILE
    | MAKE_CHAR | MAKE_DIR | MAKE_REG | MAKE_SOCK | MAKE_FIFO | MAKE_BLOCK | MAKE_SYM
)  # fmt: skip
"""Every right to change the file system, except TRUNCATE."""

READING = READ_FILE | READ_DIR


class _RulesetAttributes(ctypes.Structure):
    _fields_ = (("handled_access_fs", ctypes.c_uint64),)


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("allowed_access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


def confine(folder: Path, readable: Iterable[Path]) -> bool:
    """Let this process read and write files in `folder`, read files and folders in `readable`, and reach no others.

    It may not execute programs. Open files stay open. Paths in `readable` that do not exist are skipped. Returns False
    if the kernel has no Landlock. Set PR_SET_NO_NEW_PRIVS before. Raises OSError if `folder` does not exist.
    """
    version = _call(CREATE_RULESET, None, 0, CREATE_RULESET_VERSION)
    if version < 1:
        return False
    truncate = TRUNCATE if version >= 3 else 0
    handled = _RulesetAttributes(EXECUTE | READING | WRITING | truncate)
    ruleset = _call(CREATE_RULESET, ctypes.byref(handled), ctypes.sizeof(handled), 0)
    if ruleset < 0:
        return False
    try:
        return (
            _allow(ruleset, folder, READING | WRITE_FILE | MAKE_REG | REMOVE_FILE | truncate)
            and all(_allow_reading(ruleset, path) for path in readable)
            and _call(RESTRICT_SELF, ruleset, 0) == 0
        )
    finally:
        os.close(ruleset)


def _allow_reading(ruleset: int, path: Path) -> bool:
    try:
        return _allow(ruleset, path, READING)
    except OSError:  # it does not exist, or this user may not read it anyway
        return True


def _allow(ruleset: int, path: Path, access: int) -> bool:
    parent = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not stat.S_ISDIR(os.fstat(parent).st_mode):
            access &= READ_FILE
        rule = _PathBeneath(access, parent)
        return _call(ADD_RULE, ruleset, RULE_PATH_BENEATH, ctypes.byref(rule), 0) == 0
    finally:
        os.close(parent)


def _call(number: int, *arguments: object) -> int:
    result: int = ctypes.CDLL(None).syscall(
        ctypes.c_long(number), *(ctypes.c_long(a) if isinstance(a, int) else a for a in arguments)
    )
    return result
