"""What callers see of a photo: the bodies of answers and events, made from the record."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

from darkroom.jobs import Job, MetadataJob, PictureJob, PipelineJob, Resize
from darkroom.record import JobRecord, JobStatus, PhotoRecord, PhotoStatus

# One form in answers and events: 2026-01-31T12:00:00.123Z
Time = Annotated[
    datetime, PlainSerializer(lambda at: at.isoformat(timespec="milliseconds").replace("+00:00", "Z"), return_type=str)
]


class View(BaseModel):
    model_config = ConfigDict(frozen=True)


class OriginalView(View):
    """Width and height are pixels as stored, before EXIF orientation."""

    filename: str
    content_type: str
    size: int = Field(description="bytes")
    sha256: str
    width: int
    height: int


class ResultView(View):
    filename: str
    content_type: str
    size: int = Field(description="bytes")
    sha256: str
    width: int | None = Field(description="pixels; null for metadata")
    height: int | None
    seconds: dict[str, float] = Field(description="how long each part of the work took")
    versions: dict[str, str] = Field(description="what made it")


class ErrorView(View):
    code: str
    detail: str


class JobView(View):
    id: str
    type: str
    status: JobStatus
    attempts: int
    spec: Job
    result: ResultView | None
    error: ErrorView | None = Field(description="of the last attempt, unless the job succeeded")
    links: dict[str, str]


class PhotoView(View):
    id: str
    status: PhotoStatus
    created_at: Time
    owner: str
    batch: str | None
    reference: str | None
    metadata: dict[str, Any]
    original: OriginalView | None
    jobs: list[JobView]
    counts: dict[JobStatus, int] = Field(description="jobs by status")
    expires_at: Time | None
    links: dict[str, str]


class Event(View):
    """A message to whoever waits. The id is the same for every repetition."""

    id: str
    type: str
    timestamp: Time
    data: dict[str, Any]


def photo_view(photo: PhotoRecord, base_url: str) -> PhotoView:
    self_link = f"{base_url}/v1/photos/{photo.id}"
    return PhotoView(
        id=photo.id,
        status=photo.status,
        created_at=photo.created_at,
        owner=photo.owner,
        batch=photo.batch,
        reference=photo.reference,
        metadata=photo.metadata,
        original=OriginalView.model_validate(photo.original.model_dump()) if photo.original else None,
        jobs=[job_view(photo, job, base_url) for job in photo.jobs.values()],
        counts=photo.counts,
        expires_at=photo.expires_at,
        links={"self": self_link, "jobs": f"{self_link}/jobs", "cancel": f"{self_link}/cancel"},
    )


def job_view(photo: PhotoRecord, job: JobRecord, base_url: str) -> JobView:
    self_link = f"{base_url}/v1/photos/{photo.id}/jobs/{job.id}"
    links = {"self": self_link, "photo": f"{base_url}/v1/photos/{photo.id}"}
    if job.status == "succeeded":
        links["result"] = f"{self_link}/result"
    elif job.status in ("failed", "cancelled"):
        links["retry"] = f"{self_link}/retry"
    error = job.errors[-1] if job.errors and job.status != "succeeded" else None
    return JobView(
        id=job.id,
        type=job.spec.type,
        status=job.status,
        attempts=job.attempts,
        spec=job.spec,
        result=ResultView.model_validate(job.result.model_dump()) if job.result else None,
        error=ErrorView(code=error.code, detail=error.detail) if error else None,
        links=links,
    )


def photo_completed(photo: PhotoRecord, base_url: str) -> Event:
    ended = max((job.ended_at for job in photo.jobs.values() if job.ended_at), default=photo.created_at)
    return Event(
        id=photo.event_id("photo.completed"),
        type="photo.completed",
        timestamp=ended,
        # The specs of 50 jobs could be larger than a message may be; the link leads to them.
        data=photo_view(photo, base_url).model_dump(mode="json", exclude={"jobs": {"__all__": {"spec"}}}),
    )


def job_ended(photo: PhotoRecord, job: JobRecord, base_url: str) -> Event:
    kind = "job.succeeded" if job.status == "succeeded" else "job.failed"
    return Event(
        id=photo.event_id(kind, job),
        type=kind,
        timestamp=job.ended_at or photo.created_at,
        data={"photo": photo.id, "owner": photo.owner, "reference": photo.reference}
        | {"job": job_view(photo, job, base_url).model_dump(mode="json")},
    )


def result_filename(photo_filename: str, job: Job, extension: str) -> str:
    """A name to download a result by: `beach.heic` resized to 800 becomes `beach-800.jpg`."""
    stem = photo_filename.rpartition(".")[0] or photo_filename
    return f"{stem}-{_what(job)}.{extension}"


def _what(job: Job) -> str:
    match job:
        case Resize():
            return "x".join(str(side) for side in (job.width, job.height) if side) if job.width else f"x{job.height}"
        case MetadataJob() | PipelineJob():
            return job.type
        case PictureJob():
            return str(job.filter)
