"""A deployment and its workers; photos reach the workers without an API."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from darkroom.aws.bucket import Bucket
from darkroom.aws.queue import Queue
from darkroom.aws.write_check import MayWrite
from darkroom.jobs.asset_ids import AssetKind
from darkroom.jobs.job_types import jobs_adapter
from darkroom.record.clock import now
from darkroom.record.ids import new_id
from darkroom.record.keys import asset_key, original_key, results_prefix
from darkroom.record.late_writes import ImportTime
from darkroom.record.owner_assets import Asset, AssetContent
from darkroom.record.photo import PhotoRecord
from darkroom.record.stored import Original, Result
from darkroom.services import Services
from tests.support.records import edit_record
from tests.support.waiting import wait_until
from tests.support.worker_process import WorkerProcess

QUICK_LEASE = {"DARKROOM_LEASE": "6", "DARKROOM_HEARTBEAT": "1"}
"""Settings with which the message of a killed worker is soon visible again. The defaults are longer."""


def store_file(
    bucket: Bucket,
    key: str,
    file: bytes,
    content_type: str = "image/jpeg",
    may_write: MayWrite = lambda: None,
    served_as: str | None = None,
) -> None:
    """Store a file as the API and workers do, with its true hash."""
    bucket.put(key, io.BytesIO(file), content_type, hashlib.sha256(file).hexdigest(), may_write, served_as)


@dataclass(frozen=True)
class Stack:
    """One deployment, with methods that start workers, submit photos and read what workers wrote."""

    services: Services
    environ: dict[str, str]
    directory: Path
    workers: contextlib.ExitStack

    def worker(self, *program: str, **variables: str) -> WorkerProcess:
        log = self.directory / f"worker-{new_id()}.log"
        worker = WorkerProcess(self.environ | {"DARKROOM_LOG_FORMAT": "json"} | variables, log, *program)
        self.workers.callback(worker.stop)
        return worker

    def record(self, image: bytes, jobs: list[dict[str, Any]], owner: str = "default", **more: Any) -> PhotoRecord:
        """A record as the API writes it; nothing is stored or sent yet."""
        photo_id = new_id()
        original = Original(
            key=original_key(photo_id),
            filename="photo.jpg",
            content_type="image/jpeg",
            size=len(image),
            sha256=hashlib.sha256(image).hexdigest(),
            width=640,
            height=480,
        )
        photo = PhotoRecord(id=photo_id, owner=owner, created_at=now(), original=original, **more)
        photo.add_order(jobs_adapter.validate_python(jobs), self.services.settings.resend_after)
        return photo

    def submit(self, image: bytes, *jobs: dict[str, Any], owner: str = "default") -> PhotoRecord:
        """Write record, original and message of a photo, as the API does."""
        photo = self.record(image, list(jobs), owner)
        self.services.table.create(photo)
        self.store(photo, image)
        for order in photo.orders:
            self.services.outbox.send_order(photo, order)
        return photo

    def store(self, photo: PhotoRecord, image: bytes) -> None:
        assert photo.original is not None
        store_file(self.services.bucket, photo.original.key, image)

    def add_asset(self, file: bytes, owner: str = "default", kind: AssetKind = "picture") -> Asset:
        """Store a file as an asset, as the API does. Its late writes are over."""
        assets, asset_id, time = self.services.assets, hashlib.sha256(file).hexdigest(), ImportTime()
        asset = Asset(
            id=asset_id,
            key=asset_key(owner, asset_id, new_id()),
            size=len(file),
            content=AssetContent(kind=kind, content_type="image/png"),
            created_at=now(),
            stored_until=now(),
        )
        assets.update(owner, lambda record: record.begin_upload(asset.id, asset.key, time, 100))
        store_file(self.services.bucket, asset.key, file, asset.content.content_type)
        return assets.update(owner, lambda record: record.finish_upload(asset, time, 100))[1]

    def as_a_newer_release(self, photo: PhotoRecord) -> None:
        """Add an attribute to a record that this release does not know."""
        self.edit_record(photo, lambda record: record.update(colour="blue"))

    def as_this_release(self, photo: PhotoRecord) -> None:
        """Remove this attribute."""
        self.edit_record(photo, lambda record: record.pop("colour"))

    def edit_record(self, photo: PhotoRecord, change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """Change the JSON of a record, and nothing else of its item. Returns the JSON."""
        return edit_record(self.services, photo.id, change)

    def look(self, photo: PhotoRecord) -> PhotoRecord:
        found = self.services.table.get(photo.id)
        assert found is not None
        return found

    def wait_for(self, photo: PhotoRecord) -> PhotoRecord:
        """Wait until nothing of a photo is unfinished."""

        def ended() -> PhotoRecord | None:
            found = self.look(photo)
            return None if found.unfinished else found

        return wait_until(f"photo {photo.id} has ended", ended)

    def wait_in_progress(self, photo: PhotoRecord) -> None:
        wait_until(f"photo {photo.id} is in progress", lambda: "processing" in self.look(photo).counts)

    def wait_until_empty(self) -> None:
        """Wait until the photos queue holds nothing, in flight included."""

        def empty() -> bool:
            depth = self.services.photos.depth()
            return depth.visible == depth.in_flight == depth.delayed == 0

        wait_until("the queue is empty", empty)

    def receive(self, queue: Queue) -> list[str]:
        """The bodies of all visible messages of a queue. They are deleted from it."""
        bodies = []
        while messages := queue.receive(10, wait=1, visibility=30):
            bodies += [message.body for message in messages]
            queue.delete([message.receipt_handle for message in messages])
        return bodies

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(body) for body in self.receive(self.services.events)]

    def objects(self, photo: PhotoRecord) -> list[str]:
        """The keys of all results of a photo, published or not."""
        clients, bucket = self.services.clients, self.services.settings.bucket
        found = clients.s3.list_objects_v2(Bucket=bucket, Prefix=results_prefix(photo.id))
        return [item["Key"] for item in found.get("Contents", [])]


def named_by(*photos: PhotoRecord) -> set[str]:
    """The keys of all results in the bucket that these records name."""
    results = [job.result for photo in photos for job in photo.jobs.values() if job.result]
    return {result.key for result in results if result.content is None}


def content_of(services: Services, result: Result) -> bytes:
    """A result, from the record or from the bucket."""
    return services.bucket.read(result.key) if result.content is None else result.content.encode()


def only_job(photo: PhotoRecord) -> Any:
    (job,) = photo.jobs.values()
    return job


def is_empty(queue: Queue) -> bool:
    depth = queue.depth()
    return depth.visible == depth.in_flight == depth.delayed == 0
