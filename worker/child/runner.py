"""What a worker uses its child processes for: to read a file's header, or to do the jobs of an order.

A worker handles more messages at a time than it has children. A message has a child only while its pixels are in work,
not while its photo is downloaded or its results are uploaded. Messages get children in the order in which they ask.

If a child dies, an earlier photo may be at fault. So a new child does what is left, one job at a time, and only the
job that kills its child again fails.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import structlog

from darkroom.errors import Interrupted, LeaseLost, ProcessError
from darkroom.jobs.job_types import Job, assets_of
from darkroom.settings import Settings
from darkroom.sniff import Sniffed
from worker.child.asset_cache import AssetCache
from worker.child.limits import ChildLimits
from worker.child.line import Line
from worker.child.process import Child, ProgressReports
from worker.child.protocol import Failure, JobOutcome
from worker.child.workspace import Workspace
from worker.lease import Lease, Stage

log = structlog.get_logger()

CLAIMED_AHEAD = 2
"""Orders for each child that may be claimed before a child is free for them. Then no child waits for the claim of its
next order. There are not more, because a claim counts as an attempt if the worker dies."""

MOST_WAITING_RESULTS = 1024**3
"""Bytes of results that may wait for their upload while their child serves the next order. An order that would exceed
this keeps its child until its results are uploaded, so that the disk space of a worker is bounded."""


@dataclass(frozen=True)
class ChildWork:
    """Jobs by id, the file of their original, and the files of the assets that they name, by id. The files of the
    results are made beside the original."""

    original: Path
    jobs: dict[str, Job]
    assets: Mapping[str, Path]

    def of_one(self, job_id: str) -> ChildWork:
        """The work of this job alone."""
        job = self.jobs[job_id]
        return ChildWork(self.original, {job_id: job}, {asset: self.assets[asset] for asset in assets_of(job)})


class PhotoProcessors:
    """The photo processors of a worker, one for each message that is handled at a time, and the `children` child
    processes that they share. Processors are made when needed and used again."""

    def __init__(self, settings: Settings, children: int) -> None:
        limits = ChildLimits(
            settings.child_memory,
            settings.max_pixels,
            settings.max_result_bytes,
            settings.max_frames,
            settings.max_animation_pixels,
            settings.extra_inputs,
        )
        self._settings = settings
        self._children = [Child(settings.child_orders, limits) for _ in range(children)]
        self.claim_permits = Line(range(children * (1 + CLAIMED_AHEAD)))
        self.free_children = Line(self._children)
        self.assets = AssetCache(settings.spool_dir, settings.asset_cache_bytes)
        self.interrupted = self.draining = False
        self._free: list[PhotoProcessor] = []
        self._in_use: set[PhotoProcessor] = set()
        self._waiting_results = 0
        self._lock = threading.Lock()

    @contextmanager
    def use(self, lease: Lease) -> Iterator[PhotoProcessor]:
        """A processor for the message of this lease."""
        with self._lock:
            processor = self._free.pop() if self._free else PhotoProcessor(self._settings, self)
            self._in_use.add(processor)
        try:
            with processor.working_on(lease):
                yield processor
        finally:
            with self._lock:
                self._in_use.remove(processor)
                self._free.append(processor)

    def start_children(self) -> None:
        """Start all children, so that the first photos do not wait for their start."""
        for child in self._children:
            child.start()

    def drain(self) -> None:
        """Let no further order begin: every `claim_permit` from now on raises Interrupted."""
        self.draining = True
        self.call_waiting()

    def interrupt(self) -> None:
        """Stop all work for good: every `check` from now on raises Interrupted."""
        self.interrupted = True
        with self._lock:
            for processor in self._in_use:
                processor.interrupt()

    def call_waiting(self) -> None:
        """Have every message that waits for a permit or a child check whether it may still go on."""
        self.claim_permits.call_all()
        self.free_children.call_all()

    def let_results_wait(self, size: int) -> bool:
        """Count results of `size` bytes as waiting for their upload. False if there are too many."""
        with self._lock:
            if self._waiting_results + size > MOST_WAITING_RESULTS:
                return False
            self._waiting_results += size
            return True

    def end_waiting(self, size: int) -> None:
        with self._lock:
            self._waiting_results -= size

    def close(self) -> None:
        """Stop the children, once no message is being handled."""
        for child in self._children:
            child.stop()
        for processor in self._free:
            processor.close()
        self.assets.close()


class PhotoProcessor:
    """Looks into files and does jobs, in a child process. It has its own folder. Serves one message at a time."""

    def __init__(self, settings: Settings, shared: PhotoProcessors) -> None:
        self._workspace = Workspace(settings.spool_dir)
        self._time_limit = settings.time_limit
        self._shared = shared
        self._child: Child | None = None
        self._lease: Lease | None = None
        self._waiting_results = 0
        self._lock = threading.Lock()

    @contextmanager
    def working_on(self, lease: Lease) -> Iterator[None]:
        """Work on the message of a lease; if the lease is lost, the child is killed."""
        self._lease = lease
        lease.on_loss(self.interrupt)
        try:
            yield
        finally:
            lease.on_loss(None)
            self._shared.end_waiting(self._waiting_results)
            self._waiting_results = 0

    def interrupt(self) -> None:
        """Kill the child in the middle of its work, or end the waiting for one. Called by other threads."""
        with self._lock:  # else it could be the child of another message by now
            if self._child:
                self._child.interrupt()
        self._shared.call_waiting()

    def close(self) -> None:
        self._workspace.close()

    def check(self) -> None:
        """Raises LeaseLost or Interrupted if the work on the message must not go on."""
        if self._lease is None or self._lease.lost:
            raise LeaseLost
        if self._shared.interrupted:
            raise Interrupted

    def check_begin(self) -> None:
        """Raises what `check` raises, and Interrupted when the worker has begun to stop: for orders that are not
        claimed."""
        self.check()
        if self._shared.draining:
            raise Interrupted

    def files(self) -> AbstractContextManager[Path]:
        """An empty folder for the files of one photo; it is removed afterwards. Raises OSError."""
        return self._workspace.files()

    @property
    def child_is_free(self) -> bool:
        """Whether the photo would get a child at once."""
        return self._shared.free_children.is_free and self._shared.claim_permits.is_free

    # --- a permit and a child -----------------------------------------------------------------------------------

    @contextmanager
    def claim_permit(self) -> Iterator[None]:
        """Wait until the order may be claimed, because a child is free or soon will be. Raises what `check` raises, and
        Interrupted when the worker has begun to stop."""
        permit = self._shared.claim_permits.take(self.check_begin)
        try:
            yield
        finally:
            self._shared.claim_permits.give_back(permit)

    @contextmanager
    def child(self, then: Stage = "after it") -> Iterator[float]:
        """Wait for a child. Returns how many seconds that took. `then`: the stage of the work after its part.
        Raises what `check` raises."""
        asked_at = time.monotonic()
        child = self._shared.free_children.take(self.check)
        with self._lock:
            self._child = child
        try:
            self._set_stage("in a child")
            yield time.monotonic() - asked_at
        finally:
            with self._lock:
                self._child = None
            try:
                self._start_again(child)
            finally:
                self._shared.free_children.give_back(child)
                self._set_stage(then)

    def _start_again(self, child: Child) -> None:
        """Start a child that was stopped, so that the next photo does not wait for its start."""
        if self._shared.interrupted:
            return
        try:
            child.start()
        except Exception as error:  # noqa: BLE001 - the next photo tries it again, and fails with this error
            log.warning("child.not_started", detail=f"{type(error).__name__}: {error}")

    def let_results_wait(self, size: int) -> bool:
        """Whether the child may serve the next order, while this one's results, of `size` bytes, wait for their
        upload."""
        if not self._shared.let_results_wait(size):
            return False
        self._waiting_results += size
        return True

    def _set_stage(self, stage: Stage) -> None:
        if self._lease:
            self._lease.on_stage(stage)

    # --- work in the child --------------------------------------------------------------------------------------

    def look(self, path: Path) -> Sniffed:
        """What a file is, by its header, read in a child because a decoder may crash. Tries twice.

        Raises what `sniff` raises, ProcessError, and what `check` raises.
        """
        with self.child(then="waiting"):
            try:
                return self._running_child().look(path, self._time_limit)
            except ProcessError as error:
                self.check()
                log.warning("child.lost", code=error.code, detail=error.detail)
            try:
                return self._running_child().look(path, self._time_limit)
            except ProcessError:
                self.check()
                raise

    def process(self, work: ChildWork, reports: ProgressReports | None = None) -> Generator[JobOutcome, None, None]:
        """Do all jobs in the child of this processor (`child`), with one decode. If the child dies, each unfinished job
        runs once more, alone in a new child. `reports` shows how far it is. Raises OSError if the files cannot be
        opened, and what `check` raises. Close the generator before the child is given back."""
        unfinished = dict(work.jobs)
        try:
            for outcome in self._run(work, reports):
                del unfinished[outcome.job]
                yield outcome
            return
        except ProcessError as error:
            self.check()
            log.warning("child.lost", code=error.code, detail=error.detail, unfinished=len(unfinished))
        for job_id in unfinished:
            yield from self._alone(job_id, work.of_one(job_id), reports)

    def _alone(self, job_id: str, work: ChildWork, reports: ProgressReports | None) -> Iterator[JobOutcome]:
        try:
            yield from self._run(work, reports)
        except ProcessError as error:
            self.check()
            yield JobOutcome(job_id, Failure(error.code, error.detail))
        finally:
            if self._child:
                self._child.stop()

    def _run(self, work: ChildWork, reports: ProgressReports | None) -> Iterator[JobOutcome]:
        company = tuple(work.jobs) if len(work.jobs) > 1 else ()
        for outcome in self._running_child().run(work.original, work.jobs, self._time_limit, work.assets, reports):
            yield replace(outcome, company=company)

    def _running_child(self) -> Child:
        """The child of this processor, running: an interrupt from now on kills it."""
        assert self._child is not None, "the caller holds `child`"
        self._child.start()
        self.check()  # an interrupt may have come before there was a child to kill
        return self._child
