"""Stores the results of an order, and then publishes them: writes their keys to the record.

Results are stored while the child still works on the next ones, several at a time.
A small result that the API itself answers with, such as metadata, is not stored in the bucket: the record holds it.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, Future
from contextvars import copy_context
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from types import TracebackType

import structlog

import darkroom
from darkroom.aws.write_check import MayWrite
from darkroom.errors import ChildDied, DarkroomError, Unavailable, WrongHash
from darkroom.jobs.job_types import JOB_TYPES, result_filename
from darkroom.record.clock import now
from darkroom.record.keys import result_key
from darkroom.record.order import Claim
from darkroom.record.photo import PhotoRecord
from darkroom.record.step_progress import StepProgress
from darkroom.record.stored import MAX_CONTENT, RecordFull, Result
from darkroom.services import Services
from worker.child.process import ProgressReports
from worker.child.protocol import Failure, JobOutcome, ProducedFile

log = structlog.get_logger()

PUBLISH_EVERY = 2.0
"""Seconds between two updates of the record. A long order shows which jobs have ended, and its step; a short one needs
one update."""


def _versions() -> dict[str, str]:
    """What makes the pixels of results. Without cykooz-resizer, Pillow resamples (operations/resampling.py)."""
    versions = {"darkroom": darkroom.__version__, "pillow": version("pillow")}
    with contextlib.suppress(PackageNotFoundError):
        versions["cykooz-resizer"] = version("cykooz-resizer")
    return versions


VERSIONS = _versions()


class Publication:
    """The results of one claim. At the end of its block it removes stored results that were not published."""

    def __init__(
        self, services: Services, photo: PhotoRecord, claim: Claim, may_write: MayWrite, transfers: Executor
    ) -> None:
        """`claim`: its fence and its jobs count here. `may_write` knows whether it still holds, and raises an error if
        it does not (`Attempt.may_write`). `transfers`: threads that transfer files."""
        self.photo = photo
        self._may_write = may_write
        self._left = set(claim.jobs)
        self._services = services
        self._claim = claim
        self._transfers = transfers
        self._storing: dict[str, Future[Result | ChildDied]] = {}
        self._last: JobOutcome | None = None
        self._outcomes: dict[str, Result | DarkroomError] = {}
        self._bytes = 0
        self._progress: StepProgress | None = None
        self._last_publish = time.monotonic()

    def __enter__(self) -> Publication:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: TracebackType | None) -> None:
        for job_id, stored in self._storing.items():
            stored.cancel()
            if not stored.cancelled() and stored.exception() is None:
                self._outcomes[job_id] = stored.result()
        self._remove_unpublished(self._outcomes)

    def add(self, outcome: JobOutcome) -> None:
        """Begin to store a job's result; `publish` stores the last one. Publish what is stored if the last update is
        more than PUBLISH_EVERY seconds ago."""
        self._left.discard(outcome.job)
        if isinstance(outcome.result, Failure):
            self._fail(outcome.job, outcome.result.error)
        else:
            self._bytes += outcome.result.size
            if self._left:
                store = partial(copy_context().run, self._store, outcome.job, outcome.result, outcome.company)
                self._storing[outcome.job] = self._transfers.submit(store)
            else:
                self._last = outcome
        if self._left and time.monotonic() - self._last_publish > PUBLISH_EVERY:
            self._collect([job_id for job_id, stored in self._storing.items() if stored.done()])
            self._publish()

    def reports(self, check: Callable[[], None]) -> ProgressReports:
        """What shows the step of a child that begins now, if it takes longer than PUBLISH_EVERY. `check` raises an
        error if the work must not go on."""

        def show(progress: StepProgress) -> None:
            check()
            self.show(progress)

        return ProgressReports(PUBLISH_EVERY, show)

    def show(self, progress: StepProgress) -> None:
        """Publish the step of the child, and what is stored, if the last update is more than PUBLISH_EVERY seconds ago.

        Raises ClaimLost if another worker has the order, NotFound if the photo is gone.
        """
        if progress == self._progress:
            return
        self._progress = progress
        if time.monotonic() - self._last_publish > PUBLISH_EVERY:
            self._collect([job_id for job_id, stored in self._storing.items() if stored.done()])
            try:
                self._publish(even_without_outcomes=True)
            except Unavailable as error:  # the results will be published all the same
                log.warning("progress.not_shown", detail=error.detail)

    @property
    def size(self) -> int:
        """Bytes of all results."""
        return self._bytes

    def fail(self, jobs: Iterable[str], error: DarkroomError) -> None:
        """Publish that all these jobs failed with this error."""
        for job_id in jobs:
            self._left.discard(job_id)
            self._fail(job_id, error)
        self.publish()

    def _fail(self, job_id: str, error: DarkroomError) -> None:
        log.warning("job.failed", job=job_id, code=error.code, detail=error.detail)
        self._outcomes[job_id] = error

    def _store(self, job_id: str, file: ProducedFile, company: tuple[str, ...]) -> Result | ChildDied:
        started = time.monotonic()
        key = None
        original = self.photo.original.filename if self.photo.original else self.photo.id
        filename = result_filename(original, self._claim.jobs[job_id], file.extension)
        try:
            content = self._content_for_the_record(job_id, file)
            if content is None:
                key = result_key(self.photo.id, job_id, self._claim.fence, file.extension)
                with file.open() as source:
                    self._services.bucket.put(
                        key, source, file.content_type, file.sha256, self._may_write, served_as=filename
                    )
        except WrongHash:
            return ChildDied("the child process answered with a hash that its file does not have")
        file.path.unlink()
        seconds = file.seconds | {"store": time.monotonic() - started}
        result = Result(
            key=key,
            content=content,
            filename=filename,
            content_type=file.content_type,
            size=file.size,
            sha256=file.sha256,
            width=file.width,
            height=file.height,
            frames=file.frames,
            duration_seconds=file.duration,
            seconds={part: round(value, 4) for part, value in seconds.items()},
            versions=VERSIONS,
            warnings=file.warnings,
            making=file.making,
            measures=file.measures,
            company=company,
        )
        log.info("job.stored", job=job_id, type=self._claim.jobs[job_id].type, size=file.size, seconds=result.seconds)
        return result

    def _content_for_the_record(self, job_id: str, file: ProducedFile) -> str | None:
        """The text of a file that the record can hold; None for any other. Raises WrongHash."""
        if not JOB_TYPES[self._claim.jobs[job_id].type].inline or file.size > MAX_CONTENT:
            return None
        with file.open() as source:
            data = source.read(MAX_CONTENT)
        if hashlib.sha256(data).hexdigest() != file.sha256:
            raise WrongHash
        try:
            return data.decode()
        except UnicodeDecodeError:
            return None

    def _move_contents_to_the_bucket(self) -> None:
        """Store the results in the bucket that the record cannot hold."""
        for job_id, outcome in self._outcomes.items():
            if isinstance(outcome, Result) and outcome.content is not None:
                key = result_key(self.photo.id, job_id, self._claim.fence, outcome.filename.rpartition(".")[2])
                source = io.BytesIO(outcome.content.encode())
                self._services.bucket.put(
                    key, source, outcome.content_type, outcome.sha256, self._may_write, served_as=outcome.filename
                )
                self._outcomes[job_id] = outcome.model_copy(update={"key": key, "content": None})

    def store(self) -> None:
        """Wait until all results are stored. Raises what prevented one of them."""
        last, self._last = self._last, None
        if last and isinstance(last.result, ProducedFile):
            self._outcomes[last.job] = self._store(last.job, last.result, last.company)
        self._collect(list(self._storing))

    def publish(self) -> None:
        """Store what is left, and write all outcomes to the record. Raises ClaimLost if another worker has the order,
        NotFound if the photo is gone."""
        self.store()
        self._publish()

    def _collect(self, job_ids: Iterable[str]) -> None:
        for job_id in job_ids:
            self._outcomes[job_id] = self._storing[job_id].result()
            del self._storing[job_id]

    def _publish(self, even_without_outcomes: bool = False) -> None:
        if not (self._outcomes or even_without_outcomes):
            return
        try:
            counted = self._update()
        except RecordFull:
            self._move_contents_to_the_bucket()
            counted = self._update()
        not_counted = {job_id: outcome for job_id, outcome in self._outcomes.items() if job_id not in counted}
        self._outcomes = {}
        self._remove_unpublished(not_counted)
        self._last_publish = time.monotonic()

    def _update(self) -> set[str]:
        """Write the outcomes to the record. Returns the ids of the jobs that they ended."""
        ended = not self._left and not self._storing and not self._last
        self.photo, counted = self._services.table.update(
            self.photo.id,
            lambda record: record.publish(self._claim, self._outcomes, last=ended, progress=self._progress),
            known=self.photo,
        )
        return counted

    def _remove_unpublished(self, outcomes: dict[str, Result | DarkroomError]) -> None:
        """Remove results that the record does not name: the order was lost or given back, or the job cancelled."""
        keys = {outcome.key for outcome in outcomes.values() if isinstance(outcome, Result) and outcome.key}
        if not keys:
            return
        try:
            # Read the record again: an update whose answer was lost may have published them.
            photo = self._services.table.get(self.photo.id)
            jobs = photo.jobs.values() if photo else []
            self._services.bucket.remove(keys - {job.result.key for job in jobs if job.result})
        except DarkroomError as error:
            log.warning("result.not_removed", keys=sorted(keys), detail=error.detail)
            self._leave_to_the_sweep()

    def _leave_to_the_sweep(self) -> None:
        try:
            self._services.table.update(self.photo.id, lambda record: record.expect_late_writes(now()))
        except DarkroomError as error:
            # The message is not deleted without the table, and the next worker that receives it removes the results.
            log.warning("result.not_noted", detail=error.detail)
