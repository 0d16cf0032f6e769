"""A worker dies between each two steps while it takes a file in; redelivery or the sweep repairs what it left.

The tables name every point. tests/support/crash_scene.py says how a run goes.
"""

from __future__ import annotations

from concurrent.futures import Future
from datetime import timedelta

import pytest

from darkroom.record.clock import now
from tests.support.crash_scene import (
    COPY,
    CREATE,
    DELETE,
    EVENTS,
    FETCH_UPLOAD,
    INGEST,
    JOBS,
    OFTEN,
    PUT,
    REMOVE_UPLOAD,
    SEND,
    SEND_BATCH,
    UPDATE,
    Scene,
    runs_of,
)
from tests.support.exhaustive import matrix
from tests.support.faulty import Fault
from tests.support.ingesting import await_fetch, await_upload, put, use_form
from tests.support.photo_source import PhotoSource
from tests.support.waiting import wait_until

INGEST_UPLOAD = {
    "received": Fault(FETCH_UPLOAD, "before"),
    "fetched": Fault(FETCH_UPLOAD, "after"),
    "looked-into": Fault("worker.child.process:Child.look", "after"),
    "about-to-be-copied": Fault(COPY, "before"),
    "copied": Fault(COPY, "after"),
    "record-written": Fault(UPDATE, "after", 1),
    "upload-removed": Fault(REMOVE_UPLOAD, "after", 1),
    "claimed": Fault(UPDATE, "after", 2),
    "first-result-stored": Fault(PUT, "after", 1),
    "jobs-published": Fault(UPDATE, "after", 3),
    "event-sent": Fault(SEND_BATCH, "after", queue=EVENTS),
    "message-about-to-be-deleted": Fault(DELETE, "before", queue=INGEST),
    "message-deleted": Fault(DELETE, "after", queue=INGEST),
}
"""Where a worker dies that takes in a direct upload and does its jobs."""

INGEST_REPLACED = {"copied": Fault(COPY, "after"), "record-written": Fault(UPDATE, "after", 1)}
"""Where a worker dies that takes in a direct upload; the form is used again before another worker starts."""

INGEST_BAD = {
    "refused": Fault(UPDATE, "after", 1),
    "upload-removed": Fault(REMOVE_UPLOAD, "after", 1),
    "event-sent": Fault(SEND_BATCH, "after", queue=EVENTS),
}
"""Where a worker dies that takes in a direct upload that is not a photo."""

INGEST_DROP = {
    "found": Fault(CREATE, "before"),
    "record-made": Fault(CREATE, "after"),
    "copied": Fault(COPY, "after"),
    "original-written": Fault(UPDATE, "after", 1),
    "claimed": Fault(UPDATE, "after", 2),
    "jobs-published": Fault(UPDATE, "after", 3),
}
"""Where a worker dies that takes in a file dropped into the bucket."""

INGEST_FIFO = {
    "original-written": Fault(UPDATE, "after", 1),
    "order-sent": Fault(SEND, "after", queue="-photos.fifo"),
}
"""Where a worker dies that takes in a direct upload, whose order travels on a FIFO queue."""

UPLOAD_LOST = {
    "found": Fault(SEND, "before", queue=INGEST),
    "sent": Fault(SEND, "after", queue=INGEST),
    "written": Fault(UPDATE, "after", 1),
}
"""Where a worker dies whose sweep finds an upload whose notification was lost."""

FETCH_BY_URL = {
    "received": Fault(UPDATE, "before", 1),
    "attempt-counted": Fault(UPDATE, "after", 1),
    "downloaded": Fault(PUT, "before", 1),
    "stored": Fault(PUT, "after", 1),
    "message-about-to-be-deleted": Fault(DELETE, "before", queue=INGEST),
    "imported": Fault(UPDATE, "after", 2),
    "jobs-published": Fault(UPDATE, "after", 4),
    "event-sent": Fault(SEND_BATCH, "after", queue=EVENTS),
}
"""Where a worker dies that fetches a photo from its URL and does its jobs."""

FETCH_REFUSED = {"refused": Fault(UPDATE, "after", 2), "event-sent": Fault(SEND_BATCH, "after", queue=EVENTS)}
"""Where a worker dies that fetches a photo from a URL that leads to none."""

FETCH_LOST = {"sent": Fault(SEND, "after", queue=INGEST), "written": Fault(UPDATE, "after", 1)}
"""Where a worker dies whose sweep finds a photo by URL whose message was lost."""


def ingest_upload(scene: Scene, fault: Fault) -> None:
    scene.stack.receive(scene.services.ingest)  # removes S3's test events
    photo = await_upload(scene.services, *JOBS)
    use_form(scene.services, photo, scene.picture)
    scene.let_worker_die(fault)
    scene.repair()
    assert scene.stack.look(photo).status == "succeeded"
    scene.check()


