"""What a slot has its child do: look into a file, or do the jobs of an order.

If a child dies, an earlier photo may be at fault. So a new child does what is left, one job at a time, and only the
job that kills its child again fails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import structlog

from darkroom.errors import ProcessError
from darkroom.jobs.job_types import Job
from darkroom.settings import Settings
from darkroom.sniff import Sniffed
from worker.child.process import Child
from worker.child.protocol import Failure, JobOutcome, Work
from worker.child.sandbox import SandboxLimits

log = structlog.get_logger()

Check = Callable[[], None]
"""Raises if this worker must not go on: it lost its lease, or it stops."""


class PhotoProcessor:
    """Looks into files and does jobs, in a child process. One slot owns it; its files are in `folder`."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        limits = SandboxLimits(settings.child_memory, folder)
        self._child = Child(settings.max_pixels, settings.child_orders, limits)
        self._time_limit = settings.time_limit

    def interrupt(self) -> None:
        """Kill the child in the middle of its work. Called by other threads."""
        self._child.interrupt()

    def close(self) -> None:
        self._child.stop()

    def look(self, path: Path, check: Check) -> Sniffed:
        """What a file is, by its header, read in a child because a decoder may crash. Tries twice.

        Raises what `sniff` raises, and ProcessError.
        """
        try:
            return self._look(path, check)
        except ProcessError as error:
            check()
            log.warning("child.lost", code=error.code, detail=error.detail)
        try:
            return self._look(path, check)
        except ProcessError:
            check()
            raise

    def process(self, work: Work, check: Check) -> Iterator[JobOutcome]:
        """Do all jobs in one child, with one decode. If it dies, each unfinished job runs once more, alone in a new
        child."""
        unfinished = dict(work.jobs)
        try:
            for outcome in self._run(work, check):
                del unfinished[outcome.job]
                yield outcome
            return
        except ProcessError as error:
            check()
            log.warning("child.lost", code=error.code, detail=error.detail, unfinished=len(unfinished))
        for job_id, job in unfinished.items():
            yield from self._alone(job_id, job, work, check)

    def _alone(self, job_id: str, job: Job, work: Work, check: Check) -> Iterator[JobOutcome]:
        try:
            yield from self._run(Work(work.original, {job_id: job}, work.directory), check)
        except ProcessError as error:
            check()
            yield JobOutcome(job_id, Failure(error.code, error.detail))
        finally:
            self._child.stop()

    def _run(self, work: Work, check: Check) -> Iterator[JobOutcome]:
        self._start(check)
        return self._child.run(work, self._time_limit)

    def _look(self, path: Path, check: Check) -> Sniffed:
        self._start(check)
        return self._child.look(path, self._time_limit)

    def _start(self, check: Check) -> None:
        self._child.start()
        check()  # an interrupt may have come before there was a child to kill
