"""From outcomes to the record: store each result, then have the record name it."""

from __future__ import annotations

import time
from importlib.metadata import version
from types import TracebackType

import structlog

import darkroom
from darkroom.errors import DarkroomError
from darkroom.jobs.job_types import result_filename
from darkroom.record.keys import result_key
from darkroom.record.order import Claim
from darkroom.record.photo import PhotoRecord
from darkroom.record.stored import Result
from darkroom.services import Services
from worker.child.protocol import Failure, JobOutcome, ProducedFile

log = structlog.get_logger()

PUBLISH_EVERY = 2.0
"""Seconds. A long order shows its progress; a short one is written down once."""

VERSIONS = {"darkroom": darkroom.__version__, "pillow": version("pillow")}


class Publication:
    """The results of one claim. On leaving, what was stored but never published is removed."""

    def __init__(self, services: Services, photo: PhotoRecord, claim: Claim) -> None:
        self.photo = photo
        self._services = services
        self._claim = claim
        self._outcomes: dict[str, Result | DarkroomError] = {}
        self._last_publish = time.monotonic()

    def __enter__(self) -> Publication:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: TracebackType | None) -> None:
        self._remove_unpublished(self._outcomes)

    def add(self, outcome: JobOutcome) -> None:
        """Store a job's result, and publish now and then."""
        if isinstance(outcome.result, Failure):
            log.warning("job.failed", job=outcome.job, code=outcome.result.code, detail=outcome.result.detail)
            self._outcomes[outcome.job] = outcome.result.error
        else:
            self._outcomes[outcome.job] = self._store(outcome.job, outcome.result)
        if time.monotonic() - self._last_publish > PUBLISH_EVERY:
            self.publish()

    def _store(self, job_id: str, made: ProducedFile) -> Result:
        started = time.monotonic()
        key = result_key(self.photo.id, job_id, self._claim.fence, made.extension)
        with made.open() as file:
            self._services.bucket.put(key, file, made.content_type)
        made.path.unlink()
        seconds = made.seconds | {"store": time.monotonic() - started}
        filename = self.photo.original.filename if self.photo.original else self.photo.id
        result = Result(
            key=key,
            filename=result_filename(filename, self._claim.jobs[job_id], made.extension),
            content_type=made.content_type,
            size=made.size,
            sha256=made.sha256,
            width=made.width,
            height=made.height,
            seconds={part: round(value, 4) for part, value in seconds.items()},
            versions=VERSIONS,
        )
        log.info("job.stored", job=job_id, type=self._claim.jobs[job_id].type, size=made.size, seconds=result.seconds)
        return result

    def publish(self) -> None:
        """Write down what has ended. Raises ClaimLost when the order is somebody else's now, NotFound when the
        photo is gone."""
        if not self._outcomes:
            return
        self.photo, counted = self._services.table.update(
            self.photo.id, lambda record: record.publish(self._claim, self._outcomes), known=self.photo
        )
        not_counted = {job_id: outcome for job_id, outcome in self._outcomes.items() if job_id not in counted}
        self._outcomes = {}
        self._remove_unpublished(not_counted)
        self._last_publish = time.monotonic()

    def _remove_unpublished(self, outcomes: dict[str, Result | DarkroomError]) -> None:
        """Remove what was stored in vain: the order was lost or given back, or the job cancelled."""
        keys = {outcome.key for outcome in outcomes.values() if isinstance(outcome, Result)}
        if not keys:
            return
        try:
            # Read anew: a write whose answer was lost may have published them all the same.
            photo = self._services.table.get(self.photo.id)
            jobs = photo.jobs.values() if photo else []
            self._services.bucket.remove(keys - {job.result.key for job in jobs if job.result})
        except DarkroomError as error:
            log.warning("result.not_removed", keys=sorted(keys), detail=error.detail)  # deleting the photo removes it