def ingest_replaced(scene: Scene, fault: Fault) -> None:
    photo = await_upload(scene.services, *JOBS)
    use_form(scene.services, photo, scene.picture)
    scene.let_worker_die(fault)
    use_form(scene.services, photo, scene.picture + b"\0")  # the same pixels, but another file
    scene.repair()
    ended = scene.stack.look(photo)
    assert ended.status == "succeeded"
    assert ended.original is not None
    assert ended.original.size - len(scene.picture) == (1 if fault.call == COPY else 0)
    scene.check()


def ingest_bad(scene: Scene, fault: Fault) -> None:
    photo = await_upload(scene.services, *JOBS)
    use_form(scene.services, photo, b"no photo")
    scene.let_worker_die(fault)
    scene.repair()
    assert {job.errors[-1].code for job in scene.stack.look(photo).jobs.values()} == {"unsupported_photo"}
    scene.check()


def ingest_drop(scene: Scene, fault: Fault) -> None:
    scene.owner = "alice"
    put(scene.services, "incoming/alice/dying/x.jpg", scene.picture)
    presets = {"DARKROOM_PRESETS_FILE": str(scene.presets()), "DARKROOM_DEFAULT_PRESET": "dying"}
    scene.let_worker_die(fault, **presets)
    scene.repair(**presets)
    wait_until("it is a photo", lambda: [photo.status for photo in scene.photos()] == ["succeeded"])
    scene.check()


def ingest_fifo(scene: Scene, fault: Fault) -> None:
    ingest_upload(scene, fault)


def upload_lost(scene: Scene, fault: Fault) -> None:
    photo = await_upload(scene.services, *JOBS, until=now() - timedelta(hours=1))
    use_form(scene.services, photo, scene.picture)
    wait_until(
        "S3 has sent the notification",
        lambda: any("Records" in body for body in scene.stack.receive(scene.services.ingest)),
    )
    scene.let_worker_die(fault, **OFTEN)
    scene.repair()
    assert scene.stack.look(photo).status == "succeeded"
    scene.check()


def fetch_by_url(scene: Scene, fault: Fault) -> None:
    with PhotoSource({"/photo": (200, {}, scene.picture)}) as source:
        hosts = {"DARKROOM_FETCH_PRIVATE_HOSTS": source.host}
        photo = await_fetch(scene.services, source.url("/photo"), *JOBS)
        scene.services.outbox.send_fetch(photo)
        scene.let_worker_die(fault, **hosts)
        scene.repair(**hosts)
        assert scene.stack.look(photo).status == "succeeded"
        scene.check()


def fetch_refused(scene: Scene, fault: Fault) -> None:
    with PhotoSource() as source:
        hosts = {"DARKROOM_FETCH_PRIVATE_HOSTS": source.host}
        photo = await_fetch(scene.services, source.url("/none"), *JOBS)
        scene.services.outbox.send_fetch(photo)
        scene.let_worker_die(fault, **hosts)
        scene.repair(**hosts)
        assert {job.errors[-1].code for job in scene.stack.look(photo).jobs.values()} == {"fetch_refused"}
        scene.check()


def fetch_lost(scene: Scene, fault: Fault) -> None:
    with PhotoSource({"/photo": (200, {}, scene.picture)}) as source:
        hosts = {"DARKROOM_FETCH_PRIVATE_HOSTS": source.host}
        photo = await_fetch(scene.services, source.url("/photo"), *JOBS)
        scene.services.table.update(photo.id, lambda record: record.upload and record.upload.wait_for_fetch(-1))
        scene.let_worker_die(fault, **OFTEN, **hosts)
        scene.repair(**hosts)
        assert scene.stack.look(photo).status == "succeeded"
        scene.check()


RUNS = runs_of(
    {
        ingest_upload: INGEST_UPLOAD,
        ingest_replaced: INGEST_REPLACED,
        ingest_bad: INGEST_BAD,
        ingest_drop: INGEST_DROP,
        ingest_fifo: INGEST_FIFO,
        upload_lost: UPLOAD_LOST,
        fetch_by_url: FETCH_BY_URL,
        fetch_refused: FETCH_REFUSED,
        fetch_lost: FETCH_LOST,
    }
)


@pytest.mark.parametrize("point", matrix(RUNS, keep=["ingest_upload-copied", "fetch_by_url-stored"]))
def test_a_crash_is_repaired(point: str, crash_runs: dict[str, Future[None]]) -> None:
    crash_runs[point].result()
