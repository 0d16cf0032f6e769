"""Checks of the state after a chaos run, and the figures of the run."""

from __future__ import annotations

import itertools
import json
import statistics
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from darkroom.aws.queue import Queue
from darkroom.record.photo import PhotoRecord
from darkroom.services import Services
from tests.support.chaos.fleet import Fleet
from tests.support.chaos.samples import Sample, fault_in, jobs_for
from tests.support.stack import content_of, named_by
from worker.child.workspace import PREFIX
from worker.sweep.sweeper import Sweeper


@dataclass(frozen=True)
class Uploaded:
    """A photo that the API has accepted."""

    id: str
    owner: str
    sample: Sample


@dataclass
class Report:
    """The figures of a run, and its faults. A good run has no faults."""

    figures: dict[str, str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        lines = [f"{name:22} {value}" for name, value in self.figures.items()]
        return "\n".join([*lines, *(f"FAULT: {fault}" for fault in self.faults)])


def audit(services: Services, uploaded: list[Uploaded], fleet: Fleet) -> Report:
    """Check table, bucket, queues and disk after a run. The workers have ended."""
    report = Report()
    records = {photo.id: record for photo in uploaded if (record := services.table.get(photo.id))}
    complete = [photo for photo in uploaded if photo.id in records and records[photo.id].status == "succeeded"]
    report.faults += [
        f"photo {photo.id} belongs to {records[photo.id].owner}, not to {photo.owner}"
        for photo in complete
        if records[photo.id].owner != photo.owner
    ]
    report.faults += [_state_of(photo, records.get(photo.id)) for photo in uploaded if photo not in complete]
    for photo in complete:
        report.faults += _faults_in_results(services, photo, records[photo.id])
    if services.settings.queue_type == "fifo":
        report.faults += _faults_in_order(uploaded, records)
    report.faults += _faults_in_events(services, uploaded, records)
    report.faults += _faults_in_queues(services)
    report.faults += _faults_in_bucket(services, records)
    left_on_disk = _swept_folders(services, report)
    _count(report, fleet, uploaded, records, lost=len(uploaded) - len(complete), left_on_disk=left_on_disk)
    report.faults += fleet.faults
    if not fleet.kills:
        report.faults.append("no worker was killed: the run shows nothing")
    return report


def _state_of(photo: Uploaded, record: PhotoRecord | None) -> str:
    if record is None:
        return f"photo {photo.id} is not in the table"
    errors = [error.detail for job in record.jobs.values() for error in job.errors]
    return f"photo {photo.id} is {record.status}, {record.counts}: {errors}"


def _faults_in_results(services: Services, photo: Uploaded, record: PhotoRecord) -> Iterator[str]:
    if len(record.jobs) != len(jobs_for(photo.sample)):
        yield f"photo {photo.id} has {len(record.jobs)} jobs"
    for job in record.jobs.values():
        assert job.result is not None
        if fault := fault_in(photo.sample, job.spec.type, content_of(services, job.result)):
            yield f"{job.spec.type} of photo {photo.id} ({photo.sample.name}): {fault}"


def _faults_in_order(uploaded: list[Uploaded], records: dict[str, PhotoRecord]) -> Iterator[str]:
    """On a FIFO queue the photos of an owner must end in the order of their uploads."""
    of_owner: dict[str, list[PhotoRecord]] = defaultdict(list)
    for photo in uploaded:
        if photo.id in records and not records[photo.id].unfinished:
            of_owner[photo.owner].append(records[photo.id])
    for owner, photos in of_owner.items():
        for earlier, later in itertools.pairwise(photos):
            if max(_ends(earlier)) > min(_ends(later)):
                yield f"{owner}'s photo {later.id} overtook {earlier.id}"


def _faults_in_events(services: Services, uploaded: list[Uploaded], records: dict[str, PhotoRecord]) -> Iterator[str]:
    """Each photo and generation must have at least one `photo.completed`, and all of them the same id."""
    ids: dict[str, set[str]] = defaultdict(set)
    for body in _drain(services.events):
        event = json.loads(body)
        if event["type"] == "photo.completed":
            ids[event["data"]["id"]].add(event["id"])
            if event["data"]["status"] != "succeeded":
                yield f"photo {event['data']['id']} was announced as {event['data']['status']}"
    for photo in uploaded:
        if photo.id in records and ids[photo.id] != {records[photo.id].event_id("photo.completed")}:
            yield f"photo {photo.id} was announced under the ids {sorted(ids[photo.id])}"


def _faults_in_queues(services: Services) -> Iterator[str]:
    for queue in (services.photos, services.photos.dead_letters):
        depth = queue.depth()
        if depth.visible or depth.in_flight or depth.delayed:
            yield f"something is left in a queue: {depth}"


def _faults_in_bucket(services: Services, records: dict[str, PhotoRecord]) -> Iterator[str]:
    """Exactly the results that records name must be below results/."""
    named = named_by(*records.values())
    pages = services.clients.s3.get_paginator("list_objects_v2").paginate(
        Bucket=services.settings.bucket, Prefix="results/"
    )
    stored = {found["Key"] for page in pages for found in page.get("Contents", [])}
    for key in sorted(stored ^ named):
        yield f"{key} is " + ("stored, but no record names it" if key in stored else "named, but not stored")


def _swept_folders(services: Services, report: Report) -> int:
    """The number of folders that killed workers left on the disk. The sweep must remove them."""
    spool = services.settings.spool_dir
    left = list(spool.glob(f"{PREFIX}*"))
    Sweeper(services, threading.Event()).clean_spool()
    report.faults += [f"the sweep left {entry} on the disk" for entry in spool.iterdir()]
    return len(left)


def _count(
    report: Report,
    fleet: Fleet,
    uploaded: list[Uploaded],
    records: dict[str, PhotoRecord],
    lost: int,
    left_on_disk: int,
) -> None:
    orders = [order for record in records.values() for order in record.orders.values()]
    stored = Counter(entry["job"] for entry in fleet.logged("job.stored"))
    receives: Counter[str] = Counter()
    for entry in fleet.logged("order.handled"):  # a message is not deleted before this is logged
        receives[entry["order"]] = max(receives[entry["order"]], entry["receives"])
    delays = sorted(
        (max(_ends(record)) - record.created_at).total_seconds() for record in records.values() if not record.unfinished
    )
    report.figures |= {
        "photos": f"{len(uploaded)}, {sum(len(record.jobs) for record in records.values())} jobs",
        "lost": str(lost),
        "claimed again": f"{sum(order.claim_count - 1 for order in orders)} times; most attempts of an order: "
        f"{max(order.attempts for order in orders)}",
        "results made again": str(sum(times - 1 for times in stored.values())),
        "received again": f"{sum(times - 1 for times in receives.values())} times, "
        f"{sum(times > 1 for times in receives.values())} of the messages",
        "folders swept": str(left_on_disk),
        "upload to end": f"{statistics.median(delays):.1f} s median, {delays[-1]:.1f} s longest" if delays else "-",
    }


def _ends(record: PhotoRecord) -> list[datetime]:
    return [job.ended_at for job in record.jobs.values() if job.ended_at]


def _drain(queue: Queue) -> Iterator[str]:
    while messages := queue.receive(10, wait=1, visibility=60):
        yield from (message.body for message in messages)
        queue.delete([message.receipt_handle for message in messages])
