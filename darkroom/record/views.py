"""A photo and its jobs as callers see them: the bodies of responses, made from the record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

from darkroom.jobs.job_types import Job
from darkroom.photo_metadata.measures import ShortMeasures
from darkroom.record.delivery import Callback
from darkroom.record.job import JobRecord, JobStatus
from darkroom.record.photo import PhotoRecord
from darkroom.record.source import without_query
from darkroom.record.state import COMPLETED, PhotoStatus

Time = Annotated[
    datetime, PlainSerializer(lambda at: at.isoformat(timespec="milliseconds").replace("+00:00", "Z"), return_type=str)
]
"""Times have one form in responses and events: 2026-01-31T12:00:00.123Z."""


class View(BaseModel):
    model_config = ConfigDict(frozen=True, from_attributes=True)


class OriginalView(View):
    """Width and height are pixels as stored, before EXIF orientation."""

    filename: str
    content_type: str
    size: int = Field(description="bytes")
    sha256: str
    width: int
    height: int
    frames: int = Field(description="of an animation; 1 for a still photo")


class UploadView(View):
    """A file that has not arrived yet, or that was rejected."""

    filename: str = Field(description="empty when the caller gave none")
    until: Time = Field(description="when the form for it expires")


class SourceView(View):
    """Where a worker fetches the photo's file, or has fetched it."""

    url: str = Field(description="without its query, which may hold a signature")


class WarningView(View):
    code: str = Field(description="one of `warnings` in GET /v1/operations")
    detail: str = Field(description="what was repaired, ignored or lost, as a sentence")


class ResultView(View):
    filename: str
    content_type: str
    size: int = Field(description="bytes")
    sha256: str
    width: int | None = Field(description="pixels; null for metadata")
    height: int | None
    frames: int | None = Field(description="of an animation; null for other results")
    duration_seconds: float | None = Field(description="for which all frames of an animation are shown once")
    seconds: dict[str, float] = Field(description="how long each part of the work took, in seconds")
    versions: dict[str, str] = Field(description="versions of the software that made it")
    warnings: list[WarningView] = Field(description="what was repaired, ignored or lost on the way to this result")
    measures: ShortMeasures | None = Field(
        None, description="what a metadata job with `in_events` has measured; null for other jobs"
    )


class ErrorView(View):
    code: str
    detail: str


class AttemptView(ErrorView):
    """The error that ended an attempt. Each redrive starts the count of attempts again."""

    attempt: int
    at: Time
    redrive: int = Field(description="how often the job had been redriven before this attempt")


class JobOutcomeView(View):
    """A job as it stands in the event of its photo."""

    id: str
    name: str | None = Field(description="what the caller or the preset has named the result")
    type: str
    status: JobStatus
    attempts: int
    result: ResultView | None
    error: ErrorView | None = Field(description="of the last attempt, unless the job succeeded")
    links: dict[str, str]


class JobView(JobOutcomeView):
    spec: Job
    errors: list[AttemptView] = Field(description="the last error of each attempt; only the latest attempts are kept")


class DeliveryView(View):
    """The delivery of one webhook of a photo or a batch."""

    event: str = Field(description="its webhook-id")
    attempts: int
    next_at: Time | None = Field(description="when the next attempt is due")
    delivered_at: Time | None
    given_up_at: Time | None
    last_error: str | None


class CallbackView(View):
    url: str
    deliveries: list[DeliveryView] = Field(description="one each time that all jobs had ended; the latest ones")


class PhotoOutcomeView(View):
    """A photo as it stands in its event. Specs and errors of 50 jobs can be larger than a message may be; the photo's
    link leads to them. The callback is left out because its URL may hold a password."""

    id: str
    status: PhotoStatus
    generation: int = Field(description="raised when a photo that had ended gets more work")
    created_at: Time
    owner: str
    batch: str | None
    reference: str | None
    metadata: dict[str, Any]
    original: OriginalView | None
    upload: UploadView | None = Field(description="of a direct upload that has no original")
    source: SourceView | None = Field(None, description="of a photo that was given by its URL")
    jobs: Sequence[JobOutcomeView]
    counts: dict[JobStatus, int] = Field(description="jobs by status")
    expires_at: Time | None
    links: dict[str, str]


class CompletedPhotoView(PhotoOutcomeView):
    """`data` of the event photo.completed."""

    ended_generation: int = Field(description="the generation whose jobs have ended; `generation` is the current one")


class PhotoView(PhotoOutcomeView):
    jobs: list[JobView]
    callback: CallbackView | None = Field(description="where a webhook is sent when all jobs have ended")


EmbedLink = Callable[[PhotoRecord, JobRecord], str | None]
"""The address under which web pages show a result; None if there is none."""


def _no_embed(photo: PhotoRecord, job: JobRecord) -> None:  # noqa: ARG001
    return None


def photo_view(photo: PhotoRecord, base_url: str, embed: EmbedLink = _no_embed) -> PhotoView:
    self_link = f"{base_url}/v1/photos/{photo.id}"
    return PhotoView(
        id=photo.id,
        status=photo.status,
        generation=photo.generation,
        created_at=photo.created_at,
        owner=photo.owner,
        batch=photo.batch,
        reference=photo.reference,
        metadata=photo.metadata,
        original=photo.original,
        upload=None if photo.source_url else photo.upload,
        source=SourceView(url=without_query(photo.source_url)) if photo.source_url else None,
        callback=callback_view(photo.callback, lambda number: photo.event_id(COMPLETED, generation=number)),
        jobs=[job_view(photo, job, base_url, embed) for job in photo.jobs.values()],
        counts=photo.counts,
        expires_at=photo.expires_at,
        links={name: f"{self_link}/{name}" for name in ("jobs", "cancel", "events", "archive")} | {"self": self_link},
    )


def callback_view(callback: Callback | None, event_id: Callable[[int], str]) -> CallbackView | None:
    """`event_id`: of a generation."""
    if callback is None:
        return None
    deliveries = [
        DeliveryView(event=event_id(number), **delivery.model_dump())
        for number, delivery in sorted(callback.deliveries.items())
    ]
    return CallbackView(url=callback.url, deliveries=deliveries)


def job_view(photo: PhotoRecord, job: JobRecord, base_url: str, embed: EmbedLink = _no_embed) -> JobView:
    self_link = f"{base_url}/v1/photos/{photo.id}/jobs/{job.id}"
    photo_link = f"{base_url}/v1/photos/{photo.id}"
    links = {"self": self_link, "photo": photo_link}
    if job.name:
        links["named_result"] = f"{photo_link}/results/{job.name}"
    if job.status == "succeeded":
        links |= {"result": f"{self_link}/result", "receipt": f"{self_link}/receipt"}
    elif job.status in ("failed", "cancelled"):
        links["retry"] = f"{self_link}/retry"
    if job.status not in ("failed", "cancelled") and (address := embed(photo, job)):
        links["embed"] = address
    error = job.errors[-1] if job.errors and job.status != "succeeded" else None
    return JobView(
        id=job.id,
        name=job.name,
        type=job.spec.type,
        status=job.status,
        attempts=job.attempts,
        spec=job.spec,
        result=job.result,
        error=error,
        errors=job.errors,
        links=links,
    )
