"""A batch: the photos that one request has uploaded together.

Pure data and rules, as photo.py; darkroom/aws/batch_table.py stores it. Whether a batch has ended follows from the
records of its photos alone, whenever they are looked at (`look_at`); darkroom/batch_ends.py says who looks, and when.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from uuid import UUID, uuid5

from pydantic import Field

from darkroom.record.clock import now
from darkroom.record.delivery import WithCallback
from darkroom.record.ids import new_id
from darkroom.record.photo import PhotoRecord
from darkroom.record.state import PhotoStatus

BATCH_COMPLETED = "batch.completed"
"""The type of the event of a batch that has ended."""

LONGEST_WAIT = timedelta(hours=1)
"""Between two looks of the sweep at a batch that has not ended."""

EMPTY_KEPT = timedelta(days=1)
"""How long a batch is kept that has no photos: none was accepted, or all were deleted."""


class Batch(WithCallback):
    """Everything that is known about a batch.

    `photos`: their ids, in the order of the request. The record of each photo is written after the batch: until
    `accepting_until`, the batch waits for records that do not exist yet. After it they count as not accepted.
    """

    id: str
    owner: str
    created_at: datetime
    photos: list[str]
    accepting_until: datetime | None = None
    opening: str = Field(default_factory=new_id)
    """Names the try of the request that has written `photos`."""
    upload_token: str | None = None
    generation: int = 0
    """How often the batch has ended: again if a photo that had ended gets more jobs, and they have ended."""
    announced: int = 0
    """The last generation whose event was sent."""
    ended: dict[str, int] = Field(default_factory=dict)
    """The photos with which the batch has ended, and their generations then."""
    ended_at: datetime | None = None
    counts: dict[PhotoStatus, int] = Field(default_factory=dict)
    """Photos by status, when the batch ended."""
    waiting: bool = True
    """Whether a photo was unfinished at the last look."""
    watched: str | None = None
    """A photo for whose end the batch waits; of a batch that has ended, one that exists. None: look at any change."""
    due_at: datetime | None = None
    expires_at: datetime | None = None
    version: int = Field(0, exclude=True)

    @property
    def deleted_or_expired(self) -> bool:
        return self.expires_at is not None and self.expires_at <= now()

    @property
    def unannounced(self) -> bool:
        """Whether the event of the last end was perhaps not sent yet."""
        return self.announced < self.generation

    def event_id(self, generation: int) -> str:
        """The same for every repetition of an event: one for each generation."""
        return str(uuid5(UUID(self.id), f"{BATCH_COMPLETED}/{generation}"))

    # --- what the API does --------------------------------------------------------------------------------------

    def open(self, photos: list[str], accepting_until: datetime, expires_at: datetime | None) -> None:
        """A try of the request begins to accept these photos."""
        self.photos, self.accepting_until, self.expires_at = photos, accepting_until, expires_at
        self.waiting, self.watched, self.due_at = True, photos[-1], accepting_until
        self.opening = new_id()

    def close(self, opening: str, photos: Iterable[str]) -> None:
        """A try of the request has ended and has accepted these photos. Does nothing when another try has begun since:
        it may have accepted more."""
        if self.opening == opening:
            self.photos, self.accepting_until = list(dict.fromkeys(photos)), None
            self.waiting, self.watched, self.due_at = True, None, now()

    # --- looks at the photos ------------------------------------------------------------------------------------

    def may_end_with(self, photo_id: str) -> bool:
        """Whether the end of this photo can be the end of the batch: not while another photo is unfinished."""
        return not self.waiting or self.watched in (None, photo_id)

    def may_change_without(self, photo_id: str) -> bool:
        """Whether the batch has to be looked at because this photo was deleted."""
        return self.watched in (None, photo_id)

    def present(self, records: Mapping[str, PhotoRecord]) -> list[PhotoRecord]:
        """Its photos that were accepted and still exist. `records`: all records that there are of its photos, by id."""
        found = (records.get(photo_id) for photo_id in self.photos)
        return [photo for photo in found if photo and not photo.deleted_or_expired]

    def unfinished(self, records: Mapping[str, PhotoRecord]) -> list[str]:
        """The photos that the batch waits for. Those of other uploads come first (`dedupe`): their ends cause no look,
        so it watches one of its own if it can."""
        found = [photo for photo in self.present(records) if photo.unfinished]
        ids = [photo.id for photo in sorted(found, key=lambda photo: photo.batch == self.id)]
        accepting = self.accepting_until is not None and self.accepting_until > now()
        return ids + [photo_id for photo_id in self.photos if accepting and photo_id not in records]

    def look_at(self, records: Mapping[str, PhotoRecord], recheck: timedelta) -> None:
        """Bring the batch up to date with its photos (`records` as in `present`).

        `recheck`: the shortest time until the sweep looks again. Does nothing before the last end is announced.
        """
        if self.unannounced:
            return
        if unfinished := self.unfinished(records):
            self._wait_for(unfinished, recheck)
            return
        present = self.present(records)
        self.waiting, self.due_at = False, None
        if any(photo.generation > self.ended.get(photo.id, 0) for photo in present):
            self._end(present, recheck)
        if not present:
            kept_until = now() + EMPTY_KEPT
            self.watched, self.expires_at = None, min(self.expires_at or kept_until, kept_until)
        elif self.watched not in {photo.id for photo in present}:
            self.watched = present[-1].id

    def note_announced(self, generation: int) -> None:
        """The event of this generation was sent, and its webhook is on the way."""
        self.announced = max(self.announced, generation)
        if not (self.unannounced or self.waiting):
            self.due_at = None

    def _wait_for(self, unfinished: list[str], recheck: timedelta) -> None:
        at = now()
        self.waiting = True
        if self.watched not in unfinished:
            self.watched = unfinished[-1]
        if self.due_at is None or self.due_at <= at:
            self.due_at = at + max(recheck, min(at - self.created_at, LONGEST_WAIT))

    def _end(self, present: list[PhotoRecord], recheck: timedelta) -> None:
        self.generation += 1
        self.ended = {photo.id: photo.generation for photo in present}
        self.ended_at, self.due_at = now(), now() + recheck
        self.counts = dict(Counter(photo.status for photo in present))
