"""What a slot has its child do: look into a file, or carry out the jobs of an order.

A child that dies is given a second chance, for an earlier photo may have been at fault: another child does what was
left, each job alone, so that only the culprit fails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import structlog

from darkroom.errors import ProcessError
from darkroom.jobs.specs import Job
from darkroom.settings import Settings
from darkroom.sniff import Sniffed
from worker.child.main import Failure, Outcome, Work
from worker.child.process import Child
from worker.child.sandbox import Limits

log = structlog.get_logger()

Check = Callable[[], None]
"""Raises when the work is no longer ours, or not to be finished here."""


class Pixels:
    """Owned by one slot; its files are in `folder`."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        limits = Limits(settings.child_memory, folder)
        self._child = Child(settings.max_pixels, settings.child_orders, limits)
        self._time_limit = settings.time_limit

    def interrupt(self) -> None:
        """Kill the child in the middle of its work. For threads other than the slot's."""
        self._child.interrupt()

    def close(self) -> None:
        self._child.stop()

    def look(self, path: Path, check: Check) -> Sniffed:
        """What a file is, by its header: a decoder that crashes over one must not take the worker along.

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

    def process(self, work: Work, check: Check) -> Iterator[Outcome]:
        """All jobs in one child, with one decode. If it dies, what is unfinished runs once more, each job
        alone in a fresh child."""
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

    def _alone(self, job_id: str, job: Job, work: Work, check: Check) -> Iterator[Outcome]:
        try:
            yield from self._run(Work(work.original, {job_id: job}, work.directory), check)
        except ProcessError as error:
            check()
            yield Outcome(job_id, Failure(error.code, error.detail))
        finally:
            self._child.stop()

    def _run(self, work: Work, check: Check) -> Iterator[Outcome]:
        self._start(check)
        return self._child.run(work, self._time_limit)

    def _look(self, path: Path, check: Check) -> Sniffed:
        self._start(check)
        return self._child.look(path, self._time_limit)

    def _start(self, check: Check) -> None:
        self._child.start()
        check()  # an interrupt that came before there was a child to kill
