"""A worker writes down once a minute that it is alive, and how many orders it has ended."""

from __future__ import annotations

import threading
import time

import structlog

from darkroom.aws.worker_list import MINUTE, WorkerList
from darkroom.errors import Unavailable
from darkroom.record.ids import new_id

log = structlog.get_logger()


class AliveNotes:
    """The notes of one worker. Any thread may count."""

    def __init__(self, workers: WorkerList) -> None:
        self._workers = workers
        self._id = new_id()
        self._ended = 0
        self._noted_at: float | None = None
        self._lock = threading.Lock()

    def count(self) -> None:
        """An order has ended."""
        with self._lock:
            self._ended += 1

    def run(self, stopping: threading.Event) -> None:
        """Note now, and then once a minute until `stopping` is set."""
        self.note()
        while not stopping.wait(MINUTE):
            self.note()

    def note(self) -> None:
        """Note, unless it was done less than a minute ago. A failure is only logged."""
        with self._lock:
            at = time.monotonic()
            if self._noted_at is not None and at - self._noted_at < MINUTE - 1:
                return
            self._noted_at, ended, self._ended = at, self._ended, 0
        try:
            self._workers.note(self._id, ended)
        except Unavailable as error:
            log.warning("worker.not_noted", detail=error.detail)
