"""Dead letters as callers see them: orders that were buried, with their jobs and reasons."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field

from darkroom.record.order import Order
from darkroom.record.photo import PhotoRecord
from darkroom.record.views import AttemptView, ErrorView, Time, View

MESSAGE_KEPT = timedelta(days=14)
"""How long a dead-letter queue keeps a message: SQS's longest MessageRetentionPeriod."""


class DeadJobView(View):
    id: str
    type: str
    errors: list[AttemptView] = Field(description="the last error of each attempt; only the latest attempts are kept")


class RedriveView(View):
    """An earlier redrive."""

    at: Time
    code: str = Field(description="why the order had been buried")
    detail: str
    attempts: int


class DeadLetterView(View):
    """An order that was buried: no worker tries it again unless it is redriven."""

    id: str = Field(description="photo/order")
    photo: str
    order: str
    owner: str
    reference: str | None
    filename: str | None
    reason: ErrorView
    attempts: int
    jobs: list[DeadJobView] = Field(description="the jobs that failed with it; a redrive queues them again")
    buried_at: Time
    expires_at: Time | None = Field(description="when the photo expires; null: never")
    message_expires_at: Time = Field(description="until then SQS keeps the copied message; a redrive does not need it")
    thumbnail: str | None = Field(description="the smallest picture that was made of the photo")
    redrives: list[RedriveView] = Field(description="the latest redrives of this order")
    links: dict[str, str]


def dead_letter_view(photo: PhotoRecord, order: Order, base_url: str) -> DeadLetterView:
    """Of an order that is a dead letter."""
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
        message_expires_at=dead.at + MESSAGE_KEPT,
        thumbnail=min(pictures)[1] if pictures else None,
        redrives=order.redrives,
        links={"self": self_link, "photo": photo_link, "redrive": f"{self_link}/redrive"},
    )
