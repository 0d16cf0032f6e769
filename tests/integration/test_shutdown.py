"""SIGTERM: a worker finishes its messages or gives them back, so that no message waits for its visibility timeout.

The leases here are far longer than any test waits. Whatever is back has been given back.
"""

from __future__ import annotations

import signal
import statistics
import time
from collections.abc import Callable
from typing import Any

import pytest

from darkroom.aws.queue import Received
from darkroom.record.photo import PhotoRecord
from tests.support.fault_proxy import FaultProxy
from tests.support.stack import Stack
from tests.support.waiting import wait_until
from tests.support.worker_process import SLOW, UNHURRIED, WorkerProcess

RESIZE = {"type": "resize", "width": 160}
LONG_LEASE = {"DARKROOM_LEASE": "600"}
ONE_SLOT = {"DARKROOM_CHILDREN": "1", "DARKROOM_SLOTS": "1", "DARKROOM_PREFETCH": "0"}

RUNS = 2
"""Measurements of how soon messages are back."""


def wait_until_held(stack: Stack, messages: int) -> None:
    def held() -> bool:
        depth = stack.services.photos.depth()
        return (depth.visible, depth.in_flight) == (0, messages)

    wait_until(f"{messages} messages are held", held)


def orders_of(stack: Stack, photos: list[PhotoRecord]) -> list[Any]:
    return [order for photo in photos for order in stack.look(photo).orders.values()]


