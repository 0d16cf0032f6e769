"""A job of a photo: its status, its attempts with their errors, and its result."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import Field, field_serializer

from darkroom.errors import ClaimLost, DarkroomError
from darkroom.jobs.job_types import Job
from darkroom.record.clock import now
from darkroom.record.stored import Result, Stored, shortened

JobStatus = Literal["queued", "processing", "succeeded", "failed", "cancelled"]

UNFINISHED = ("queued", "processing")

KEPT_ERRORS = 5
KEPT_EARLIER_ERRORS = 1
"""How many errors a job keeps: of those since its last redrive, and of those from before it."""


class AttemptError(Stored):
    """The error that ended one attempt. Each redrive starts the count of attempts again; `redrive` says after how many
    redrives this attempt was."""

    attempt: int
    code: str
    detail: str
    at: datetime
    redrive: int = 0


class JobRecord(Stored):
    """One job. `attempts` counts since the last redrive, and only attempts that count (see Order.attempts)."""

    id: str
    spec: Job
    status: JobStatus = "queued"
    attempts: int = 0
    errors: list[AttemptError] = Field(default_factory=list)
    redrive_count: int = 0
    result: Result | None = None
    queued_at: datetime
    ended_at: datetime | None = None

    @field_serializer("spec")
    def _whole(self, spec: Job) -> dict[str, Any]:
        """Specs are stored with their defaults, which may change in a later release."""
        return spec.model_dump(mode="json", exclude_none=True)

    @property
    def name(self) -> str | None:
        return self.spec.name

    @property
    def unfinished(self) -> bool:
        return self.status in UNFINISHED

    def start(self, attempt: int) -> None:
        """A worker has claimed the job's order."""
        if self.status == "processing":  # the earlier worker did not record how its attempt ended
            self._add_error(ClaimLost("the worker that had this job died or lost its lease"))
        self.status, self.attempts = "processing", attempt

    def requeue(self, error: DarkroomError, attempts: int) -> None:
        """Set the job to queued; `error` ended its attempt. `attempts`: how many attempts count so far."""
        self._add_error(error)
        self.status, self.attempts = "queued", attempts

    def redrive(self) -> None:
        """Queue a failed job again, with fresh attempts."""
        self.status, self.attempts, self.queued_at, self.ended_at = "queued", 0, now(), None
        self.redrive_count += 1

    def succeed(self, result: Result) -> None:
        self.result = result
        self._end("succeeded")

    def fail(self, error: DarkroomError) -> None:
        self._add_error(error)
        self._end("failed")

    def cancel(self) -> None:
        self._end("cancelled")

    def forget_content(self) -> None:
        """The photo was deleted or has expired: its record must not keep a result that it holds itself."""
        if self.result:
            self.result.content = None

    def _end(self, status: JobStatus) -> None:
        self.status, self.ended_at = status, now()

    def _add_error(self, error: DarkroomError) -> None:
        """Keep the error that ended an attempt. It replaces the error of an earlier claim with the same attempt number,
        which did not count."""
        added = AttemptError(
            attempt=self.attempts,
            code=error.code,
            detail=shortened(error.detail),
            at=now(),
            redrive=self.redrive_count,
        )
        earlier = [one for one in self.errors if one.redrive != self.redrive_count]
        recent = [one for one in self.errors if one.redrive == self.redrive_count and one.attempt != self.attempts]
        self.errors = earlier[-KEPT_EARLIER_ERRORS:] + [*recent, added][-KEPT_ERRORS:]
