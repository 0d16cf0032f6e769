"""A batch: the photos that one request has uploaded together."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

BATCH_COMPLETED = "batch.completed"
"""The type of the event of a batch that has ended."""


class Batch(BaseModel):
    """`photos`: the ids of all photos of the request, in its order. Some may never become photos."""

    model_config = ConfigDict(frozen=True)

    id: str
    owner: str
    created_at: datetime
    photos: list[str]
    ended: set[str] = Field(default_factory=set)
    """The photos whose jobs have all ended, at least once."""
    left: set[str] = Field(default_factory=set)
    """The photos that were not accepted, or were deleted."""
    upload_token: str | None = None

    @property
    def completed(self) -> bool:
        """Whether all its photos have ended."""
        return bool(self.ended - self.left) and set(self.photos) == self.ended | self.left

    @property
    def event_id(self) -> str:
        return f"{self.id}:{BATCH_COMPLETED}"
