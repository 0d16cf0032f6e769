"""A worker as a process of its own, and what it logs."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

from tests.support import launcher
from tests.support.waiting import PATIENCE, wait_until

SLOW = "tests.support.slow_worker"
"""The program of a worker for which `slow_job` takes several seconds."""


UNHURRIED = "tests.support.unhurried_worker"
"""The program of such a worker whose events and deletes wait for each other for any time."""


class WorkerProcess:
    """A running `python -m worker`, or another program with a worker in it, and what it logs."""

    def __init__(self, environ: dict[str, str], log: Path, *program: str) -> None:
        self._log = log
        self.process = launcher.start(list(program) or ["worker"], environ, log)
        wait_until("the worker has started or ended", lambda: self.logged("worker.started") or self.process.poll())
        assert self.process.poll() is None, log.read_text()

    def logged(self, action: str) -> list[dict[str, Any]]:
        lines = self._log.read_text().splitlines()
        entries = [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]
        return [entry for entry in entries if entry["action"] == action]

    def log_text(self) -> str:
        return self._log.read_text()

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait(self) -> int:
        return self.process.wait(PATIENCE)

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def children(self) -> list[int]:
        """The processes that hold pixels: grandchildren, started by the fork server."""
        servers = children_of(self.process.pid)
        return [child for server in servers for child in children_of(server)]


def children_of(pid: int) -> list[int]:
    """Process ids of the children of all threads of a process."""
    lists = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for children in lists for child in children.read_text().split()]
