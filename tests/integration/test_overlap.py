"""Downloads and uploads go on while other photos are in the child process, and only few orders are claimed ahead."""

from __future__ import annotations

import signal
from typing import Any

from darkroom.record.photo import PhotoRecord
from tests.support.crash_scene import FETCH, PUT, SELDOM
from tests.support.faulty import Fault
from tests.support.halted_worker import HaltedWorker
from tests.support.stack import Stack
from tests.support.waiting import wait_until
from tests.support.worker_process import SLOW
from worker.child.runner import CLAIMED_AHEAD
from worker.consumer import TRANSFERS_PER_CHILD

RESIZE = {"type": "resize", "width": 160}
ONE_CHILD = {"DARKROOM_CHILDREN": "1", "DARKROOM_SLOTS": "8", "DARKROOM_PREFETCH": "60", "DARKROOM_LEASE": "600"}


def test_the_child_serves_other_photos_while_results_are_uploaded(stack: Stack, picture: bytes) -> None:
    photos = [stack.submit(picture, RESIZE) for _ in range(4)]
    faults = [Fault(PUT, "before", 1, act="wait")]
    worker = HaltedWorker(stack.environ | SELDOM | ONE_CHILD, faults, stack.directory / "halted")
    stack.workers.callback(worker.stop)
    worker.wait_until_halted(len(photos))  # the pixels of all are done, and no result is stored
    assert [stack.objects(photo) for photo in photos] == [[], [], [], []]
    worker.release()
    assert {stack.wait_for(photo).status for photo in photos} == {"succeeded"}


def test_results_of_one_order_are_uploaded_at_the_same_time(stack: Stack, picture: bytes) -> None:
    photo = stack.submit(picture, *[RESIZE | {"width": width} for width in (10, 20, 30)])
    faults = [Fault(PUT, "before", 0, act="wait")]
    worker = HaltedWorker(stack.environ | SELDOM | ONE_CHILD, faults, stack.directory / "halted")
    stack.workers.callback(worker.stop)
    worker.wait_until_halted(3)
    worker.release()
    assert stack.wait_for(photo).status == "succeeded"


def test_a_photo_is_downloaded_before_its_turn_and_its_order_is_not_claimed(
    stack: Stack, picture: bytes, slow_job: dict[str, Any]
) -> None:
    running = stack.submit(picture, *[slow_job] * 10)
    worker = stack.worker(SLOW, **ONE_CHILD)
    stack.wait_in_progress(running)
    waiting = [stack.submit(picture, RESIZE) for _ in range(7)]

    def downloaded() -> bool:
        return len(list(stack.services.settings.spool_dir.glob("slot-*/*/original"))) == 1 + len(waiting)

    def claimed() -> int:
        return sum("processing" in stack.look(photo).counts for photo in waiting)

    wait_until("all are downloaded", downloaded)
    wait_until("some are claimed", lambda: claimed() == CLAIMED_AHEAD)
    worker.send(signal.SIGTERM)
    wait_until("the others are back", lambda: stack.services.photos.depth().visible == len(waiting) - CLAIMED_AHEAD)
    assert claimed() == CLAIMED_AHEAD
    assert sum(order.claim_count for photo in waiting for order in stack.look(photo).orders.values()) == CLAIMED_AHEAD
    worker.send(signal.SIGTERM)
    assert worker.wait() == 0
    assert stack.services.photos.depth().visible == 1 + len(waiting)
    assert {order.attempts for photo in waiting for order in stack.look(photo).orders.values()} == {0}


def test_what_waits_with_a_download_gives_up_when_its_lease_is_lost(stack: Stack, picture: bytes) -> None:
    photos = [stack.submit(picture, RESIZE) for _ in range(TRANSFERS_PER_CHILD)]
    faults = [Fault(FETCH, "after", 1, act="wait")]
    environ = stack.environ | SELDOM | ONE_CHILD | {"DARKROOM_LEASE": "6", "DARKROOM_HEARTBEAT": "1"}
    first = HaltedWorker(environ, faults, stack.directory / "first")
    stack.workers.callback(first.stop)
    first.wait_until_halted(len(photos))
    wait_until("the first orders are claimed", lambda: claims_of(stack, photos) == [0] + [1] * (1 + CLAIMED_AHEAD))
    first.send(signal.SIGSTOP)
    stack.worker(**SELDOM)
    ended = [stack.wait_for(photo) for photo in photos]
    first.release()
    first.send(signal.SIGCONT)
    wait_until("the first one has given up", lambda: len(first.logged("order.handled")) == len(photos))
    assert [stack.look(photo) for photo in photos] == ended
    assert claims_of(stack, photos) == [1] + [2] * (1 + CLAIMED_AHEAD)


def claims_of(stack: Stack, photos: list[PhotoRecord]) -> list[int]:
    """How often the orders of the photos were claimed, in ascending order."""
    return sorted(order.claim_count for photo in photos for order in stack.look(photo).orders.values())
