"""Everything outside the process that the API and the workers use, wired once at an entry point.

Beside the wiring: the three things that both sides do with more than one of them.
"""

from __future__ import annotations

from dataclasses import dataclass

from darkroom.aws.bucket import Bucket, job_and_fence
from darkroom.aws.clients import Clients, make_clients
from darkroom.aws.dedupe import Dedupe
from darkroom.aws.idempotency_store import Idempotency
from darkroom.aws.queue import Queue, WorkQueue
from darkroom.aws.table import Table
from darkroom.record.clock import now
from darkroom.record.messages import OrderMessage, UploadMessage, WebhookMessage
from darkroom.record.photo import PhotoRecord
from darkroom.record.views import job_ended, photo_completed
from darkroom.settings import Settings


@dataclass(frozen=True)
class Services:
    settings: Settings
    clients: Clients
    table: Table
    bucket: Bucket
    photos: WorkQueue
    ingest: WorkQueue
    """S3 cannot notify a FIFO queue, so it is none."""
    events: Queue
    webhooks: WorkQueue
    """No FIFO queue, so a message may be delayed."""
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
            photos=WorkQueue(settings.photos_queue, settings.photos_dlq, clients),
            ingest=WorkQueue(settings.ingest_queue, settings.ingest_dlq, clients),
            events=Queue(settings.events_queue, clients),
            webhooks=WorkQueue(settings.webhooks_queue, settings.webhooks_dlq, clients),
            idempotency=Idempotency(settings, clients),
            dedupe=Dedupe(settings, clients, table),
        )

    def send_order(self, photo: PhotoRecord, order_id: str) -> None:
        """Put what is unfinished of an order on the queue. The record names the order already."""
        message = OrderMessage.of(photo, order_id)
        self.photos.send(message.model_dump_json(), group=photo.owner, deduplication_id=message.deduplication_id)

    def send_upload(self, photo: PhotoRecord) -> None:
        """Say that the file of a photo that waits for one has arrived."""
        self.ingest.send(UploadMessage(photo=photo.id).model_dump_json(), group=photo.owner, deduplication_id=photo.id)

    def announce(self, photo: PhotoRecord, message: OrderMessage | None = None) -> None:
        """Tell whoever waits what has ended: the photo, and the jobs of a message if that is asked for.

        A message of an earlier generation may be the only one that still knows of it: that one ended for sure,
        or no later one would have begun. Events are at least once and their ids stable, so this may be repeated
        after any crash.
        """
        base_url = self.settings.base_url
        generations = [] if photo.unfinished else [photo.generation]
        if message and message.generation < photo.generation:
            generations.insert(0, message.generation)
        events = []
        if message and self.settings.job_events:
            jobs = [job for job in photo.order(message.order).jobs.values() if job.status in ("succeeded", "failed")]
            events = [job_ended(photo, job, base_url) for job in jobs]
        events += [photo_completed(photo, base_url, generation) for generation in generations]
        for event in events:
            self.events.send(event.model_dump_json(), group=photo.owner, deduplication_id=event.id)
        for generation in generations:
            if (delivery := photo.delivery(generation)) and not delivery.ended:
                self.send_webhook(WebhookMessage.of(photo, generation))

    def send_webhook(self, message: WebhookMessage) -> None:
        self.webhooks.send(
            message.model_dump_json(),
            group=message.owner,
            deduplication_id=message.deduplication_id,
            delay=message.delay(now()),
        )

    def remove_leftovers(self, photo_id: str) -> None:
        """Remove results that workers which died have stored, and that nobody will publish any more."""
        keys = self.bucket.results(photo_id)
        # Read after the list: no later claim has anything on it.
        if photo := self.table.get(photo_id):
            self.bucket.remove(key for key in keys if not photo.needs_result(key, *job_and_fence(key)))

    def purge(self, photo: PhotoRecord) -> PhotoRecord:
        """Remove what is stored of a deleted photo; its tombstone stays. May be repeated after any crash."""
        self.bucket.remove_photo(photo.id)
        self.dedupe.forget(photo)

        def purged(record: PhotoRecord) -> None:
            record.purged = True

        return self.table.update(photo.id, purged, known=photo)[0]
