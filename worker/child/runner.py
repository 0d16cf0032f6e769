"""What a worker uses its child processes for: to read a file's header, or to do the jobs of an order.

If a child dies, an earlier photo may be at fault. So a new child does what is left, one job at a time, and only the
job that kills its child again fails.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import structlog

from darkroom.errors import Interrupted, LeaseLost, ProcessError
from darkroom.jobs.job_types import Job
from darkroom.settings import Settings
from darkroom.sniff import Sniffed
from worker.child.limits import ChildLimits
from worker.child.process import Child
from worker.child.protocol import Failure, JobOutcome
from worker.child.workspace import Workspace
from worker.lease import Lease

log = structlog.get_logger()


class PhotoProcessors:
    """The photo processors of a worker, one for each message that is handled at a time. They are made when needed and
    used again."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._free: list[PhotoProcessor] = []
        self._in_use: set[PhotoProcessor] = set()
        self._interrupted = threading.Event()
        self._lock = threading.Lock()

    @contextmanager
    def use(self, lease: Lease) -> Iterator[PhotoProcessor]:
        """A processor for the message of this lease."""
        with self._lock:
            processor = self._free.pop() if self._free else PhotoProcessor(self._settings, self._interrupted)
            self._in_use.add(processor)
        try:
            with processor.working_on(lease):
                yield processor
        finally:
            with self._lock:
                self._in_use.remove(processor)
                self._free.append(processor)

    def interrupt(self) -> None:
        """Stop all work for good: every `check` from now on raises Interrupted."""
        self._interrupted.set()
        with self._lock:
            for processor in self._in_use:
                processor.interrupt()

    def close(self) -> None:
        """Stop the children, once no message is being handled."""
        for processor in self._free:
            processor.close()


class PhotoProcessor:
    """Looks into files and does jobs, in a child process. It has its own folder. Serves one message at a time."""

    def __init__(self, settings: Settings, interrupted: threading.Event) -> None:
        self._workspace = Workspace(settings.spool_dir)
        limits = ChildLimits(settings.child_memory, settings.max_pixels)
        self._child = Child(settings.child_orders, limits)
        self._time_limit = settings.time_limit
        self._interrupted = interrupted
        self._lease: Lease | None = None

    @contextmanager
    def working_on(self, lease: Lease) -> Iterator[None]:
        """Work on the message of a lease; if the lease is lost, the child is killed."""
        self._lease = lease
        lease.on_loss(self.interrupt)
        try:
            yield
        finally:
            lease.on_loss(None)

    def interrupt(self) -> None:
        """Kill the child in the middle of its work. Called by other threads."""
        self._child.interrupt()

    def close(self) -> None:
        self._child.stop()
        self._workspace.close()

    def check(self) -> None:
        """Raises LeaseLost or Interrupted if the work on the message must not go on."""
        if self._lease is None or self._lease.lost:
            raise LeaseLost
        if self._interrupted.is_set():
            raise Interrupted

    def files(self) -> AbstractContextManager[Path]:
        """An empty folder for the files of one photo; it is removed afterwards. Raises OSError."""
        return self._workspace.files()

    def look(self, path: Path) -> Sniffed:
        """What a file is, by its header, read in a child because a decoder may crash. Tries twice.

        Raises what `sniff` raises, ProcessError, and what `check` raises.
        """
        try:
            return self._look(path)
        except ProcessError as error:
            self.check()
            log.warning("child.lost", code=error.code, detail=error.detail)
        try:
            return self._look(path)
        except ProcessError:
            self.check()
            raise

    def process(self, original: Path, jobs: dict[str, Job]) -> Iterator[JobOutcome]:
        """Do all jobs in one child, with one decode. The files of the results are made beside the original. If the
        child dies, each unfinished job runs once more, alone in a new child. Raises OSError if the files cannot be
        opened, and what `check` raises."""
        unfinished = dict(jobs)
        try:
            for outcome in self._run(original, jobs):
                del unfinished[outcome.job]
                yield outcome
            return
        except ProcessError as error:
            self.check()
            log.warning("child.lost", code=error.code, detail=error.detail, unfinished=len(unfinished))
        for job_id, job in unfinished.items():
            yield from self._alone(original, job_id, job)

    def _alone(self, original: Path, job_id: str, job: Job) -> Iterator[JobOutcome]:
        try:
            yield from self._run(original, {job_id: job})
        except ProcessError as error:
            self.check()
            yield JobOutcome(job_id, Failure(error.code, error.detail))
        finally:
            self._child.stop()

    def _run(self, original: Path, jobs: dict[str, Job]) -> Iterator[JobOutcome]:
        self._start()
        return self._child.run(original, jobs, self._time_limit)

    def _look(self, path: Path) -> Sniffed:
        self._start()
        return self._child.look(path, self._time_limit)

    def _start(self) -> None:
        self._child.start()
        self.check()  # an interrupt may have come before there was a child to kill
