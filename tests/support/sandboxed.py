"""Functions that run in a child that has entered the sandbox."""

from __future__ import annotations

import errno
import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from worker.child.limits import ChildLimits
from worker.child.sandbox import enter

MAX_PIXELS = 100_000_000
MAX_RESULT_BYTES = 500_000_000
MEMORY = 256_000_000
LIMITS = ChildLimits(MEMORY, MAX_PIXELS, MAX_RESULT_BYTES)


def in_the_sandbox(
    action: Callable[..., Any],
    *arguments: Any,
    before: Callable[[], None] | None = None,
    limits: ChildLimits = LIMITS,
) -> Any:
    """What a function returns in a child that has entered the sandbox, or the name of its OSError; `before` is
    called in the child before it enters."""
    context = multiprocessing.get_context("forkserver")
    ours, childs = context.Pipe()
    process = context.Process(target=_try, args=(childs, limits, action, arguments, before))
    process.start()
    childs.close()
    try:
        return ours.recv()
    finally:
        process.join()
        ours.close()


def _try(
    pipe: Connection,
    limits: ChildLimits,
    action: Callable[..., Any],
    arguments: tuple[Any, ...],
    before: Callable[[], None] | None,
) -> None:
    if before:
        before()
    not_to_be_had[:] = enter(limits, pipe)
    assert before or not not_to_be_had, not_to_be_had
    try:
        pipe.send(action(*arguments))
    except OSError as error:
        pipe.send(errno.errorcode[error.errno or 0])


not_to_be_had: list[str] = []


def missing() -> list[str]:
    return not_to_be_had
