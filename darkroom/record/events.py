"""Events: messages for the user's queue and the bodies of webhooks. Repetitions of an event have the same id."""

from __future__ import annotations

from typing import Any

from darkroom.record.batch_views import completed_batch_view
from darkroom.record.job import JobRecord
from darkroom.record.photo import PhotoRecord
from darkroom.record.photo_batch import BATCH_COMPLETED, Batch
from darkroom.record.state import COMPLETED
from darkroom.record.views import CompletedPhotoView, Time, View, job_view, photo_view


class Event(View):
    """Something that has happened to a photo or a batch. Repetitions of an event have the same id."""

    id: str
    type: str
    timestamp: Time
    data: dict[str, Any]


def photo_completed(photo: PhotoRecord, base_url: str, generation: int | None = None) -> Event:
    """All jobs of a generation have ended; by default of the current one.

    The event shows the photo as it is now: if it has got more jobs since, its `generation` is higher than
    `ended_generation`.
    """
    outcome = dict(photo_view(photo, base_url)) | {"ended_generation": generation or photo.generation}
    ended = max((job.ended_at for job in photo.jobs.values() if job.ended_at), default=photo.created_at)
    return Event(
        id=photo.event_id(COMPLETED, generation=generation),
        type=COMPLETED,
        timestamp=ended,
        data=CompletedPhotoView.model_validate(outcome).model_dump(mode="json"),
    )


def batch_completed(batch: Batch, base_url: str, generation: int) -> Event:
    """All photos of a batch have ended, in this generation of it.

    The event shows the last end of the batch: if that is a later one, `generation` is higher than `ended_generation`.
    """
    return Event(
        id=batch.event_id(generation),
        type=BATCH_COMPLETED,
        timestamp=batch.ended_at or batch.created_at,
        data=completed_batch_view(batch, base_url, generation).model_dump(mode="json"),
    )


def job_ended(photo: PhotoRecord, job: JobRecord, base_url: str) -> Event:
    """A job has succeeded or failed."""
    kind = "job.succeeded" if job.status == "succeeded" else "job.failed"
    return Event(
        id=photo.event_id(kind, job),
        type=kind,
        timestamp=job.ended_at or photo.created_at,
        data={"photo": photo.id, "owner": photo.owner, "reference": photo.reference}
        | {"job": job_view(photo, job, base_url).model_dump(mode="json")},
    )
