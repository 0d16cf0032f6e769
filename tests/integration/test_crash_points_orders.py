"""A worker dies between each two steps of the work on an order; redelivery or the sweep repairs what it left.

The tables name every point. tests/support/crash_scene.py says how a run goes.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import Future
from datetime import timedelta

import pytest

from darkroom.jobs.job_types import jobs_adapter
from darkroom.record.clock import now
from darkroom.record.order import Order
from darkroom.record.photo import PhotoRecord
from tests.support.crash_scene import (
    DEAD,
    DELETE,
    EVENTS,
    FETCH,
    JOBS,
    OFTEN,
    PHOTOS,
    PUT,
    REMOVE,
    SEND,
    SEND_BATCH,
    UPDATE,
    Scene,
    is_empty,
    runs_of,
)
from tests.support.exhaustive import matrix
from tests.support.faulty import Fault
from tests.support.waiting import wait_until
from worker.orders.publication import PUBLISH_EVERY

WORK = {
    "received": [Fault(UPDATE, "before", 1)],
    "claimed": [Fault(UPDATE, "after", 1)],
    "original-about-to-be-fetched": [Fault(FETCH, "before")],
    "original-fetched": [Fault(FETCH, "after")],
    "child-started": [Fault("worker.child.runner:PhotoProcessor._running_child", "after")],
    "first-result-about-to-be-stored": [Fault(PUT, "before", 1)],
    "first-result-stored": [Fault(PUT, "after", 1)],
    "all-results-stored": [Fault(PUT, "after", 2)],
    "first-result-published": [Fault(PUT, "before", 1, act="slow", seconds=PUBLISH_EVERY), Fault(UPDATE, "after", 2)],
    "second-result-stored": [Fault(PUT, "before", 1, act="slow", seconds=PUBLISH_EVERY), Fault(PUT, "after", 2)],
    "record-written": [Fault(UPDATE, "after", 2)],
    "event-about-to-be-sent": [Fault(SEND_BATCH, "before", queue=EVENTS)],
    "event-sent": [Fault(SEND_BATCH, "after", queue=EVENTS)],
    "message-about-to-be-deleted": [Fault(DELETE, "before", queue=PHOTOS)],
    "message-deleted": [Fault(DELETE, "after", queue=PHOTOS)],
}
"""Where a worker dies in the work on a message."""

GIVE_BACK = {
    "attempt-failed": Fault(UPDATE, "before", 2),
    "postponed-not-given-back": Fault(UPDATE, "after", 2),
}
"""Where a worker dies that cannot reach S3 and wants to give its message back."""

BURY = {
    "claimed": Fault(UPDATE, "after", 1),
    "record-written": Fault(UPDATE, "after", 2),
    "dead-letter-sent": Fault(SEND, "after", queue=DEAD),
    "event-sent": Fault(SEND_BATCH, "after", queue=EVENTS),
    "message-about-to-be-deleted": Fault(DELETE, "before", queue=PHOTOS),
}
"""Where a worker dies that buries an order with no attempt left."""

OVERTAKEN = {
    "more-jobs": lambda record: record.add_order(jobs_adapter.validate_python([JOBS[0]]), 300),
    "retried": lambda record: record.retry(next(iter(record.jobs)), 300),
}
"""What a caller asks for after a worker wrote the record, and died before it sent the event."""

REDRIVEN = {
    "record-written": Fault(UPDATE, "after", 2),
    "event-sent": Fault(SEND_BATCH, "after", queue=EVENTS),
}
"""Where a worker dies that buries an order; then the order is redriven by a process that dies before it sends."""

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


def work(scene: Scene, *faults: Fault) -> None:
    photo = scene.stack.submit(scene.picture, *JOBS)
    scene.let_worker_die(*faults)
    published = {job.id: job.result for job in scene.stack.look(photo).jobs.values() if job.result}
    scene.repair()
    ended = scene.stack.look(photo)
    assert ended.status == "succeeded"
    assert {
        job_id: ended.jobs[job_id].result for job_id in published
    } == published  # no job is processed or published twice
    scene.check()


def overtaken(scene: Scene, change: Callable[[PhotoRecord], Order]) -> None:
    photo = scene.stack.submit(scene.picture[:2000], JOBS[0])  # damaged: it fails
    scene.let_worker_die(Fault(UPDATE, "after", 2))
    photo, order = scene.services.table.update(photo.id, change)
    scene.services.outbox.send_order(photo, order.id)
    scene.repair()
    scene.check(2)  # an event of each generation was sent


def give_back(scene: Scene, fault: Fault) -> None:
    photo = scene.stack.submit(scene.picture, *JOBS)
    scene.let_worker_die(fault, AWS_ENDPOINT_URL_S3="http://127.0.0.1:1")
    scene.repair()
    assert scene.stack.look(photo).status == "succeeded"
    scene.check()


def bury(scene: Scene, fault: Fault) -> None:
    photo = scene.stack.submit(scene.picture, *JOBS)
    (order,) = photo.orders
    for _ in range(5):  # five workers claimed it and died; one left a result
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
    scene.repair()  # by the message that the dead worker did not delete
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


RUNS = runs_of(
    {
        work: WORK,
        overtaken: OVERTAKEN,
        give_back: GIVE_BACK,
        bury: BURY,
        redriven: REDRIVEN,
        resend: RESEND,
        purge: PURGE,
    }
)


@pytest.mark.parametrize(
    "point",
    matrix(
        RUNS,
        keep=[
            "work-claimed",
            "work-all-results-stored",
            "work-message-about-to-be-deleted",
            "overtaken-more-jobs",
            "bury-record-written",
            "resend-counted-not-sent",
        ],
    ),
)
def test_a_crash_is_repaired(point: str, crash_runs: dict[str, Future[None]]) -> None:
    crash_runs[point].result()
