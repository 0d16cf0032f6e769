"""A worker stores a result after it has lost the order, or after the photo was deleted. Nothing of it stays.

The first worker is paused around a PUT, for longer than its lease. In between another worker takes the order over, or
the photo is deleted, or both. Then the first worker goes on: it dies at some step, or S3 fails at its clean-up. A PUT
that S3 has not yet received is held back by a proxy (tests/support/fault_proxy.py).
"""

from __future__ import annotations

import signal
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from typing import Literal

import pytest

from darkroom.record.clock import now
from darkroom.record.photo import PhotoRecord
from tests.support.crash_scene import JOBS, OFTEN, PUT, SELDOM, UPDATE, Scene, runs_of
from tests.support.exhaustive import matrix
from tests.support.fault_proxy import Answer, FaultProxy, Forward, ProxyFault, Request, error
from tests.support.faulty import Fault
from tests.support.halted_worker import HaltedWorker
from tests.support.ingesting import put as put_file
from tests.support.records import end_late_writes
from tests.support.stack import Stack
from tests.support.waiting import wait_until

REMOVE_OBJECTS = "darkroom.aws.bucket:Bucket.remove"
LIST_RESULTS = "darkroom.aws.bucket:Bucket.results"

Between = Literal["taken-over", "deleted", "taken-over-and-deleted"]

HALTED = {
    "before-the-put": [Fault(PUT, "before", 1, act="wait"), Fault(PUT, "after", 1)],
    "after-the-put": [Fault(PUT, "after", 1, act="wait"), Fault(UPDATE, "before", 2)],
    "before-the-second-put": [Fault(PUT, "before", 2, act="wait"), Fault(PUT, "after", 2)],
    "before-it-publishes": [Fault(UPDATE, "before", 2, act="wait"), Fault(REMOVE_OBJECTS, "before", 1)],
}
"""Where the first worker is halted, and where it dies after that, if it gets there."""

UNDER_WAY = {
    "killed": [],
    "dies-when-s3-has-answered": [Fault(PUT, "after", 1)],
    "dies-before-it-publishes": [Fault(UPDATE, "before", 2)],
    "dies-before-its-clean-up": [Fault(REMOVE_OBJECTS, "before", 1)],
    "s3-fails-at-its-clean-up": [],
}
"""What becomes of the first worker, whose PUT is under way while it is halted."""

LOOK = {
    "found": Fault(LIST_RESULTS, "before", 1),
    "listed": Fault(LIST_RESULTS, "after", 1),
    "removed": Fault(REMOVE_OBJECTS, "after", 1),
    "noted": Fault(UPDATE, "after", 1),
}
"""Where a worker dies when its sweep looks for late writes of a living photo."""


class FirstWorker(HaltedWorker):
    """The worker that loses the order."""

    def __init__(self, scene: Scene, faults: list[Fault], **variables: str) -> None:
        environ = scene.stack.environ | {"DARKROOM_CHILDREN": "1"} | SELDOM | variables
        super().__init__(environ, faults, scene.directory / "first")
        scene.stack.workers.callback(self.stop)

    def go_on(self) -> None:
        """Continue, until this worker has died or is done with the message."""
        self.release()
        self.send(signal.SIGCONT)
        wait_until("the first worker has ended its work", lambda: self.ended or self.logged("order.handled"))


def halted(scene: Scene, between: Between, faults: list[Fault]) -> None:
    photo = scene.stack.submit(scene.picture, *JOBS)
    first = FirstWorker(scene, faults)
    first.wait_until_halted()
    first.send(signal.SIGSTOP)
    interfere(scene, photo, between)
    first.go_on()
    check(scene, photo, between)


class HeldPut:
    """The first PUT of a worker that reaches S3 through this proxy. It is under way until `arrive` is set."""

    def __init__(self, scene: Scene) -> None:
        self.arrive = threading.Event()
        self.proxy = FaultProxy(scene.services.clients.s3.meta.endpoint_url)
        self.proxy.rule("s3.PutObject", ProxyFault("held", self._hold), times=1)
        scene.stack.workers.enter_context(self.proxy)

    def wait_until_under_way(self) -> None:
        wait_until("the PUT is under way", lambda: self.proxy.seen("s3.PutObject", "held"))

    def _hold(self, request: Request, forward: Forward) -> Answer:
        self.arrive.wait()
        return forward()


