"""What callers see of a batch: in its event, and in the responses of the API."""

from __future__ import annotations

from pydantic import Field

from darkroom.record.photo_batch import Batch
from darkroom.record.state import PhotoStatus
from darkroom.record.views import CallbackView, Time, View, callback_view


class CompletedBatchView(View):
    """`data` of the event batch.completed."""

    id: str
    owner: str
    generation: int = Field(description="raised when a batch that had ended has ended once more")
    ended_generation: int = Field(description="the generation that has ended; `generation` is the current one")
    created_at: Time
    photos: list[str] = Field(description="the ids of its photos, in the order sent")
    counts: dict[PhotoStatus, int] = Field(description="photos by status, when it ended")
    links: dict[str, str]


def completed_batch_view(batch: Batch, base_url: str, generation: int) -> CompletedBatchView:
    return CompletedBatchView(
        id=batch.id,
        owner=batch.owner,
        generation=batch.generation,
        ended_generation=generation,
        created_at=batch.created_at,
        photos=list(batch.ended),
        counts=batch.counts,
        links=batch_links(batch, base_url),
    )


def batch_links(batch: Batch, base_url: str) -> dict[str, str]:
    link = f"{base_url}/v1/batches/{batch.id}"
    return {"self": link, "archive": f"{link}/archive"}


def batch_callback_view(batch: Batch) -> CallbackView | None:
    return callback_view(batch.callback, batch.event_id)
