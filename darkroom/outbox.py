"""What both the API and the workers send: work for the workers' queues, and events for the user's queue.

Every message names a record that was written before. Sending may be repeated after any crash: a worker that receives a
message twice finds in the record what is done, and the id of an event stays the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from darkroom.aws.queue import Outgoing, Queue, WorkQueue
from darkroom.batch_ends import BatchEnds
from darkroom.errors import Unavailable
from darkroom.record.clock import now
from darkroom.record.events import Event, job_ended, photo_completed
from darkroom.record.messages import BatchWebhookMessage, FetchMessage, OrderMessage, UploadMessage, WebhookMessage
from darkroom.record.photo import PhotoRecord


@dataclass(frozen=True)
class Announcement:
    """A message that tells of an end: an event, or one that has a worker deliver a webhook."""

    queue: Queue
    message: Outgoing


def send_all(announcements: Sequence[Announcement]) -> dict[int, Unavailable]:
    """Send announcements in batches. Returns the errors of those that failed, by their place in `announcements`."""
    failures: dict[int, Unavailable] = {}
    for queue in {one.queue: None for one in announcements}:
        places = [place for place, one in enumerate(announcements) if one.queue is queue]
        failed = queue.send_batch([announcements[place].message for place in places])
        failures |= {places[number]: error for number, error in failed.items()}
    return failures


@dataclass(frozen=True)
class Outbox:
    """`base_url` begins the links in events. `job_events`: whether ends of single jobs are events too."""

    photos: WorkQueue
    ingest: WorkQueue
    webhooks: WorkQueue
    events: Queue
    base_url: str
    job_events: bool
    batch_ends: BatchEnds

    def send_order(self, photo: PhotoRecord, order_id: str) -> None:
        """Put the unfinished jobs of an order on the queue; if the photo's file has to be fetched first, have a worker
        fetch it. Raises Unavailable."""
        if photo.pending_fetch:
            self.send_fetch(photo)
            return
        message = OrderMessage.of(photo, order_id)
        self.photos.send(message.model_dump_json(), group=photo.owner, deduplication_id=message.deduplication_id)

    def send_upload(self, photo: PhotoRecord) -> None:
        """Have a worker accept the file of a direct upload, which has arrived. Raises Unavailable."""
        self.ingest.send(UploadMessage(photo=photo.id).model_dump_json(), group=photo.owner, deduplication_id=photo.id)

    def send_fetch(self, photo: PhotoRecord) -> None:
        """Have a worker fetch the photo's file from its URL. Raises Unavailable."""
        message = FetchMessage(photo=photo.id, owner=photo.owner)
        self.ingest.send(message.model_dump_json(), group=photo.owner, deduplication_id=photo.id)

    def send_webhook(self, message: WebhookMessage | BatchWebhookMessage) -> None:
        """Have a worker deliver a webhook, not before the message says so. Raises Unavailable."""
        self.webhooks.send(
            message.model_dump_json(),
            group=message.owner,
            deduplication_id=message.deduplication_id,
            delay=message.delay(now()),
        )

    def announce(self, photo: PhotoRecord, message: OrderMessage | None = None) -> None:
        """Send the announcements of a photo now. Raises Unavailable."""
        for error in send_all(self.announcements(photo, message)).values():
            raise error

    def announcements(self, photo: PhotoRecord, message: OrderMessage | None = None) -> list[Announcement]:
        """The events and the webhook of a photo that has ended, and the job events of a message's order.

        If the photo's batch has ended with it, this sends the event and the webhook of the batch. Raises Unavailable
        and FutureRecord for a photo of a batch.

        There are none for an unfinished photo, except when the message is of an earlier generation: that one has
        ended, or no later one would have begun, and perhaps only this message still leads to its events.
        """
        generations = [] if photo.unfinished else [photo.generation]
        if message and message.generation < photo.generation:
            generations.insert(0, message.generation)
        events = [*self._job_events(photo, message), *self._photo_events(photo, generations)]
        if photo.batch and not photo.unfinished:
            self.batch_ends.note_end(photo)
        undelivered = [number for number in generations if (state := photo.delivery(number)) and not state.ended]
        return [
            *(Announcement(self.events, Outgoing(one.model_dump_json(), photo.owner, one.id)) for one in events),
            *(Announcement(self.webhooks, _outgoing(WebhookMessage.of(photo, number))) for number in undelivered),
        ]

    def _job_events(self, photo: PhotoRecord, message: OrderMessage | None) -> list[Event]:
        order = photo.orders.get(message.order) if message and self.job_events else None
        jobs = order.jobs.values() if order else []
        return [job_ended(photo, job, self.base_url) for job in jobs if job.status in ("succeeded", "failed")]

    def _photo_events(self, photo: PhotoRecord, generations: list[int]) -> list[Event]:
        return [photo_completed(photo, self.base_url, generation) for generation in generations]


def _outgoing(message: WebhookMessage) -> Outgoing:
    return Outgoing(message.model_dump_json(), message.owner, message.deduplication_id, delay=message.delay(now()))
