"""Workers that are killed and stopped while they work, each replaced at once by a new one."""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from darkroom.local.emulator import LocalProcess

SETTLES_WITHIN = 60.0
"""Seconds within which a worker must end after SIGTERM, and the children of a dead worker must end."""


class Fleet:
    """A fixed number of workers, each of which is replaced when it ends. Leaving the context ends every process."""

    def __init__(self, environ: Mapping[str, str], logs: Path, workers: int, chance: random.Random) -> None:
        self.kills = 0
        self.stops = 0
        self.faults: list[str] = []
        self._environ = environ
        self._logs = logs
        self._size = workers
        self._chance = chance
        self._running: list[LocalProcess] = []
        self._stopping: list[LocalProcess] = []
        self._dead: list[LocalProcess] = []

    def __enter__(self) -> Fleet:
        try:
            self.refill()
        except BaseException:
            self._end_all()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end_all()

    def refill(self) -> None:
        """Start new workers in place of missing ones. A worker that ended without our signal is a fault."""
        for worker in [worker for worker in self._running if worker.ended]:
            self._running.remove(worker)
            self._dead.append(worker)
            self.faults.append(f"without a signal from us: {worker.failure()}")
        while len(self._running) < self._size:
            name = f"worker-{len(self._running) + len(self._stopping) + len(self._dead) + 1}"
            self._running.append(LocalProcess(name, "worker", self._logs / f"{name}.log", self._environ))

    def kill_one(self) -> bool:
        """Kill one worker, as the kernel does, and not its children.

        Returns False while a replacement is still starting: otherwise a slow machine would only start workers.
        """
        if worker := self._take_one():
            worker.process.kill()
            worker.process.wait()
            self._dead.append(worker)
            self.kills += 1
            self.refill()
        return worker is not None

    def stop_one(self) -> bool:
        """Send SIGTERM to one worker, as a scale-in does. Returns False as `kill_one` does."""
        if worker := self._take_one():
            worker.terminate()
            self._stopping.append(worker)
            self.stops += 1
            self.refill()
        return worker is not None

    def stop_all(self) -> None:
        """Send SIGTERM to all workers. Each must end with status 0 and leave no process behind."""
        for worker in self._running:
            worker.terminate()
        stopped = self._stopping + self._running
        self._stopping, self._running = [], []
        deadline = time.monotonic() + SETTLES_WITHIN
        for worker in stopped:
            while not worker.ended and time.monotonic() < deadline:
                time.sleep(0.05)
            if worker.process.poll() != 0 and _has_started(worker):
                how = worker.failure() if worker.ended else f"{worker.name} did not end"
                self.faults.append(f"after SIGTERM: {how}")
        self._dead += stopped
        for worker in self._dead:
            while _has_processes(worker) and time.monotonic() < deadline:
                time.sleep(0.05)
            if _has_processes(worker):
                self.faults.append(f"children of {worker.name} outlived it")

    def logged(self, action: str) -> Iterator[dict[str, Any]]:
        """All log lines of all workers with this action. The last line of a killed worker may be incomplete."""
        for log in sorted(self._logs.glob("worker-*.log")):
            for line in log.read_text(errors="replace").splitlines():
                if f'"{action}"' in line and line.startswith("{") and line.endswith("}"):
                    entry = json.loads(line)
                    if entry["action"] == action:
                        yield entry

    def _take_one(self) -> LocalProcess | None:
        if not all(_has_started(worker) for worker in self._running):
            return None
        worker = self._chance.choice(self._running)
        self._running.remove(worker)
        return worker

    def _end_all(self) -> None:
        for worker in self._running + self._stopping + self._dead:
            worker.wait(within=0)  # kills its whole session


def _has_started(worker: LocalProcess) -> bool:
    """Whether the worker has started. Before that it has no messages, and SIGTERM ends it with another status."""
    return '"worker.started"' in worker.log.read_text(errors="replace")


def _has_processes(worker: LocalProcess) -> bool:
    """Whether any process of the worker's session is alive."""
    try:
        os.killpg(worker.process.pid, 0)
    except ProcessLookupError:
        return False
    return True
