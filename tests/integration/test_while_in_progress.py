"""Delete, cancel, retry and more jobs while a photo is in progress, at each stage; and two workers on one order.

Workers are halted at a named stage (tests/support/faulty.py). Nothing reappears, nothing is overwritten, all events of
a generation have one id, and the first of two workers changes nothing when it wakes up.
"""

from __future__ import annotations

import contextlib
import io
import signal
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import pytest
from PIL import Image

from darkroom.record.photo import PhotoRecord
from darkroom.services import Services
from tests.support.api import Api
from tests.support.exhaustive import matrix
from tests.support.faulty import Fault, start
from tests.support.halted_worker import HaltedWorker
from tests.support.side_by_side import run_side_by_side
from tests.support.stack import QUICK_LEASE, Stack, named_by
from tests.support.waiting import PATIENCE, wait_until

JOBS = [{"type": "resize", "width": 160}, {"type": "resize", "width": 160, "output": {"format": "png"}}]

UPDATE = "darkroom.aws.table:Table.update"
PUT = "darkroom.aws.bucket:Bucket.put"
FETCH = "darkroom.aws.bucket:Bucket.fetch"
SEND_BATCH = "darkroom.aws.queue:Queue.send_batch"

STAGES = {
    "received": Fault(UPDATE, "before", 1, act="wait"),
    "claimed": Fault(UPDATE, "after", 1, act="wait"),
    "fetched": Fault(FETCH, "after", 1, act="wait"),
    "first-result-stored": Fault(PUT, "after", 1, act="wait"),
    "all-results-stored": Fault(PUT, "after", 2, act="wait"),
    "published": Fault(UPDATE, "after", 2, act="wait"),
    "announced": Fault(SEND_BATCH, "after", 1, act="wait"),
}
"""Where a worker is halted in the work on a message."""

ENDED = ("published", "announced")
"""Stages after which the photo has ended for all who look."""

SELDOM = {"DARKROOM_SWEEP_INTERVAL": "3600"}


def check_results(stack: Stack, photo: PhotoRecord) -> None:
    """Those that there are, are right; and nothing else is stored."""
    assert set(stack.objects(photo)) == named_by(photo)
    for job in photo.jobs.values():
        assert (job.result is not None) == (job.status == "succeeded")
        if job.result and job.spec.type == "resize":
            assert Image.open(io.BytesIO(stack.services.bucket.read(job.result.key))).size == (160, 120)


def ids(photo: PhotoRecord, generations: int) -> set[str]:
    return {photo.model_copy(update={"generation": n + 1}).event_id("photo.completed") for n in range(generations)}


# --- what callers ask for in the meantime -----------------------------------------------------------------------------


@dataclass
class Story:
    """Four photos that were at one stage when the API was asked for something, and how they ended."""

    stage: str
    stack: Stack
    api: Api
    photos: dict[str, PhotoRecord]
    answers: dict[str, list[int]] = field(default_factory=dict)
    before: dict[str, PhotoRecord] = field(default_factory=dict)
    event_ids: dict[str, set[str]] = field(default_factory=dict)

    @property
    def ended(self) -> bool:
        return self.stage in ENDED

    def ask(self, photo: PhotoRecord, *requests: tuple[str, str, Any]) -> list[int]:
        return [
            self.api.ask(method, f"/v1/photos/{photo.id}{path}", json=body).status_code
            for method, path, body in requests
        ]

    def ask_all(self) -> None:
        deleted, cancelled, more, retried = self.photos.values()
        self.before = {name: self.stack.look(photo) for name, photo in self.photos.items()}
        cancel = ("POST", "/cancel", None)
        retry = ("POST", f"/jobs/{next(iter(retried.jobs))}/retry", None)
        self.answers = {
            "delete": self.ask(deleted, ("DELETE", "", None)),
            "cancel": self.ask(cancelled, cancel),
            "more": self.ask(more, ("POST", "/jobs", {"jobs": [JOBS[0]]})),
            "retry": self.ask(retried, cancel, retry),
        }

    def end(self) -> None:
        for photo in self.photos.values():
            if photo is not self.photos["delete"]:  # its jobs stay unfinished
                self.stack.wait_for(photo)
        self.stack.wait_until_empty()
        self.event_ids = {photo.id: set() for photo in self.photos.values()}
        for event in self.stack.events():
            self.event_ids[event["data"]["id"]].add(event["id"])
        assert self.stack.receive(self.stack.services.photos.dead_letters) == []


