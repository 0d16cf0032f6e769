"""What has changed between two looks at a photo, as server-sent events. Pure: it reads nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from pydantic import BaseModel

from darkroom.record.clock import now
from darkroom.record.job import JobRecord
from darkroom.record.photo import PhotoRecord
from darkroom.record.step_progress import StepProgress

HEARTBEAT = b": heartbeat\n\n"
"""A comment. It keeps proxies from closing a connection on which nothing happens."""

RETRY = b"retry: 2000\n\n"
"""Milliseconds after which a browser connects again."""

BEGUN = b"id: begun\n\n"
"""Only an id. A listener who loses the connection before its first event sends it when it connects again, and so is
known as one who may have missed something."""

_VERSION = re.compile("[0-9]{1,15}")
"""Callers choose what they send as Last-Event-ID, and Python refuses to read a number of more than 4,300 digits."""


@dataclass(frozen=True)
class Seen:
    """What listeners know of a photo."""

    version: int
    status: str
    jobs: Mapping[str, tuple[str, int]]
    """Status and attempts by the job's id."""
    unfinished: bool
    generation: int
    expires_at: datetime | None
    progress: StepProgress | None

    @property
    def gone(self) -> bool:
        return self.status in ("deleted", "expired")

    @property
    def expires(self) -> bool:
        """Whether the photo's time has come, and the listeners do not know it."""
        return self.expires_at is not None and self.expires_at <= now() and not self.gone


class ProgressOfPhoto(StepProgress):
    """The data of an event `progress`. `id`: the photo's."""

    id: str


@dataclass(frozen=True)
class ViewsOf:
    """How photos and jobs look in a response."""

    photo: Callable[[PhotoRecord], BaseModel]
    job: Callable[[PhotoRecord, JobRecord], BaseModel]


def seen(photo: PhotoRecord) -> Seen:
    jobs = {job.id: (job.status, job.attempts) for job in photo.jobs.values()}
    unfinished = photo.unfinished and not photo.deleted_or_expired
    return Seen(photo.version, photo.status, jobs, unfinished, photo.generation, photo.expires_at, photo.progress)


def event_id(photo: PhotoRecord) -> str:
    """The id of the events of this state of the photo: `{photo}:{version}`."""
    return f"{photo.id}:{photo.version}"


def is_newer(photo: PhotoRecord, last_event: str | None) -> bool:
    """Whether the photo has changed since the event with this id. True for an id that no event of
    this photo had, and for none."""
    photo_id, _, version = (last_event or "").partition(":")
    known = photo_id == photo.id and _VERSION.fullmatch(version)
    return not known or photo.version > int(version)


def whole(photo: PhotoRecord, views: ViewsOf) -> bytes:
    """The event `photo`: all that is known of it. Then `progress` if an order takes long."""
    progress = progress_of(photo.id, photo.progress) if photo.progress else b""
    return _event("photo", event_id(photo), views.photo(photo)) + progress


def changes(before: Seen, photo: PhotoRecord, views: ViewsOf) -> bytes:
    """An event `job` for each job that has changed, then `photo` if the photo's status has, or it has more jobs, and
    `progress` if the step of a long order has."""
    after = seen(photo)
    if after == before:
        return b""
    jobs = photo.jobs
    changed = [jobs[job_id] for job_id, state in after.jobs.items() if before.jobs.get(job_id) != state]
    events = b"".join(_event("job", None, views.job(photo, job)) for job in changed)
    if (after.status, after.jobs.keys()) != (before.status, before.jobs.keys()):
        return events + whole(photo, views)
    if after.progress and after.progress != before.progress:
        events += progress_of(photo.id, after.progress)
    return events + _id(photo) if events else b""


def progress_of(photo_id: str, progress: StepProgress) -> bytes:
    """The event `progress`: the step that a worker does, and how many are done."""
    return _event("progress", None, ProgressOfPhoto(id=photo_id, **progress.model_dump()))


def gone(photo_id: str) -> bytes:
    """The event `gone`: the photo was deleted or has expired."""
    return f'event: gone\ndata: {{"id": "{photo_id}"}}\n\n'.encode()


def _id(photo: PhotoRecord) -> bytes:
    """Only an id: a browser keeps it, and shows no event."""
    return f"id: {event_id(photo)}\n\n".encode()


def _event(name: str, id_: str | None, data: BaseModel) -> bytes:
    """JSON has no line breaks, so it is one line of data. The id belongs to the last event of a change: who has it has
    got all of the change."""
    head = f"id: {id_}\n" if id_ else ""
    return f"{head}event: {name}\ndata: {data.model_dump_json()}\n\n".encode()