def under_way(scene: Scene, between: Between, fate: str, faults: list[Fault]) -> None:
    photo = scene.stack.submit(scene.picture, *JOBS)
    put = HeldPut(scene)
    first = FirstWorker(scene, faults, AWS_ENDPOINT_URL_S3=put.proxy.url)
    put.wait_until_under_way()
    first.send(signal.SIGKILL if fate == "killed" else signal.SIGSTOP)
    interfere(scene, photo, between)
    before = scene.stack.objects(photo)
    put.arrive.set()
    wait_until("the result is stored late", lambda: scene.stack.objects(photo) != before)
    if fate == "s3-fails-at-its-clean-up":
        put.proxy.rule("s3.DeleteObjects", error(503, "SlowDown"))
    if fate != "killed":
        first.go_on()
    check(scene, photo, between)


def copy_under_way(scene: Scene) -> None:
    """A worker copies a dropped file to its photo's keys, and is killed meanwhile. The photo is deleted."""
    scene.owner = "alice"
    presets = {"DARKROOM_PRESETS_FILE": str(scene.presets()), "DARKROOM_DEFAULT_PRESET": "dying"}
    put_file(scene.services, "incoming/alice/dying/x.jpg", scene.picture)
    put = HeldPut(scene)
    first = FirstWorker(scene, [], AWS_ENDPOINT_URL_S3=put.proxy.url, **presets)
    put.wait_until_under_way()
    first.send(signal.SIGKILL)
    scene.repair(**presets)
    wait_until("it is a photo", lambda: [photo.status for photo in scene.photos()] == ["succeeded"])
    (photo,) = scene.photos()
    scene.end_repair()
    delete(scene, photo)
    put.arrive.set()
    wait_until("the copy is stored late", lambda: scene.services.bucket.originals(photo.id))
    check(scene, photo, "deleted")


def interfere(scene: Scene, photo: PhotoRecord, between: Between) -> None:
    """Take the order over, delete the photo, or both, while the first worker is halted."""
    if between == "deleted":
        delete(scene, photo)
    second = scene.stack.worker(DARKROOM_CHILDREN="1", **SELDOM)
    if between != "deleted":
        assert scene.stack.wait_for(photo).status == "succeeded"
    scene.stack.wait_until_empty()
    second.send(signal.SIGTERM)
    assert second.wait() == 0
    if between == "taken-over-and-deleted":
        delete(scene, photo)


def delete(scene: Scene, photo: PhotoRecord) -> None:
    """Delete a photo as the API does."""
    record, _ = scene.services.table.update(photo.id, lambda record: record.delete())
    scene.services.cleanup.clean_up(record)


def check(scene: Scene, photo: PhotoRecord, between: Between) -> None:
    """The photo is due when no earlier worker can store anything any more. Then nothing is left over."""
    due_at = scene.stack.look(photo).due_at
    assert due_at is not None
    assert due_at > now()
    scene.let_time_pass(photo)
    scene.repair()
    if between == "taken-over":
        wait_until("the photo is no longer due", lambda: scene.stack.look(photo).due_at is None)
        scene.check()
    else:
        check_erased(scene, photo)


def check_erased(scene: Scene, photo: PhotoRecord) -> None:
    events = {event["id"] for event in scene.stack.events()}
    assert events <= {photo.event_id("photo.completed")}, "it may have ended before it was deleted"
    scene.check_erased(photo)


def late_result(scene: Scene) -> PhotoRecord:
    """A photo that has succeeded, with a result that an earlier worker has stored late. The sweep looks for it now."""
    photo = scene.stack.submit(scene.picture, *JOBS)
    scene.repair()
    scene.end_repair()
    scene.store_result(photo, 99)
    scene.services.table.update(photo.id, lambda record: record.expect_late_writes(now()))
    scene.let_time_pass(photo)
    return photo


def look(scene: Scene, fault: Fault) -> None:
    photo = late_result(scene)
    scene.let_worker_die(fault, **OFTEN)
    scene.repair()
    wait_until("the photo is no longer due", lambda: scene.stack.look(photo).due_at is None)
    scene.check()


