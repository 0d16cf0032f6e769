"""What callers see of a photo: the bodies of answers and events, made from the record."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

from darkroom.jobs.job_types import Job
from darkroom.record.job import JobRecord, JobStatus
from darkroom.record.order import Order
from darkroom.record.photo import PhotoRecord
from darkroom.record.state import PhotoStatus

# One form in answers and events: 2026-01-31T12:00:00.123Z
Time = Annotated[
    datetime, PlainSerializer(lambda at: at.isoformat(timespec="milliseconds").replace("+00:00", "Z"), return_type=str)
]


DEAD_MESSAGE_KEPT = timedelta(days=14)
"""How long the dead-letter queue keeps a message: the longest that SQS does."""


COMPLETED = "photo.completed"


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


class UploadView(View):
    """A file that is awaited, or of which nothing could be made."""

    filename: str = Field(description="empty when the caller gave none")
    until: Time = Field(description="when it can no longer be uploaded")


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


class AttemptView(ErrorView):
    """What ended an attempt; a later redrive counts attempts anew."""

    attempt: int
    at: Time
    redrive: int = Field(description="how often the job had been redriven from the dead letters by then")


class JobView(View):
    id: str
    type: str
    status: JobStatus
    attempts: int
    spec: Job
    result: ResultView | None
    error: ErrorView | None = Field(description="of the last attempt, unless the job succeeded")
    errors: list[AttemptView] = Field(description="the last error of each attempt; of many attempts, the latest")
    links: dict[str, str]


class DeliveryView(View):
    """A webhook of the photo."""

    event: str = Field(description="its webhook-id")
    attempts: int
    next_at: Time | None = Field(description="when it is tried again")
    delivered_at: Time | None
    given_up_at: Time | None
    last_error: str | None


class CallbackView(View):
    url: str
    deliveries: list[DeliveryView] = Field(description="one each time that all jobs have ended, the last few of them")


class PhotoView(View):
    id: str
    status: PhotoStatus
    generation: int = Field(description="raised when more is asked for of a photo that had ended")
    created_at: Time
    owner: str
    batch: str | None
    reference: str | None
    metadata: dict[str, Any]
    original: OriginalView | None
    upload: UploadView | None = Field(description="of a direct upload, as long as there is no original")
    callback: CallbackView | None = Field(description="where a webhook goes when all jobs have ended")
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
        generation=photo.generation,
        created_at=photo.created_at,
        owner=photo.owner,
        batch=photo.batch,
        reference=photo.reference,
        metadata=photo.metadata,
        original=photo.original,
        upload=photo.upload,
        callback=_callback_view(photo),
        jobs=[job_view(photo, job, base_url) for job in photo.jobs.values()],
        counts=photo.counts,
        expires_at=photo.expires_at,
        links={"self": self_link, "jobs": f"{self_link}/jobs", "cancel": f"{self_link}/cancel"},
    )


def _callback_view(photo: PhotoRecord) -> CallbackView | None:
    if photo.callback is None:
        return None
    deliveries = [
        DeliveryView(event=photo.event_id(COMPLETED, generation=number), **delivery.model_dump())
        for number, delivery in sorted(photo.callback.deliveries.items())
    ]
    return CallbackView(url=photo.callback.url, deliveries=deliveries)


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
        result=job.result,
        error=error,
        errors=job.errors,
        links=links,
    )


def photo_completed(photo: PhotoRecord, base_url: str, generation: int | None = None) -> Event:
    """That a generation has ended, by default the last one.

    The photo is shown as it is now: when `ended_generation` is less than its generation, more was asked for since.
    """
    ended = max((job.ended_at for job in photo.jobs.values() if job.ended_at), default=photo.created_at)
    return Event(
        id=photo.event_id(COMPLETED, generation=generation),
        type=COMPLETED,
        timestamp=ended,
        # The specs and errors of 50 jobs could be larger than a message may be; the link leads to them. The callback
        # is the owner's own business: its address may hold a password.
        data=photo_view(photo, base_url).model_dump(
            mode="json", exclude={"callback": True, "jobs": {"__all__": {"spec", "errors"}}}
        )
        | {"ended_generation": generation or photo.generation},
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


class DeadJobView(View):
    id: str
    type: str
    errors: list[AttemptView] = Field(description="the last error of each attempt; of many attempts, the latest")


class RedriveView(View):
    """An earlier return from the dead letters."""

    at: Time
    code: str = Field(description="what had buried it")
    detail: str
    attempts: int


class DeadLetterView(View):
    """An order that was given up, and what is known of it."""

    id: str = Field(description="photo/order")
    photo: str
    order: str
    owner: str
    reference: str | None
    filename: str | None
    reason: ErrorView
    attempts: int
    jobs: list[DeadJobView] = Field(description="the jobs that failed with it, and that a redrive queues again")
    buried_at: Time
    expires_at: Time | None = Field(description="when the photo expires; null: it is kept")
    message_expires_at: Time = Field(description="until then SQS keeps the message; a redrive does not need it")
    thumbnail: str | None = Field(description="the smallest picture made of the photo, if there is one")
    redrives: list[RedriveView] = Field(description="the last times that it was redriven before")
    links: dict[str, str]


def dead_letter_view(photo: PhotoRecord, order: Order, base_url: str) -> DeadLetterView:
    """Of an order that is dead."""
    dead = order.dead_letter
    assert dead is not None
    photo_link = f"{base_url}/v1/photos/{photo.id}"
    self_link = f"{base_url}/v1/dead-letters/{photo.id}/{order.id}"
    pictures = [
        (job.result.size, f"{photo_link}/jobs/{job.id}/result")
        for job in photo.jobs.values()
        if job.status == "succeeded" and job.result and job.result.width
    ]
    return DeadLetterView(
        id=f"{photo.id}/{order.id}",
        photo=photo.id,
        order=order.id,
        owner=photo.owner,
        reference=photo.reference,
        filename=photo.original.filename if photo.original else None,
        reason=dead,
        attempts=order.attempts,
        jobs=[DeadJobView(id=job.id, type=job.spec.type, errors=job.errors) for job in order.dead_letter_jobs],
        buried_at=dead.at,
        expires_at=photo.expires_at,
        message_expires_at=dead.at + DEAD_MESSAGE_KEPT,
        thumbnail=min(pictures)[1] if pictures else None,
        redrives=order.redrives,
        links={"self": self_link, "photo": photo_link, "redrive": f"{self_link}/redrive"},
    )
