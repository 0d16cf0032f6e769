"""Stores the results of an order, and then publishes them: writes their keys to the record."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable
from importlib.metadata import PackageNotFoundError, version
from types import TracebackType

import structlog

import darkroom
from darkroom.errors import DarkroomError
from darkroom.jobs.job_types import result_filename
from darkroom.record.clock import now
from darkroom.record.keys import result_key
from darkroom.record.order import Claim
from darkroom.record.photo import PhotoRecord
from darkroom.record.stored import Result
from darkroom.services import Services
from worker.child.protocol import Failure, JobOutcome, ProducedFile

log = structlog.get_logger()

PUBLISH_EVERY = 2.0
"""Seconds between two updates of the record. A long order shows its progress; a short one needs one update."""


def _versions() -> dict[str, str]:
    """What makes the pixels of results. Without cykooz-resizer, Pillow resamples (worker/photo/resampling.py)."""
    versions = {"darkroom": darkroom.__version__, "pillow": version("pillow")}
    with contextlib.suppress(PackageNotFoundError):
        versions["cykooz-resizer"] = version("cykooz-resizer")
    return versions


VERSIONS = _versions()


class Publication:
    """The results of one claim. At the end of its block it removes stored results that were not published."""

    def __init__(self, services: Services, photo: PhotoRecord, claim: Claim, check: Callable[[], None]) -> None:
        """`check`: raises an error if the work must not go on (`PhotoProcessor.check`)."""
        self.photo = photo
        self._check = check
        self._left = set(claim.jobs)
        self._services = services
        self._claim = claim
        self._outcomes: dict[str, Result | DarkroomError] = {}
        self._last_publish = time.monotonic()

    def __enter__(self) -> Publication:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: TracebackType | None) -> None:
        self._remove_unpublished(self._outcomes)

    def add(self, outcome: JobOutcome) -> None:
        """Store a job's result. Publish if the last update is more than PUBLISH_EVERY seconds ago."""
        if isinstance(outcome.result, Failure):
            self._fail(outcome.job, outcome.result.error)
        else:
            self._outcomes[outcome.job] = self._store(outcome.job, outcome.result)
            self._left.discard(outcome.job)
        if time.monotonic() - self._last_publish > PUBLISH_EVERY:
            self.publish()

    def fail(self, jobs: Iterable[str], error: DarkroomError) -> None:
        """Publish that all these jobs failed with this error."""
        for job_id in jobs:
            self._fail(job_id, error)
        self.publish()

    def _fail(self, job_id: str, error: DarkroomError) -> None:
        log.warning("job.failed", job=job_id, code=error.code, detail=error.detail)
        self._outcomes[job_id] = error
        self._left.discard(job_id)

    def _store(self, job_id: str, file: ProducedFile) -> Result:
        started = time.monotonic()
        key = result_key(self.photo.id, job_id, self._claim.fence, file.extension)
        with file.open() as content:
            self._services.bucket.put(key, content, file.content_type, file.sha256, self._may_write)
        file.path.unlink()
        seconds = file.seconds | {"store": time.monotonic() - started}
        filename = self.photo.original.filename if self.photo.original else self.photo.id
        result = Result(
            key=key,
            filename=result_filename(filename, self._claim.jobs[job_id], file.extension),
            content_type=file.content_type,
            size=file.size,
            sha256=file.sha256,
            width=file.width,
            height=file.height,
            seconds={part: round(value, 4) for part, value in seconds.items()},
            versions=VERSIONS,
        )
        log.info("job.stored", job=job_id, type=self._claim.jobs[job_id].type, size=file.size, seconds=result.seconds)
        return result

    def _may_write(self) -> None:
        """Raises what `check` raises, and ClaimLost when the time of the claim is over."""
        self._check()
        self._claim.require_time()

    def publish(self) -> None:
        """Write the outcomes to the record. Raises ClaimLost if another worker has the order, NotFound if the photo
        is gone."""
        if not self._outcomes:
            return
        self.photo, counted = self._services.table.update(
            self.photo.id,
            lambda record: record.publish(self._claim, self._outcomes, last=not self._left),
            known=self.photo,
        )
        not_counted = {job_id: outcome for job_id, outcome in self._outcomes.items() if job_id not in counted}
        self._outcomes = {}
        self._remove_unpublished(not_counted)
        self._last_publish = time.monotonic()

    def _remove_unpublished(self, outcomes: dict[str, Result | DarkroomError]) -> None:
        """Remove results that the record does not name: the order was lost or given back, or the job cancelled."""
        keys = {outcome.key for outcome in outcomes.values() if isinstance(outcome, Result)}
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