class TestWhatWaits:
    """Messages that the worker has received and not begun with."""

    def test_they_go_back_while_what_runs_is_finished(
        self, stack: Stack, picture: bytes, slow_job: dict[str, Any]
    ) -> None:
        running, *waiting = [stack.submit(picture, slow_job) for _ in range(3)]
        worker = stack.worker(SLOW, DARKROOM_CHILDREN="1", DARKROOM_SLOTS="1", DARKROOM_PREFETCH="2", **LONG_LEASE)
        photos = [running, *waiting]
        wait_until("one is in progress", lambda: any("processing" in stack.look(photo).counts for photo in photos))
        worker.send(signal.SIGTERM)
        assert worker.wait() == 0
        statuses = sorted(stack.look(photo).status for photo in photos)
        assert statuses == ["processing", "processing", "succeeded"]
        depth = stack.services.photos.depth()
        assert (depth.visible, depth.in_flight) == (2, 0)
        assert sum(order.claim_count for order in orders_of(stack, photos)) == 1

    def test_how_soon_they_are_visible_again(
        self, stack: Stack, picture: bytes, slow_job: dict[str, Any], capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Measured, not asserted; what is asserted is that they do not wait for what runs."""
        delays: list[float] = []
        for _ in range(RUNS):
            worker = stack.worker(SLOW, DARKROOM_CHILDREN="1", DARKROOM_SLOTS="1", DARKROOM_PREFETCH="4", **LONG_LEASE)
            stack.wait_in_progress(stack.submit(picture, slow_job))
            waiting = [stack.submit(picture, RESIZE) for _ in range(4)]
            wait_until_held(stack, 5)
            at = time.monotonic()
            worker.send(signal.SIGTERM)
            back: list[Received] = []
            while len(back) < len(waiting):
                back += stack.services.photos.receive(10, wait=5, visibility=600)
            delays.append(time.monotonic() - at)
            assert not worker.logged("order.handled")
            assert worker.process.poll() is None
            assert {order.claim_count for order in orders_of(stack, waiting)} == {0}
            stack.services.photos.delete([received.receipt_handle for received in back])
            worker.send(signal.SIGTERM)
            assert worker.wait() == 0
            assert len(stack.receive(stack.services.photos)) == 1
        with capsys.disabled():
            print(
                f"\nwaiting messages are visible again {statistics.median(delays) * 1000:.0f} ms after SIGTERM "
                f"({min(delays) * 1000:.0f} to {max(delays) * 1000:.0f} ms in {RUNS} runs)"
            )

    def test_those_of_a_poll_in_flight_go_back_too(self, stack: Stack, picture: bytes) -> None:
        worker = stack.worker(DARKROOM_POLL_WAIT="8", **LONG_LEASE)
        stack.wait_for(stack.submit(picture, RESIZE))  # the next poll began when this message came
        wait_until("its message is deleted", lambda: worker.logged("order.handled"))
        stack.wait_until_empty()
        worker.send(signal.SIGTERM)
        wait_until("it drains", lambda: worker.logged("worker.draining"))
        photo = stack.submit(picture, RESIZE)
        assert worker.wait() == 0
        (received,) = stack.services.photos.receive(10, wait=0, visibility=600)
        assert received.receives == 2, "the poll has not brought it, so this shows nothing"
        assert [order.claim_count for order in orders_of(stack, [photo])] == [0]

    def test_nothing_more_is_received(self, stack: Stack, picture: bytes, slow_job: dict[str, Any]) -> None:
        running = stack.submit(picture, slow_job)
        worker = stack.worker(SLOW, **ONE_SLOT, **LONG_LEASE)  # no room: it does not poll
        stack.wait_in_progress(running)
        worker.send(signal.SIGTERM)
        wait_until("it drains", lambda: worker.logged("worker.draining"))
        stack.submit(picture, RESIZE)
        assert worker.wait() == 0
        assert stack.look(running).status == "succeeded"
        (received,) = stack.services.photos.receive(10, wait=0, visibility=600)
        assert received.receives == 1


class TestWhatIsDone:
    """Events and deletes that wait for others, to share a request."""

    def test_nothing_waits_after_sigterm(self, stack: Stack, picture: bytes, slow_job: dict[str, Any]) -> None:
        worker = stack.worker(UNHURRIED, DARKROOM_CHILDREN="2", DARKROOM_SLOTS="2", **LONG_LEASE)
        running = stack.submit(picture, slow_job, slow_job, slow_job, slow_job)
        stack.wait_in_progress(running)
        done = stack.submit(picture, RESIZE)
        assert stack.wait_for(done).status == "succeeded"
        assert stack.events() == []
        wait_until_held(stack, 2)
        worker.send(signal.SIGTERM)
        wait_until("the message is deleted", lambda: stack.services.photos.depth().in_flight == 1)
        assert [event["id"] for event in stack.events()] == [done.event_id("photo.completed")]
        assert not worker.logged("worker.stopped")
        worker.send(signal.SIGTERM)
        assert worker.wait() == 0

    def test_a_worker_whose_events_cannot_be_sent_ends_soon_after_the_grace(
        self, stack: Stack, picture: bytes, endpoint: str
    ) -> None:
        photo = stack.submit(picture, RESIZE)
        with FaultProxy(endpoint) as proxy:
            proxy.hang("sqs.SendMessageBatch")
            worker = stack.worker(
                AWS_ENDPOINT_URL=proxy.url,
                DARKROOM_AWS_TIMEOUT="60",
                DARKROOM_STOP_GRACE="2",
                DARKROOM_POLL_WAIT="1",
                **LONG_LEASE,
            )
            wait_until("its event is under way", lambda: proxy.seen("sqs.SendMessageBatch") > 0)
            began = time.monotonic()
            worker.send(signal.SIGTERM)
            assert worker.wait() == 0
            assert time.monotonic() - began < 30
        assert stack.look(photo).status == "succeeded"
        depth = stack.services.photos.depth()
        assert (depth.visible, depth.in_flight) == (0, 1), "its lease ends by itself"


class TestWhatRuns:
    """Orders in progress when the grace ends, or when SIGTERM comes again."""

    def test_when_the_grace_is_over_it_goes_back(self, stack: Stack, picture: bytes, slow_job: dict[str, Any]) -> None:
        photo = stack.submit(picture, slow_job)
        worker = stack.worker(SLOW, DARKROOM_STOP_GRACE="1", **LONG_LEASE)
        stack.wait_in_progress(photo)
        worker.send(signal.SIGTERM)
        assert worker.wait() == 0
        self.is_back(stack, photo)

    def test_a_second_sigterm_gives_everything_back(
        self, stack: Stack, picture: bytes, slow_job: dict[str, Any]
    ) -> None:
        photo = stack.submit(picture, slow_job)
        worker = stack.worker(SLOW, **LONG_LEASE)
        stack.wait_in_progress(photo)
        worker.send(signal.SIGTERM)
        wait_until("it drains", lambda: worker.logged("worker.draining"))
        worker.send(signal.SIGTERM)
        assert worker.wait() == 0
        self.is_back(stack, photo)

    def test_a_worker_that_is_stopped_before_it_has_begun_stops(self, stack: Stack) -> None:
        worker = stack.worker(DARKROOM_POLL_WAIT="0")
        worker.send(signal.SIGTERM)
        worker.send(signal.SIGTERM)
        assert worker.wait() == 0

    @staticmethod
    def is_back(stack: Stack, photo: PhotoRecord) -> None:
        found = stack.look(photo)
        (order,) = found.orders.values()
        assert found.counts == {"queued": 1}
        assert (order.claim_count, order.attempts) == (1, 0)
        assert stack.services.photos.depth().visible == 1
        assert stack.objects(photo) == []


class TestScalingIn:
    """From four workers to one under load: nothing is lost, done twice, or delayed by a visibility timeout."""

    def test_on_a_standard_queue(self, stack: Stack, picture: bytes) -> None:
        photos = self.scale_in(stack, picture, owners=["ann"] * 12)
        assert {stack.wait_for(photo).status for photo in photos} == {"succeeded"}
        self.nothing_was_lost(stack, photos)

    def test_on_a_fifo_queue_in_order(self, make_stack: Callable[..., Stack], picture: bytes) -> None:
        stack = make_stack(DARKROOM_QUEUE_TYPE="fifo")
        photos = self.scale_in(stack, picture, owners=["ann", "bob", "eve", "joe"] * 3)
        ended: dict[str, list[Any]] = {}
        for photo in photos:
            (job,) = stack.wait_for(photo).jobs.values()
            assert job.status == "succeeded"
            ended.setdefault(photo.owner, []).append(job.ended_at)
        assert all(of_owner == sorted(of_owner) for of_owner in ended.values())
        self.nothing_was_lost(stack, photos)

    @staticmethod
    def scale_in(stack: Stack, picture: bytes, owners: list[str]) -> list[PhotoRecord]:
        workers = [stack.worker(SLOW, DARKROOM_CHILDREN="1", DARKROOM_SLOTS="1", **LONG_LEASE) for _ in range(4)]
        photos: list[PhotoRecord] = []

        def submit(owner: str, sigma: int) -> None:
            photos.append(stack.submit(picture, {"type": "filter", "filter": "blur", "sigma": sigma}, owner=owner))

        def every_worker_has_done_one() -> bool:
            submit(owners[len(photos) % len(owners)], sigma=1)  # 0.1 s
            return all(worker.logged("job.stored") for worker in workers)

        wait_until("every worker has done a photo", every_worker_has_done_one)
        for owner in owners:
            submit(owner, sigma=10)  # 1 s
        going: list[WorkerProcess] = workers[1:]
        for worker in going:
            worker.send(signal.SIGTERM)
        assert [worker.wait() for worker in going] == [0, 0, 0]
        assert any(stack.look(photo).unfinished for photo in photos), "it came too late to show anything"
        return photos

    @staticmethod
    def nothing_was_lost(stack: Stack, photos: list[PhotoRecord]) -> None:
        stack.wait_until_empty()
        assert {(order.claim_count, order.uncounted_claims) for order in orders_of(stack, photos)} == {(1, 0)}
        assert stack.receive(stack.services.photos.dead_letters) == []
        assert sorted(event["id"] for event in stack.events()) == sorted(
            photo.event_id("photo.completed") for photo in photos
        )
