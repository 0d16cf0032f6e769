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
"""Seconds that a worker may take to end after SIGTERM, or a dead worker's children. Nothing is measured with it."""


class Fleet:
    """So many workers, whatever is done to them. Leaving the context ends every process, however it is left."""

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
        """Replace what is missing. Only we end workers: one that ended by itself is a fault."""
        for worker in [worker for worker in self._running if worker.ended]:
            self._running.remove(worker)
            self._dead.append(worker)
            self.faults.append(f"without a signal from us: {worker.failure()}")
        while len(self._running) < self._size:
            name = f"worker-{len(self._running) + len(self._stopping) + len(self._dead) + 1}"
            self._running.append(LocalProcess(name, "worker", self._logs / f"{name}.log", self._environ))

    def kill_one(self) -> bool:
        """SIGKILL for the worker itself, as from the kernel; its children are left to themselves.

        False while a replacement is still starting: on a slow machine there would soon be nothing but starts.
        """
        if worker := self._take_one():
            worker.process.kill()
            worker.process.wait()
            self._dead.append(worker)
            self.kills += 1
            self.refill()
        return worker is not None

    def stop_one(self) -> bool:
        """SIGTERM, as from a scale-in. False as with `kill_one`."""
        if worker := self._take_one():
            worker.terminate()
            self._stopping.append(worker)
            self.stops += 1
            self.refill()
        return worker is not None

    def stop_all(self) -> None:
        """SIGTERM for all, and see that all who were told so end with status 0 and leave no process behind."""
        for worker in self._running:
            worker.terminate()
        stopped = self._stopping + self._running
        self._stopping, self._running = [], []
        deadline = time.monotonic() + SETTLES_WITHIN
        for worker in stopped:
            while not worker.ended and time.monotonic() < deadline:
                time.sleep(0.05)
            if worker.process.poll() != 0 and _has_begun(worker):
                how = worker.failure() if worker.ended else f"{worker.name} did not end"
                self.faults.append(f"after SIGTERM: {how}")
        self._dead += stopped
        for worker in self._dead:
            while _has_processes(worker) and time.monotonic() < deadline:
                time.sleep(0.05)
            if _has_processes(worker):
                self.faults.append(f"children of {worker.name} outlived it")

    def logged(self, action: str) -> Iterator[dict[str, Any]]:
        """Every line of this kind that any worker has logged; the last line of a killed one may be cut short."""
        for log in sorted(self._logs.glob("worker-*.log")):
            for line in log.read_text(errors="replace").splitlines():
                if f'"{action}"' in line and line.startswith("{") and line.endswith("}"):
                    entry = json.loads(line)
                    if entry["action"] == action:
                        yield entry

    def _take_one(self) -> LocalProcess | None:
        if not all(_has_begun(worker) for worker in self._running):
            return None
        worker = self._chance.choice(self._running)
        self._running.remove(worker)
        return worker

    def _end_all(self) -> None:
        for worker in self._running + self._stopping + self._dead:
            worker.wait(within=0)  # kills its whole session


def _has_begun(worker: LocalProcess) -> bool:
    """Whether it works. Before that it holds nothing, and SIGTERM may end it as it ends any other process."""
    return '"worker.started"' in worker.log.read_text(errors="replace")


def _has_processes(worker: LocalProcess) -> bool:
    """Whether anything is left of the session that a worker began."""
    try:
        os.killpg(worker.process.pid, 0)
    except ProcessLookupError:
        return False
    return True