@pytest.fixture(scope="module")
def api_and_stack(deploy: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Api, Stack]]:
    deployment, directory = deploy(**QUICK_LEASE), tmp_path_factory.mktemp("while-in-progress")
    with contextlib.ExitStack() as workers:
        api = Api(deployment, directory / "api.log", {"DARKROOM_API_PROCESSES": "1"})
        workers.callback(api.stop)
        yield api, Stack(Services.connect(deployment.settings), deployment.environ, directory, workers)


@pytest.fixture(scope="module", params=matrix(["queued", *STAGES], keep=["queued", "all-results-stored", "published"]))
def story(request: pytest.FixtureRequest, api_and_stack: tuple[Api, Stack], picture: bytes) -> Story:
    api, stack = api_and_stack
    photos = {name: stack.submit(picture, *JOBS) for name in ("delete", "cancel", "more", "retry")}
    story = Story(request.param, stack, api, photos)
    slots = {"DARKROOM_CHILDREN": str(len(photos)), "DARKROOM_PREFETCH": "0"}
    if story.stage == "queued":
        story.ask_all()
        worker = stack.worker(**slots, **SELDOM)
    else:
        worker = halted = HaltedWorker(
            stack.environ | SELDOM | slots, [STAGES[story.stage]], stack.directory / story.stage
        )
        stack.workers.callback(worker.stop)
        if story.stage == "announced":  # one thread sends the events of all
            halted.wait_until_halted()
            for photo in photos.values():
                stack.wait_for(photo)
        else:
            halted.wait_until_halted(len(photos))
        story.ask_all()
        halted.release()
    story.end()
    worker.send(signal.SIGTERM)
    assert worker.wait() == 0
    return story


class TestAskedInTheMeantime:
    def test_what_was_deleted_does_not_reappear(self, story: Story) -> None:
        photo = story.stack.look(story.photos["delete"])
        assert story.answers["delete"] == [204]
        assert photo.status == "deleted"
        assert photo.late_writes is not None
        assert photo.due_at == photo.late_writes.until, "the API has looked, and the sweep looks once more"
        assert story.stack.objects(photo) == []
        assert photo.original is not None
        assert not story.stack.services.bucket.exists(photo.original.key)
        assert story.event_ids[photo.id] == (ids(photo, 1) if story.ended else set())

    def test_what_was_cancelled_stays_so(self, story: Story) -> None:
        photo = story.stack.look(story.photos["cancel"])
        assert story.answers["cancel"] == [409 if story.ended else 200]
        assert photo.status == ("succeeded" if story.ended else "cancelled")
        check_results(story.stack, photo)
        assert story.event_ids[photo.id] == ids(photo, 1)

    def test_more_jobs_do_not_touch_the_first_ones(self, story: Story) -> None:
        photo = story.stack.look(story.photos["more"])
        assert story.answers["more"] == [202]
        assert [job.status for job in photo.jobs.values()] == ["succeeded"] * 3
        for job_id, job in story.before["more"].jobs.items():
            assert job.result in (None, photo.jobs[job_id].result)
        check_results(story.stack, photo)
        assert photo.generation == (2 if story.ended else 1)
        assert story.event_ids[photo.id] == ids(photo, photo.generation)

    def test_a_retried_job_is_done_and_the_other_stays_cancelled(self, story: Story) -> None:
        photo = story.stack.look(story.photos["retry"])
        statuses = [job.status for job in photo.jobs.values()]
        if story.ended:
            assert (story.answers["retry"], statuses) == ([409, 409], ["succeeded", "succeeded"])
        else:
            assert (story.answers["retry"], statuses) == ([200, 202], ["succeeded", "cancelled"])
        check_results(story.stack, photo)
        assert photo.generation == (1 if story.ended else 2)
        assert story.event_ids[photo.id] == ids(photo, photo.generation)


