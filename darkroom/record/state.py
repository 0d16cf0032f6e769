"""The fields of a photo's record, and what can be derived from them. Only photo.py changes a record."""

from __future__ import annotations

import re
from collections import Counter
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID, uuid5

from pydantic import Field

from darkroom.errors import NotFound
from darkroom.jobs.spec import NAME
from darkroom.record.clock import now
from darkroom.record.delivery import WithCallback
from darkroom.record.direct_upload import DirectUpload
from darkroom.record.job import JobRecord, JobStatus
from darkroom.record.keys import job_and_fence, results_prefix
from darkroom.record.late_writes import LateWrites
from darkroom.record.order import Order
from darkroom.record.step_progress import StepProgress
from darkroom.record.stored import Original

PhotoStatus = Literal[
    "awaiting_upload", "processing", "succeeded", "failed", "cancelled", "expired", "deleted"
]  # fmt: skip

COMPLETED = "photo.completed"
"""The type of the event of a photo that has ended."""

UNFINISHED_REQUEST = timedelta(minutes=5)
"""After this time the sweep finishes a cancellation or a deletion that the API has begun."""


class PhotoState(WithCallback):
    """Everything that is known about a photo."""

    id: str
    owner: str
    created_at: datetime
    original: Original | None = None
    upload: DirectUpload | None = None
    source_url: str | None = None
    """The URL from which a worker fetches the file; without its query as soon as it has the file."""
    reference: str | None = None
    metadata: dict[str, Any] = Field(default_factory=dict)
    batch: str | None = None
    public: bool = False
    """Its embed links never expire."""
    upload_token: str | None = None
    """The id of the upload token that uploaded it; None: an API key did, or none was needed."""
    dedupe_key: str | None = None
    """Key of the item that leads uploads of the same photo to this one (darkroom/aws/dedupe.py)."""
    fence_counter: int = 0
    orders: dict[str, Order] = Field(default_factory=dict)
    expires_at: datetime | None = None
    deleted_at: datetime | None = None
    late_writes: LateWrites | None = None
    list_part: int = 0
    """The part of the owner's list that the photo is in (darkroom/aws/owner_lists.py)."""
    version: int = Field(0, exclude=True)
    indexed_due_at: Decimal | None = Field(None, exclude=True)
    """The time in the index `due`, in seconds. Like the version it belongs to the stored item, not to the record."""

    @property
    def jobs(self) -> dict[str, JobRecord]:
        """The jobs of all orders, in the order in which they were made."""
        return dict(sorted((job.id, job) for order in self.orders.values() for job in order.jobs.values()))

    @property
    def status(self) -> PhotoStatus:
        if self.deleted_at:
            return "deleted"
        if self.expires_at and self.expires_at <= now():
            return "expired"
        if self.unfinished:
            return "processing" if self.original or self.source_url else "awaiting_upload"
        statuses = set(self.counts)
        # "succeeded" promises that every requested result exists.
        return "failed" if "failed" in statuses else "cancelled" if "cancelled" in statuses else "succeeded"

    @property
    def counts(self) -> dict[JobStatus, int]:
        return dict(Counter(job.status for job in self.jobs.values()))

    @property
    def progress(self) -> StepProgress | None:
        """How far the worker is that has the newest order in progress; None if none is, or has not taken long."""
        running = [order.progress for order in self.orders.values() if order.progress and order.in_progress]
        return running[-1] if running else None

    @property
    def content_size(self) -> int:
        """Bytes of the results that the record itself holds."""
        contents = (job.result.content for job in self.jobs.values() if job.result)
        return sum(len(content.encode()) for content in contents if content)

    @property
    def unfinished(self) -> bool:
        return any(order.unfinished_jobs for order in self.orders.values())

    @property
    def pending_upload(self) -> DirectUpload | None:
        """The file that the photo waits for. None when the photo has its file, or no longer waits."""
        return self.upload if self.unfinished else None

    @property
    def pending_fetch(self) -> DirectUpload | None:
        """The file that a worker has to fetch. None when the photo has its file, or was not given by URL."""
        return self.pending_upload if self.source_url else None

    @property
    def deleted_or_expired(self) -> bool:
        return self.status in ("deleted", "expired")

    @property
    def due_at(self) -> datetime | None:
        """When the sweep checks this photo; None when there is nothing to check."""
        look_at = self.late_writes.look_at if self.late_writes else None
        return min((at for at in (look_at, self._work_due_at) if at), default=None)

    @property
    def overdue(self) -> bool:
        return self.due_at is not None and self.due_at <= now()

    @property
    def indexed_too_early(self) -> bool:
        """Whether the time in the index has come although there is nothing to check yet, or not any more."""
        return self.indexed_due_at is not None and self.indexed_due_at <= now().timestamp() and not self.overdue

    @property
    def _work_due_at(self) -> datetime | None:
        """When the sweep checks the photo's upload or its orders."""
        if self.deleted_or_expired:
            return None
        if self.upload:
            return self.upload.check_at if self.unfinished else self.upload.sweep_at
        return min((order.due_at for order in self.orders.values() if order.unfinished_jobs), default=None)

    @property
    def dead_letter_at(self) -> datetime | None:
        """When the first of the photo's dead letters was buried."""
        return min((order.dead_letter.at for order in self.orders.values() if order.dead_letter), default=None)

    def job(self, job_id: str) -> JobRecord:
        return self.order_of(job_id).jobs[job_id]

    def job_named(self, name: str) -> JobRecord:
        """The newest job with this name that has succeeded, or the newest one if none has. Raises NotFound."""
        named = [job for job in self.jobs.values() if job.name == name]
        if not named:
            known = dict.fromkeys(job.name for job in self.jobs.values() if job.name)
            what = f"named {name}" if re.fullmatch(NAME, name) else "with this name"
            names = f"its results are named {', '.join(known)}" if known else "none of its jobs has a name"
            raise NotFound(f"photo {self.id} has no result {what}; {names}")
        return next((job for job in reversed(named) if job.status == "succeeded"), named[-1])

    def order(self, order_id: str) -> Order:
        try:
            return self.orders[order_id]
        except KeyError:
            raise NotFound(f"photo {self.id} has no order {order_id}") from None

    def order_of(self, job_id: str) -> Order:
        for order in self.orders.values():
            if job_id in order.jobs:
                return order
        raise NotFound(f"photo {self.id} has no job {job_id}")

    def needs(self, key: str) -> bool:
        """Whether this record names a result or an original, or the worker that stored it may still publish it.

        True also for an object that Darkroom did not store, until the photo is deleted or expires.
        """
        if self.deleted_or_expired:
            return False
        if key.startswith(results_prefix(self.id)):
            made = job_and_fence(key)
            return made is None or self._needs_result(key, *made)
        return self.pending_upload is not None or (self.original is not None and self.original.key == key)

    def _needs_result(self, key: str, job_id: str, fence: int) -> bool:
        order = next((order for order in self.orders.values() if job_id in order.jobs), None)
        if order is None:
            return False
        job = order.jobs[job_id]
        if job.unfinished:
            return order.fence == fence
        return job.result is not None and job.result.key == key

    def event_id(self, kind: str, job: JobRecord | None = None, generation: int | None = None) -> str:
        """The same for every repetition of an event: one for each generation of a photo, one for each end of a job."""
        what = f"{job.id}/{self.order_of(job.id).id}" if job else str(generation or self.generation)
        if job and job.redrive_count:  # it ends once more, in the same order
            what += f"/{job.redrive_count}"
        return str(uuid5(UUID(self.id), f"{kind}/{what}"))

    def overdue_upload(self) -> DirectUpload | None:
        upload = None if self.deleted_or_expired else self.pending_upload
        return upload if upload and upload.overdue else None

    def overdue_orders(self) -> list[str]:
        return [order.id for order in self.orders.values() if order.overdue]
