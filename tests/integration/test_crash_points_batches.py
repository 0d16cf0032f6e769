"""A service dies between each two steps of a batch: it ends all the same, and its event comes under one id.

The tables name every point. tests/support/crash_scene.py says how a run goes.
"""

from __future__ import annotations

from concurrent.futures import Future
from datetime import timedelta

import pytest

from darkroom.record.clock import now
from darkroom.record.photo_batch import Batch
from tests.support.crash_scene import EVENTS, JOBS, OFTEN, REMOVE, SEND, UPDATE, Scene, runs_of
from tests.support.exhaustive import matrix
from tests.support.faulty import Fault
from tests.support.photo_batches import look, send_orders, write_batch
from tests.support.waiting import wait_until

CREATE_BATCH = "darkroom.aws.batch_table:BatchTable.create"
GET_BATCH = "darkroom.aws.batch_table:BatchTable.get"
UPDATE_BATCH = "darkroom.aws.batch_table:BatchTable.update"

BATCH_UPLOAD = {
    "nothing-written": (Fault(CREATE_BATCH, "before"), 0),
    "batch-written": (Fault(CREATE_BATCH, "after"), 0),
    "rejected-not-left-out": (Fault(UPDATE_BATCH, "before", 1), 1),
    "rejected-left-out": (Fault(UPDATE_BATCH, "after", 1), 1),
    "looked": (Fault(UPDATE_BATCH, "after", 2), 1),
}
"""Where the API dies in an upload of a photo and of a file that is none, and how many photos there are then."""

BATCH_WORK = {
    "about-to-look": Fault(GET_BATCH, "before"),
    "about-to-write-the-end": Fault(UPDATE_BATCH, "before", 1),
    "end-written": Fault(UPDATE_BATCH, "after", 1),
    "event-about-to-be-sent": Fault(SEND, "before", queue=EVENTS),
    "event-sent": Fault(SEND, "after", queue=EVENTS),
    "event-noted": Fault(UPDATE_BATCH, "after", 2),
}
"""Where a worker dies that ends the last photo of a batch."""

BATCH_WATCH = {
    "about-to-watch-another": Fault(UPDATE_BATCH, "before", 1),
    "watches-another": Fault(UPDATE_BATCH, "after", 1),
}
"""Where a worker dies that ends the photo which the batch watches, before the end of another one."""

BATCH_SWEEP = {
    "found": Fault(GET_BATCH, "before"),
    "end-written": Fault(UPDATE_BATCH, "after", 1),
    "event-sent": Fault(SEND, "after", queue=EVENTS),
    "event-noted": Fault(UPDATE_BATCH, "after", 2),
}
"""Where a worker dies whose sweep finds that a batch has ended."""

BATCH_ERASE = {
    "tombstone-written": Fault(UPDATE, "after", 1),
    "objects-removed": Fault(REMOVE, "after"),
    "end-written": Fault(UPDATE_BATCH, "after", 1),
    "event-sent": Fault(SEND, "after", queue=EVENTS),
    "event-noted": Fault(UPDATE_BATCH, "after", 2),
}
"""Where the API dies when it deletes the only photo of a batch that has not ended."""


def batch_upload(scene: Scene, fault: Fault, count: int) -> None:
    files = [("photo", ("a.jpg", scene.picture)), ("photo", ("b.jpg", b"text"))]
    scene.let_api_die(fault, "POST", "/v1/photos", files=files, data={"preset": "thumbnail"})
    assert len(scene.photos()) == count
    for photo in scene.photos():
        scene.services.batches.update(str(photo.batch), end_of_accepting)
    scene.repair()
    batches = [scene.batch(str(photo.batch)) for photo in scene.photos()]
    assert [len(batch.ended) for batch in batches] == [1] * count
    assert batch_events(scene) == {batch.event_id(1) for batch in batches}


def batch_work(scene: Scene, fault: Fault) -> None:
    batch, (first, second) = write_batch(scene.stack, scene.picture, JOBS)
    scene.services.table.update(first.id, lambda record: record.cancel())
    send_orders(scene.stack, second)
    scene.let_worker_die(fault)
    scene.repair()
    assert look(scene.stack, batch).counts == {"cancelled": 1, "succeeded": 1}
    check_event(scene, batch)


def batch_watch(scene: Scene, fault: Fault) -> None:
    batch, (first, second) = write_batch(scene.stack, scene.picture, JOBS)
    send_orders(scene.stack, second)
    scene.let_worker_die(fault)
    send_orders(scene.stack, first)
    scene.repair()
    assert look(scene.stack, batch).counts == {"succeeded": 2}
    check_event(scene, batch)


def batch_sweep(scene: Scene, fault: Fault) -> None:
    batch, photos = write_batch(scene.stack, scene.picture, JOBS)
    for photo in photos:
        scene.services.table.update(photo.id, lambda record: record.cancel())
    scene.services.batches.update(batch.id, end_of_accepting)
    scene.let_worker_die(fault, **OFTEN)
    scene.repair()
    check_event(scene, batch)


def batch_erase(scene: Scene, fault: Fault) -> None:
    batch, (first, second) = write_batch(scene.stack, scene.picture, JOBS)
    scene.services.table.update(first.id, lambda record: record.cancel())
    scene.let_api_die(fault, "DELETE", f"/v1/photos/{second.id}")
    scene.let_time_pass(second)
    scene.repair()
    wait_until("the deletion is finished", lambda: scene.stack.look(second).due_at is None)
    wait_until("the batch has ended", lambda: look(scene.stack, batch).due_at is None)
    assert list(look(scene.stack, batch).ended) == [first.id]
    check_event(scene, batch)


def end_of_accepting(batch: Batch) -> None:
    """The time is over in which the API may write further photos, and the sweep looks now."""
    batch.accepting_until = now() - timedelta(seconds=1)
    batch.due_at = now()


def check_event(scene: Scene, batch: Batch) -> None:
    assert batch_events(scene) == {batch.event_id(1)}


def batch_events(scene: Scene) -> set[str]:
    scene.end_repair()
    return {event["id"] for event in scene.stack.events() if event["type"] == "batch.completed"}


RUNS = runs_of(
    {
        batch_upload: BATCH_UPLOAD,
        batch_work: BATCH_WORK,
        batch_watch: BATCH_WATCH,
        batch_sweep: BATCH_SWEEP,
        batch_erase: BATCH_ERASE,
    }
)


@pytest.mark.parametrize(
    "point",
    matrix(
        RUNS,
        keep=["batch_upload-rejected-not-left-out", "batch_work-end-written", "batch_watch-watches-another"],
    ),
)
def test_a_crash_is_repaired(point: str, crash_runs: dict[str, Future[None]]) -> None:
    crash_runs[point].result()