def look_fails(scene: Scene, operation: str, deleted: bool) -> None:
    photo = late_result(scene)
    if deleted:
        scene.services.table.update(photo.id, lambda record: record.delete())
        scene.let_time_pass(photo)
    with FaultProxy(scene.services.clients.s3.meta.endpoint_url) as proxy:
        proxy.rule(operation, error(503, "SlowDown"))
        worker = scene.stack.worker(AWS_ENDPOINT_URL_S3=proxy.url, **OFTEN)
        wait_until("the sweep has tried more than once", lambda: len(worker.logged("sweep.clean_up_failed")) > 1)
        assert scene.stack.look(photo).due_at is not None
        proxy.heal()
        wait_until("the photo is no longer due", lambda: scene.stack.look(photo).due_at is None)
        worker.send(signal.SIGTERM)
        assert worker.wait() == 0
    if deleted:
        check_erased(scene, photo)
    else:
        scene.check()


def count_requests(proxy: FaultProxy, *services: str) -> dict[str, int]:
    """How many requests each operation of these services got."""
    counts: Counter[str] = Counter()
    for (operation, _), count in proxy.done.items():
        counts[operation] += count if operation.startswith(services) else 0
    return dict(+counts)


def test_what_an_order_and_a_deletion_cost(stack: Stack, picture: bytes) -> None:
    """An order that one worker carries out costs no request more than its work; a deletion costs one later look."""
    photo = stack.submit(picture, *JOBS)
    with FaultProxy(stack.services.clients.s3.meta.endpoint_url) as proxy:
        endpoints = {"AWS_ENDPOINT_URL_S3": proxy.url, "AWS_ENDPOINT_URL_DYNAMODB": proxy.url}
        worker = stack.worker(**SELDOM, **endpoints)
        assert stack.wait_for(photo).due_at is None
        stack.wait_until_empty()
        worker.send(signal.SIGTERM)
        assert worker.wait() == 0
        assert count_requests(proxy, "s3.", "dynamodb.") == {
            "dynamodb.GetItem": 1,
            "dynamodb.PutItem": 2,  # the claim and the results
            "dynamodb.UpdateItem": 1,  # the worker is alive; it says so once a minute, whatever it does
            "s3.GetObject": 1,
            "s3.PutObject": 2,
        }

    record, _ = stack.services.table.update(photo.id, lambda record: record.delete())
    stack.services.cleanup.clean_up(record)
    stack.services.table.update(photo.id, end_late_writes)
    with FaultProxy(stack.services.clients.s3.meta.endpoint_url) as proxy:
        endpoints = {"AWS_ENDPOINT_URL_S3": proxy.url, "AWS_ENDPOINT_URL_DYNAMODB": proxy.url}
        worker = stack.worker(**OFTEN, **endpoints)
        wait_until("the photo is no longer due", lambda: stack.look(photo).due_at is None)
        worker.send(signal.SIGTERM)
        assert worker.wait() == 0
        requests = count_requests(proxy, "s3.", "dynamodb.")
        # Every sweep asks for its turn, takes it, and reads the index. The last one may have been stopped in between.
        sweeps = requests.pop("dynamodb.Scan")
        del requests["dynamodb.UpdateItem"]
        assert requests.pop("dynamodb.GetItem") - sweeps in (1, 2)
        assert requests == {
            "s3.ListObjectsV2": 2,
            "s3.DeleteObjects": 1,
            "dynamodb.PutItem": 1,
        }


BETWEEN: tuple[Between, ...] = ("taken-over", "deleted", "taken-over-and-deleted")

RUNS: dict[str, Callable[[Scene], None]] = runs_of(
    {
        halted: {f"{name}-{between}": (between, faults) for name, faults in HALTED.items() for between in BETWEEN},
        under_way: {
            f"{fate}-{between}": (between, fate, faults) for fate, faults in UNDER_WAY.items() for between in BETWEEN
        },
        copy_under_way: {"deleted": []},
        look: LOOK,
        look_fails: {
            "list-living": ("s3.ListObjectsV2", False),
            "list-deleted": ("s3.ListObjectsV2", True),
            "remove-living": ("s3.DeleteObjects", False),
            "remove-deleted": ("s3.DeleteObjects", True),
        },
    }
)


@pytest.mark.parametrize(
    "point",
    matrix(
        RUNS,
        keep=[
            "halted-before-the-put-taken-over",
            "halted-before-the-put-taken-over-and-deleted",
            "under_way-killed-taken-over",
            "under_way-killed-taken-over-and-deleted",
            "under_way-dies-before-its-clean-up-deleted",
            "under_way-s3-fails-at-its-clean-up-taken-over",
            "copy_under_way-deleted",
            "look-removed",
            "look_fails-list-deleted",
        ],
    ),
)
def test_nothing_that_is_stored_late_stays(point: str, crash_runs: dict[str, Future[None]]) -> None:
    crash_runs[point].result()
