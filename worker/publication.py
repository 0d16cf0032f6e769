"""From outcomes to the record: store each result, then have the record name it."""

from __future__ import annotations

import time
from importlib.metadata import version
from types import TracebackType

import structlog

import darkroom
from darkroom.bucket import result_key
from darkroom.errors import DarkroomError, Unavailable
from darkroom.record import Claim, PhotoRecord, Result
from darkroom.services import Services
from darkroom.views import result_filename
from worker.child import Failure, Outcome

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
        # What is left here never reached the record, unless the last write's answer was lost.
        if not isinstance(error, Unavailable):
            self._remove(self._outcomes)

    def add(self, outcome: Outcome) -> None:
        """Store a job's result, and publish now and then."""
        if isinstance(outcome.result, Failure):
            log.warning("job.failed", job=outcome.job, code=outcome.result.code, detail=outcome.result.detail)
            self._outcomes[outcome.job] = outcome.result.error
        else:
            started = time.monotonic()
            result, spec = outcome.result, self._claim.jobs[outcome.job]
            key = result_key(self.photo.id, outcome.job, self._claim.number, result.extension)
            self._services.bucket.put(key, result.path, result.content_type)
            result.path.unlink()
            filename = self.photo.original.filename if self.photo.original else self.photo.id
            self._outcomes[outcome.job] = Result(
                key=key,
                filename=result_filename(filename, spec, result.extension),
                content_type=result.content_type,
                size=result.size,
                sha256=result.sha256,
                width=result.width,
                height=result.height,
                seconds=result.seconds | {"store": round(time.monotonic() - started, 4)},
                versions=VERSIONS,
            )
            log.info("job.stored", job=outcome.job, type=spec.type, size=result.size, seconds=result.seconds)
        if time.monotonic() - self._last_publish > PUBLISH_EVERY:
            self.publish()

    def publish(self) -> None:
        """Write down what has ended. Raises ClaimLost when the order is somebody else's now, NotFound when the
        photo is gone."""
        if not self._outcomes:
            return
        self.photo, counted = self._services.table.update(
            self.photo.id, lambda record: record.publish(self._claim, self._outcomes), known=self.photo
        )
        cancelled = {job_id: outcome for job_id, outcome in self._outcomes.items() if job_id not in counted}
        self._outcomes = {}
        self._remove(cancelled)
        self._last_publish = time.monotonic()

    def _remove(self, outcomes: dict[str, Result | DarkroomError]) -> None:
        keys = [outcome.key for outcome in outcomes.values() if isinstance(outcome, Result)]
        try:
            self._services.bucket.remove(keys)
        except Unavailable as error:
            log.warning("result.not_removed", keys=keys, detail=error.detail)  # deleting the photo removes it
