"""A service with faults in it: `python -m tests.support.faulty worker FAULTS` runs the real worker (or the real
`api`), with methods of the product wrapped so that the process dies, waits, notes something or meets an unexpected
error right before or after a call.

The product has no hook for this. If a method was renamed, the process ends with a traceback; if it is never called, the
process does not end. A test that asserts how the process ended fails in both cases.
"""

from __future__ import annotations

import functools
import importlib
import json
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import structlog

from tests.support import launcher
from tests.support.launcher import LaunchedService


@dataclass(frozen=True)
class Fault:
    """What happens at one call. Calls are counted for each photo that is handled, and otherwise for each thread."""

    call: str
    """`module:Class.method`"""
    when: Literal["before", "after"]
    nth: int = 1
    """Counted from 1; 0 is every call."""
    queue: str = ""
    """Count only the calls of the queue whose name ends so."""
    act: Literal["die", "raise", "wait", "slow", "note"] = "die"
    folder: str = ""
    """Of `wait` and `note`: gets a file for each call. A test makes the file `go` in it, which ends the waiting."""
    seconds: float = 0
    """Of `slow`."""

    def inject(self, kill: Callable[[], None]) -> None:
        module, _, path = self.call.partition(":")
        class_name, _, name = path.partition(".")
        owner = getattr(importlib.import_module(module), class_name)
        method, calls, counting = getattr(owner, name), Counter[object](), threading.Lock()

        @functools.wraps(method)
        def with_fault(here: Any, *args: Any, **more: Any) -> Any:
            if self.queue and not here.name.endswith(self.queue):
                return method(here, *args, **more)
            photo = structlog.contextvars.get_contextvars().get("photo", threading.get_ident())
            with counting:
                calls[photo] += 1
                reached = self.nth in (0, calls[photo])
            if reached and self.when == "before":
                self.happen(kill)
            value = method(here, *args, **more)
            if reached and self.when == "after":
                self.happen(kill)
            return value

        setattr(owner, name, with_fault)

    def happen(self, kill: Callable[[], None]) -> None:
        if self.act == "die":
            kill()
        elif self.act == "raise":
            raise RuntimeError("injected")
        elif self.act == "slow":
            time.sleep(self.seconds)
        else:
            folder = Path(self.folder)
            (folder / f"reached-{os.getpid()}-{threading.get_native_id()}-{time.monotonic_ns()}").touch()
            while self.act == "wait" and not (folder / "go").exists():
                time.sleep(0.02)


def start(
    service: Literal["api", "worker"], faults: Sequence[Fault], environ: dict[str, str], log: Path
) -> LaunchedService:
    """Start such a service, in a process group of its own."""
    return launcher.start(program(service, faults), environ, log, own_group=True)


def program(service: Literal["api", "worker"], faults: Sequence[Fault]) -> list[str]:
    """The module and arguments of such a service."""
    return ["tests.support.faulty", service, json.dumps([asdict(fault) for fault in faults])]


def kill_process() -> None:
    """Kill this process only, as the kernel does when memory is short."""
    os.kill(os.getpid(), signal.SIGKILL)


def kill_container() -> None:
    """Kill gunicorn's master and all its workers, as when a container is killed."""
    os.killpg(0, signal.SIGKILL)


def main() -> None:
    service, faults = sys.argv[1], json.loads(sys.argv[2])
    if not any(fault["act"] == "slow" for fault in faults):
        # However busy the machine is, an order's results are published once: the tests count updates.
        importlib.import_module("worker.orders.publication").PUBLISH_EVERY = 3600.0  # type: ignore[attr-defined]
    for fault in faults:
        Fault(**fault).inject(kill_process if service == "worker" else kill_container)
    sys.argv[1:] = []
    sys.exit(importlib.import_module(f"{service}.__main__").main())


if __name__ == "__main__":
    main()
