"""Everything outside the process that the API and the workers use, wired once at an entry point.

Beside the wiring: the three things that both sides do with more than one of them.
"""

from __future__ import annotations

from dataclasses import dataclass

from darkroom.aws import Clients, make_clients
from darkroom.bucket import Bucket, job_and_claim
from darkroom.dedupe import Dedupe
from darkroom.idempotency import Idempotency
from darkroom.message import WebhookMessage
from darkroom.queue import PhotosQueue, Queue, WebhooksQueue
from darkroom.record import PhotoRecord, now
from darkroom.settings import Settings
from darkroom.table import Table
from darkroom.views import job_ended, photo_completed


@dataclass(frozen=True)
class Services:
    settings: Settings
    clients: Clients
    table: Table
    bucket: Bucket
    photos: PhotosQueue
    events: Queue
    webhooks: WebhooksQueue
    idempotency: Idempotency
    dedupe: Dedupe

    @classmethod
    def connect(cls, settings: Settings) -> Services:
        """Raises SettingsError when region, credentials or endpoint make no sense. Sends nothing yet."""
        clients = make_clients(settings)
        table = Table(settings, clients)
        return cls(
            settings=settings,
            clients=clients,
            table=table,
            bucket=Bucket(settings, clients),
            photos=PhotosQueue(settings, clients),
            events=Queue(settings.events_queue, clients),
            webhooks=WebhooksQueue(settings, clients),
            idempotency=Idempotency(settings, clients),
            dedupe=Dedupe(settings, clients, table),
        )

    def send_order(self, photo: PhotoRecord, order_id: str) -> None:
        """Put what is unfinished of an order on the queue. The record names the order already."""
        self.photos.send(
            photo.message(order_id).model_dump_json(),
            group=photo.owner,
            deduplication_id=photo.deduplication_id(order_id),
        )

    def announce(self, photo: PhotoRecord, order_id: str = "", generation: int = 0) -> None:
        """Tell whoever waits what has ended: a generation of the photo, and the jobs of an order if asked for.

        `generation`: by default the last one. An earlier one has ended for sure: only then a later one begins.
        Events are at least once and their ids stable, so this may be repeated after any crash.
        """
        base_url = self.settings.base_url
        generation = generation or photo.generation
        ended = generation < photo.generation or not photo.unfinished
        events = []
        if self.settings.job_events:
            jobs = [job for job in photo.jobs_of(order_id) if job.status in ("succeeded", "failed")]
            events = [job_ended(photo, job, base_url) for job in jobs]
        if ended:
            events.append(photo_completed(photo, base_url, generation))
        for event in events:
            self.events.send(event.model_dump_json(), group=photo.owner, deduplication_id=event.id)
        delivery = photo.webhook(generation)
        if ended and delivery and not delivery.ended:
            self.send_webhook(photo.webhook_message(generation))

    def send_webhook(self, message: WebhookMessage) -> None:
        self.webhooks.send(
            message.model_dump_json(),
            group=message.owner,
            deduplication_id=f"{message.photo}-{message.generation}",
            delay=message.delay(now()),
        )

    def remove_leftovers(self, photo_id: str) -> None:
        """Remove results that workers which died have stored, and that nobody will publish any more."""
        keys = self.bucket.results(photo_id)
        # Read after the list: no later claim has anything on it.
        if photo := self.table.get(photo_id):
            self.bucket.remove(key for key in keys if not photo.may_name(key, *job_and_claim(key)))

    def purge(self, photo: PhotoRecord) -> PhotoRecord:
        """Remove what is stored of a deleted photo; its tombstone stays. May be repeated after any crash."""
        self.bucket.remove_photo(photo.id)

        def purged(record: PhotoRecord) -> None:
            record.purged = True

        return self.table.update(photo.id, purged, known=photo)[0]
