"""Finds out when a batch has ended, and sends its event and its webhook.

The batch holds no counts that could be wrong: whether it has ended follows from the records of its photos. To read all
of them whenever one ends would cost the square of their number. So a batch names one unfinished photo that it watches.
The process that ends this photo looks at all of them, and names another one, or finds that the batch has ended.

The end is written first, then the event and the webhook are sent, and then the batch notes that they were. As long as
this is not noted, or a photo is unfinished, the batch is in the index `due`. So whatever crashes in between, the sweep
looks at the batch, and sends the event under the same id.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from darkroom.aws.batch_table import BatchTable
from darkroom.aws.queue import Queue, WorkQueue
from darkroom.aws.table import Table
from darkroom.errors import NotFound
from darkroom.record.clock import now
from darkroom.record.events import batch_completed
from darkroom.record.messages import BatchWebhookMessage
from darkroom.record.photo import PhotoRecord
from darkroom.record.photo_batch import Batch

log = structlog.get_logger()


@dataclass(frozen=True)
class BatchEnds:
    """`base_url` begins the links in events. `recheck`: the shortest time until the sweep looks at a batch again."""

    table: Table
    batches: BatchTable
    events: Queue
    webhooks: WorkQueue
    base_url: str
    recheck: timedelta

    def note_end(self, photo: PhotoRecord) -> None:
        """All jobs of a photo have ended. May be repeated. Raises Unavailable, FutureRecord."""
        batch = self.batches.get(photo.batch) if photo.batch else None
        if batch and batch.may_end_with(photo.id):
            self._settle(batch)

    def note_deletion(self, photo: PhotoRecord) -> None:
        """A photo was deleted: its batch does not wait for it any more. May be repeated. Raises as `note_end`."""
        batch = self.batches.get(photo.batch) if photo.batch else None
        if batch and batch.may_change_without(photo.id):
            self._settle(batch)

    def open(self, batch: Batch, photos: list[str], until: datetime, expires_at: datetime | None) -> Batch:
        """A try of the request begins to accept photos (`Batch.open`): write the batch, or open that of an earlier try
        again. Returns the batch for `close`. Raises Unavailable, FutureRecord."""
        batch.open(photos, until, expires_at)
        if self.batches.create(batch):
            return batch
        return self.batches.update(batch.id, lambda record: record.open(photos, until, expires_at))[0]

    def close(self, batch: Batch, photos: list[str]) -> None:
        """The try that has opened the batch has ended, and has accepted these photos (`Batch.close`). Raises as
        `note_end`."""
        self._settle(self.batches.update(batch.id, lambda record: record.close(batch.opening, photos), known=batch)[0])

    def repair(self, batch_id: str) -> bool:
        """Look at a batch that is overdue. False if there is no such batch any more. Raises as `note_end`."""
        batch = self.batches.get(batch_id)
        if batch:
            self._settle(batch)
        return batch is not None

    def records(self, batch: Batch) -> dict[str, PhotoRecord]:
        """All records that there are of its photos, by id, deleted ones too. Raises FutureRecord if one of them was
        written by a newer release: it must not count as deleted."""
        found = self.table.find(batch.photos)
        for error in found.unreadable.values():
            raise error
        return found.photos

    def _settle(self, batch: Batch) -> None:
        """Look at the photos until the batch has ended and this is announced, or it watches an unfinished photo."""
        with suppress(NotFound):  # it has expired meanwhile
            while True:
                if batch.unannounced:
                    batch = self._announce(batch)
                watched = batch.watched
                batch, _ = self.batches.update(batch.id, self._look, known=batch)
                if not batch.unannounced and (batch.watched == watched or self._still_waits(batch)):
                    return

    def _look(self, batch: Batch) -> None:
        batch.look_at(self.records(batch), self.recheck)

    def _still_waits(self, batch: Batch) -> bool:
        """Whether the photo is unfinished that the batch watches from now on. The process that ended it before it was
        watched has not looked."""
        if not batch.waiting or batch.watched is None:
            return True
        photo = self.table.get(batch.watched)
        if photo is None:
            return batch.accepting_until is not None and batch.accepting_until > now()
        return photo.unfinished and not photo.deleted_or_expired

    def _announce(self, batch: Batch) -> Batch:
        """Send the event and the webhook of the last end. A repetition sends them under the same id."""
        generation = batch.generation
        event = batch_completed(batch, self.base_url, generation)
        self.events.send(event.model_dump_json(), batch.owner, event.id)
        delivery = batch.delivery(generation)
        if delivery and not delivery.ended:
            message = BatchWebhookMessage.of(batch, generation)
            self.webhooks.send(message.model_dump_json(), batch.owner, message.deduplication_id)
        log.info("batch.completed", batch=batch.id, generation=generation, photos=len(batch.ended))
        return self.batches.update(batch.id, lambda record: record.note_announced(generation), known=batch)[0]
