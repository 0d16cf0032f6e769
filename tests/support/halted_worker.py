"""A worker that halts at a call (`act="wait"` of tests/support/faulty.py) until it is released."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tests.support.faulty import Fault, start
from tests.support.waiting import wait_until
from tests.support.worker_process import WorkerProcess


class HaltedWorker(WorkerProcess):
    """A worker with faults, whose slots wait where a fault halts them. Its files are in `folder`."""

    def __init__(self, environ: dict[str, str], faults: Sequence[Fault], folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        self._log = folder / "worker.log"
        faults = [replace(fault, folder=str(folder)) for fault in faults]
        self.process = start("worker", faults, environ | {"DARKROOM_LOG_FORMAT": "json"}, self._log)

    @property
    def ended(self) -> bool:
        return self.process.poll() is not None

    def wait_until_halted(self, slots: int = 1) -> None:
        def halted() -> bool:
            assert not self.ended, self._log.read_text()
            return len(list(self._folder.glob("reached-*"))) >= slots

        wait_until(f"{slots} slots are halted", halted)

    def release(self) -> None:
        (self._folder / "go").touch()
