"""A process dies between each two steps of what Darkroom does; redelivery or the sweep puts everything right.

The tables name every point. Each run starts the real service with a fault in it (tests/support/faulty.py), asserts
that it was killed there, and then lets a healthy worker find what was left behind. Most of a run is waiting for a
lease to end: several go on at a time, each in a deployment of its own.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from datetime import timedelta
from typing import Any

import pytest

from darkroom.jobs.job_types import jobs_adapter
from darkroom.record.clock import now
from darkroom.record.order import Order
from darkroom.record.photo import PhotoRecord
from darkroom.services import Services
from tests.support.crash_scene import (
    COPY,
    CREATE,
    DEAD,
    DELETE,
    EVENTS,
    FETCH,
    FETCH_UPLOAD,
    INGEST,
    JOBS,
    OFTEN,
    PHOTOS,
    PUT,
    REMOVE,
    REMOVE_UPLOAD,
    SEND,
    UPDATE,
    Scene,
    is_empty,
)
from tests.support.exhaustive import matrix
from tests.support.faulty import Fault
from tests.support.ingesting import await_upload, put, use_form
from tests.support.side_by_side import run_side_by_side
from tests.support.stack import QUICK_LEASE, Stack
from tests.support.waiting import wait_until
from worker.orders.publication import PUBLISH_EVERY

UPLOAD: dict[str, tuple[Fault, list[str]]] = {
    "nothing-written": (Fault(CREATE, "before"), []),
    "record-written": (Fault(CREATE, "after"), ["failed"]),
    "original-stored": (Fault(PUT, "after"), ["succeeded"]),
    "order-sent-not-answered": (Fault(SEND, "after", queue=PHOTOS), ["succeeded"]),
    "between-two-photos": (Fault(CREATE, "before", 2), ["succeeded"]),
    "second-of-two-written": (Fault(CREATE, "after", 2), ["failed", "succeeded"]),
}
"""Where the API dies in an upload, and how the photos end that there are then, newest first."""

MORE_JOBS = {
    "nothing-written": (Fault(UPDATE, "before"), ["succeeded"]),
    "order-written-not-sent": (Fault(UPDATE, "after"), ["succeeded", "succeeded"]),
    "order-sent-not-answered": (Fault(SEND, "after", queue=PHOTOS), ["succeeded", "succeeded"]),
}
"""Where the API dies when one more job is asked for, and how the jobs end."""

CANCEL = {
    "nothing-written": (Fault(UPDATE, "before"), "succeeded"),
    "written-not-announced": (Fault(UPDATE, "after"), "cancelled"),
    "announced-not-answered": (Fault(SEND, "after", queue=EVENTS), "cancelled"),
}
"""Where the API dies when a photo is cancelled, and how that ends."""

ERASE = {
    "tombstone-written": Fault(UPDATE, "after", 1),
    "objects-removed": Fault(REMOVE, "after"),
    "purge-written-not-answered": Fault(UPDATE, "after", 2),
}
"""Where the API dies when a photo is deleted, of which its message and a result are still there."""

WORK = {
    "received": [Fault(UPDATE, "before", 1)],
    "claimed": [Fault(UPDATE, "after", 1)],
    "original-about-to-be-fetched": [Fault(FETCH, "before")],
    "original-fetched": [Fault(FETCH, "after")],
    "child-started": [Fault("worker.child.process:Child.start", "after")],
    "first-result-about-to-be-stored": [Fault(PUT, "before", 1)],
    "first-result-stored": [Fault(PUT, "after", 1)],
    "all-results-stored": [Fault(PUT, "after", 2)],
    "first-result-published": [Fault(PUT, "before", 1, act="slow", seconds=PUBLISH_EVERY), Fault(UPDATE, "after", 2)],
    "second-result-stored": [Fault(PUT, "before", 1, act="slow", seconds=PUBLISH_EVERY), Fault(PUT, "after", 2)],
    "record-written": [Fault(UPDATE, "after", 2)],
    "event-sent": [Fault(SEND, "after", queue=EVENTS)],
    "message-about-to-be-deleted": [Fault(DELETE, "before", queue=PHOTOS)],
    "message-deleted": [Fault(DELETE, "after", queue=PHOTOS)],
}
"""Where a worker dies in the work on a message."""

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
    "event-sent": Fault(SEND, "after", queue=EVENTS),
    "message-about-to-be-deleted": Fault(DELETE, "before", queue=INGEST),
    "message-deleted": Fault(DELETE, "after", queue=INGEST),
}
"""Where a worker dies that takes in a direct upload and does its jobs."""

INGEST_REPLACED = {"copied": Fault(COPY, "after"), "record-written": Fault(UPDATE, "after", 1)}
"""Where a worker dies that takes in a direct upload; before another one comes, the form is used again."""

INGEST_BAD = {
    "refused": Fault(UPDATE, "after", 1),
    "upload-removed": Fault(REMOVE_UPLOAD, "after", 1),
    "event-sent": Fault(SEND, "after", queue=EVENTS),
}
"""Where a worker dies over a direct upload that is no photo."""

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
"""Where a worker dies whose sweep finds an upload that nobody was told of."""

GIVE_BACK = {
    "attempt-failed": Fault(UPDATE, "before", 2),
    "postponed-not-given-back": Fault(UPDATE, "after", 2),
}
"""Where a worker dies that cannot reach S3 and wants to give its message back."""

BURY = {
    "claimed": Fault(UPDATE, "after", 1),
    "record-written": Fault(UPDATE, "after", 2),
    "dead-letter-sent": Fault(SEND, "after", queue=DEAD),
    "event-sent": Fault(SEND, "after", queue=EVENTS),
    "message-about-to-be-deleted": Fault(DELETE, "before", queue=PHOTOS),
}
"""Where a worker dies that buries an order with no attempt left."""

OVERTAKEN = {
    "more-jobs": lambda record: record.add_order(jobs_adapter.validate_python([JOBS[0]]), 300),
    "retried": lambda record: record.retry(next(iter(record.jobs)), 300),
}
"""What is asked of a photo whose worker died after it wrote the record, and before it told anybody."""

REDRIVEN = {
    "record-written": Fault(UPDATE, "after", 2),
    "event-sent": Fault(SEND, "after", queue=EVENTS),
}
"""Where a worker dies that buries an order, which is then redriven by somebody who dies before the send."""

RESEND = {
    "found": Fault(UPDATE, "before", 1),
    "counted-not-sent": Fault(UPDATE, "after", 1),
    "sent": Fault(SEND, "after", queue=PHOTOS),
}
"""Where a worker dies when its sweep sends an order again."""

PURGE = {
    "found": Fault(REMOVE, "before"),
    "objects-removed": Fault(REMOVE, "after"),
    "purge-written": Fault(UPDATE, "after", 1),
}
"""Where a worker dies when its sweep finishes a deletion."""


def upload(scene: Scene, fault: Fault, statuses: list[str]) -> None:
    photos = [("photo", (f"{n}.jpg", scene.picture)) for n in range(fault.nth)]
    scene.let_api_die(fault, "POST", "/v1/photos", files=photos, data={"jobs": json.dumps(JOBS)})
    scene.repair()
    assert [photo.status for photo in scene.photos()] == statuses
    for photo in scene.photos():
        errors = {error.code for job in photo.jobs.values() for error in job.errors}
        assert errors == ({"unreadable_photo"} if photo.status == "failed" else set())
    scene.check()


def more_jobs(scene: Scene, fault: Fault, statuses: list[str]) -> None:
    photo = scene.stack.submit(scene.picture, JOBS[0])
    scene.repair()
    scene.let_api_die(fault, "POST", f"/v1/photos/{photo.id}/jobs", json={"jobs": [JOBS[0]]})
    scene.wait_until_settled()
    assert [job.status for job in scene.stack.look(photo).jobs.values()] == statuses
    scene.check(len(statuses))


def cancel(scene: Scene, fault: Fault, status: str) -> None:
    photo = scene.stack.submit(scene.picture, *JOBS)
    scene.let_api_die(fault, "POST", f"/v1/photos/{photo.id}/cancel")
    scene.repair()
    assert [photo.status for photo in scene.photos()] == [status]
    scene.check()


def erase(scene: Scene, fault: Fault) -> None:
    photo = scene.stack.submit(scene.picture, *JOBS)
    scene.store_result(photo)
    scene.let_api_die(fault, "DELETE", f"/v1/photos/{photo.id}")
    scene.let_time_pass(photo)
    scene.repair()
    scene.check_erased(photo)


def work(scene: Scene, *faults: Fault) -> None:
    photo = scene.stack.submit(scene.picture, *JOBS)
    scene.let_worker_die(*faults)
    published = {job.id: job.result for job in scene.stack.look(photo).jobs.values() if job.result}
    scene.repair()
    ended = scene.stack.look(photo)
    assert ended.status == "succeeded"
    assert {job_id: ended.jobs[job_id].result for job_id in published} == published  # nothing is done or named twice
    scene.check()


def overtaken(scene: Scene, change: Callable[[PhotoRecord], Order]) -> None:
    photo = scene.stack.submit(scene.picture[:2000], JOBS[0])  # damaged: it fails
    scene.let_worker_die(Fault(UPDATE, "after", 2))
    photo, order = scene.services.table.update(photo.id, change)
    scene.services.outbox.send_order(photo, order.id)
    scene.repair()
    scene.check(2)  # both generations were told of


def ingest_upload(scene: Scene, fault: Fault) -> None:
    scene.stack.receive(scene.services.ingest)  # S3's test events, which are deleted before anything else
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
    use_form(scene.services, photo, scene.picture + b"\0")  # the same to see, but another file
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
        "S3 has told of it", lambda: any("Records" in body for body in scene.stack.receive(scene.services.ingest))
    )
    scene.let_worker_die(fault, **OFTEN)
    scene.repair()
    assert scene.stack.look(photo).status == "succeeded"
    scene.check()


def give_back(scene: Scene, fault: Fault) -> None:
    photo = scene.stack.submit(scene.picture, *JOBS)
    scene.let_worker_die(fault, AWS_ENDPOINT_URL_S3="http://127.0.0.1:1")
    scene.repair()
    assert scene.stack.look(photo).status == "succeeded"
    scene.check()


def bury(scene: Scene, fault: Fault) -> None:
    photo = scene.stack.submit(scene.picture, *JOBS)
    (order,) = photo.orders
    for _ in range(5):  # five workers that claimed it and were heard of no more; one left something
        _, claim = scene.services.table.update(photo.id, lambda record: record.claim(order, 5, 90, 300))
    scene.store_result(photo, claim.fence)
    scene.let_worker_die(fault)
    scene.repair()
    ended = scene.stack.look(photo)
    assert {job.errors[-1].code for job in ended.jobs.values()} == {"attempts_exhausted"}
    assert ended.dead_letter_at is not None
    scene.end_repair()
    # A copy for each death before the record was written: redriving builds its message from the record, once.
    letters = scene.stack.receive(scene.services.photos.dead_letters)
    assert {json.loads(letter)["photo"] for letter in letters} == {photo.id}
    scene.check()


def redriven(scene: Scene, fault: Fault) -> None:
    photo = scene.stack.submit(scene.picture, *JOBS)
    (order,) = photo.orders
    for _ in range(5):
        scene.services.table.update(photo.id, lambda record: record.claim(order, 5, 90, 300))
    scene.let_worker_die(fault)
    scene.services.table.update(photo.id, lambda record: record.redrive(order, 300))
    scene.repair()  # by the message that was to be deleted
    assert scene.stack.look(photo).status == "succeeded"
    wait_until("the sweep has removed the copy", lambda: is_empty(scene.services.photos.dead_letters))
    scene.check(2)


def resend(scene: Scene, fault: Fault) -> None:
    photo = scene.stack.record(scene.picture, JOBS)
    for order in photo.orders.values():
        order.due_at = now() - timedelta(hours=1)
    scene.services.table.create(photo)
    scene.stack.store(photo, scene.picture)
    scene.let_worker_die(fault, **OFTEN)
    scene.repair()
    assert scene.stack.look(photo).status == "succeeded"
    scene.check()


def purge(scene: Scene, fault: Fault) -> None:
    photo = scene.stack.record(scene.picture, JOBS)
    photo.delete()
    scene.services.table.create(photo)
    scene.stack.store(photo, scene.picture)
    scene.store_result(photo)
    scene.let_time_pass(photo)
    scene.let_worker_die(fault, **OFTEN)
    scene.repair()
    scene.check_erased(photo)


RUNS: dict[str, Callable[[Scene], None]] = {}
for action, points in {
    upload: UPLOAD,
    more_jobs: MORE_JOBS,
    cancel: CANCEL,
    erase: ERASE,
    work: WORK,
    overtaken: OVERTAKEN,
    ingest_upload: INGEST_UPLOAD,
    ingest_replaced: INGEST_REPLACED,
    ingest_bad: INGEST_BAD,
    ingest_drop: INGEST_DROP,
    ingest_fifo: INGEST_FIFO,
    upload_lost: UPLOAD_LOST,
    give_back: GIVE_BACK,
    bury: BURY,
    redriven: REDRIVEN,
    resend: RESEND,
    purge: PURGE,
}.items():
    for name, point in points.items():
        given = point if isinstance(point, tuple | list) else [point]
        RUNS[f"{action.__name__}-{name}"] = lambda scene, action=action, given=given: action(scene, *given)


@pytest.fixture(scope="module")
def runs(
    request: pytest.FixtureRequest, deploy: Any, picture: bytes, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[None]]]:
    """The runs of all points that were chosen, each on its way or done."""

    def run(point: str) -> None:
        directory = tmp_path_factory.mktemp(point)
        queue = {"DARKROOM_QUEUE_TYPE": "fifo" if point.startswith("ingest_fifo") else "standard"}
        deployment = deploy(**QUICK_LEASE, **queue, DARKROOM_RESEND_AFTER="0.5", DARKROOM_LOG_FORMAT="json")
        with contextlib.ExitStack() as workers:
            stack = Stack(Services.connect(deployment.settings), deployment.environ, directory, workers)
            RUNS[point](Scene(stack, picture, directory))

    yield from run_side_by_side(request, "point", run)


OFTEN_RUN = [
    "upload-record-written",
    "erase-tombstone-written",
    "work-claimed",
    "work-all-results-stored",
    "work-message-about-to-be-deleted",
    "overtaken-more-jobs",
    "ingest_upload-copied",
    "bury-record-written",
    "resend-counted-not-sent",
]
"""One point of each kind of repair: redelivery, the sweep, a second claim, a dead letter."""


@pytest.mark.parametrize("point", matrix(RUNS, keep=OFTEN_RUN))
def test_a_death_is_put_right(point: str, runs: dict[str, Future[None]]) -> None:
    runs[point].result()
