"""Everything outside the process that the API and the workers use, wired once at an entry point."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from darkroom.aws.asset_table import AssetTable
from darkroom.aws.batch_table import BatchTable
from darkroom.aws.bucket import Bucket
from darkroom.aws.clients import Clients, make_clients
from darkroom.aws.dedupe import Dedupe
from darkroom.aws.idempotency_store import Idempotency
from darkroom.aws.queue import Queue, WorkQueue
from darkroom.aws.table import Table
from darkroom.aws.token_uses import TokenUses
from darkroom.aws.upload_parts import MultipartUploads
from darkroom.aws.worker_list import WorkerList
from darkroom.batch_ends import BatchEnds
from darkroom.cleanup import Cleanup
from darkroom.outbox import Outbox
from darkroom.settings import Settings


@dataclass(frozen=True)
class Services:
    """`ingest` and `webhooks` are never FIFO queues: S3 cannot notify one, and a FIFO queue cannot delay a message."""

    settings: Settings
    clients: Clients
    table: Table
    assets: AssetTable
    bucket: Bucket
    multipart: MultipartUploads
    photos: WorkQueue
    ingest: WorkQueue
    events: Queue
    webhooks: WorkQueue
    idempotency: Idempotency
    dedupe: Dedupe
    token_uses: TokenUses
    workers: WorkerList
    batches: BatchTable
    batch_ends: BatchEnds
    outbox: Outbox
    cleanup: Cleanup

    @classmethod
    def connect(cls, settings: Settings) -> Services:
        """Raises SettingsError for a faulty region, credentials or endpoint. Sends no request yet."""
        clients = make_clients(settings)
        table, bucket = Table(settings, clients), Bucket(settings, clients)
        assets, dedupe = AssetTable(settings, clients), Dedupe(settings, clients, table)
        photos = WorkQueue(settings.photos_queue, settings.photos_dlq, clients)
        ingest = WorkQueue(settings.ingest_queue, settings.ingest_dlq, clients)
        webhooks = WorkQueue(settings.webhooks_queue, settings.webhooks_dlq, clients)
        multipart = MultipartUploads(settings, clients)
        events = Queue(settings.events_queue, clients)
        batches = BatchTable(settings, clients)
        recheck = timedelta(seconds=min(settings.resend_after, settings.sweep_interval))
        batch_ends = BatchEnds(table, batches, events, webhooks, settings.base_url, recheck)
        return cls(
            settings=settings,
            clients=clients,
            table=table,
            assets=assets,
            bucket=bucket,
            multipart=multipart,
            photos=photos,
            ingest=ingest,
            events=events,
            webhooks=webhooks,
            idempotency=Idempotency(settings, clients),
            dedupe=dedupe,
            token_uses=TokenUses(settings, clients),
            workers=WorkerList(settings, clients),
            batches=batches,
            batch_ends=batch_ends,
            outbox=Outbox(photos, ingest, webhooks, events, settings.base_url, settings.job_events, batch_ends),
            cleanup=Cleanup(table, assets, bucket, multipart, dedupe, batch_ends),
        )