# --- two workers on one order -----------------------------------------------------------------------------------------


def wake_late(stack: Stack, stage: str, picture: bytes) -> None:
    """The first worker sleeps past its lease; it wakes up while a second one has the message, and has claimed it."""
    photo = stack.submit(picture, *JOBS)
    environ = stack.environ | SELDOM | {"DARKROOM_CHILDREN": "1"}
    first = HaltedWorker(environ, [STAGES[stage]], stack.directory / "first")
    stack.workers.callback(first.stop)
    first.wait_until_halted()
    first.send(signal.SIGSTOP)
    before = stack.look(photo)
    # The second one's lease has to outlast the first one's end, also on a machine that has much to do.
    second = HaltedWorker(environ | {"DARKROOM_LEASE": "15"}, [STAGES["claimed"]], stack.directory / "second")
    stack.workers.callback(second.stop)
    second.wait_until_halted()

    claimed = stack.look(photo)
    first.release()
    first.send(signal.SIGCONT)
    wait_until("the first one is done with it", lambda: first.logged("order.handled"))
    first.send(signal.SIGTERM)
    assert first.process.wait(PATIENCE) == 0
    woken = stack.look(photo)
    assert {job.id: job.result for job in woken.jobs.values()} == {job.id: job.result for job in before.jobs.values()}
    check_results(stack, woken)  # what the first one stored is gone, unless it was published in time
    depth = stack.services.photos.depth()
    assert (depth.visible, depth.in_flight) == (0, 1)  # the second one's message, neither deleted nor given back
    if stage != "received":
        assert woken == claimed

    second.release()
    assert stack.wait_for(photo).status == "succeeded"
    stack.wait_until_empty()
    second.send(signal.SIGTERM)
    assert second.process.wait(PATIENCE) == 0
    ended = stack.look(photo)
    check_results(stack, ended)
    assert {event["id"] for event in stack.events()} == ids(photo, 1)
    assert stack.receive(stack.services.photos.dead_letters) == []
    assert list(stack.services.settings.spool_dir.iterdir()) == []


@pytest.fixture(scope="module")
def late_wakings(
    request: pytest.FixtureRequest, deploy: Any, picture: bytes, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[None]]]:
    def run(stage: str) -> None:
        deployment, directory = deploy(**QUICK_LEASE), tmp_path_factory.mktemp(stage)
        with contextlib.ExitStack() as workers:
            stack = Stack(Services.connect(deployment.settings), deployment.environ, directory, workers)
            wake_late(stack, stage, picture)

    yield from run_side_by_side(request, "stage", run)


@pytest.mark.parametrize("stage", matrix(STAGES, keep=["fetched", "published"]))
def test_a_worker_that_wakes_up_late_does_no_harm(stage: str, late_wakings: dict[str, Future[None]]) -> None:
    late_wakings[stage].result()


def test_short_work_costs_no_extension(stack: Stack, picture: bytes) -> None:
    folder = stack.directory / "calls"
    folder.mkdir()
    count = Fault("darkroom.aws.queue:Queue.set_visibility", "before", 0, act="note", folder=str(folder))
    photos = [stack.submit(picture, *JOBS) for _ in range(5)]
    environ = stack.environ | SELDOM | {"DARKROOM_LEASE": "600", "DARKROOM_HEARTBEAT": "300"}
    process = start("worker", [count], environ, stack.directory / "worker.log")
    stack.workers.callback(process.wait)
    stack.workers.callback(process.kill)
    assert {stack.wait_for(photo).status for photo in photos} == {"succeeded"}
    stack.wait_until_empty()
    assert list(folder.iterdir()) == []
    stack.services.photos.send('{"v": 99}', group="x", deduplication_id="x")  # it is given back
    wait_until("a call is counted", lambda: list(folder.iterdir()))
