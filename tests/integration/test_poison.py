"""Photos and messages that would take a worker with them: each ends as designed, and everything around it goes on."""

from __future__ import annotations

import io
import json
import signal
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from darkroom.record.ids import new_id
from darkroom.record.photo import PhotoRecord
from tests.support.stack import Stack
from tests.support.waiting import wait_until
from tests.support.worker_process import WorkerProcess

MISBEHAVING = "tests.support.misbehaving"
RESIZE = {"type": "resize", "width": 160}

# As tests/support/misbehaving.py replaces them.
CRASH = {"type": "filter", "filter": "sepia"}
ALLOCATE = {"type": "filter", "filter": "invert"}
SLEEP = {"type": "filter", "filter": "posterize"}
NETWORK = {"type": "filter", "filter": "saturation", "amount": 2}
PROGRAM = {"type": "filter", "filter": "auto-contrast"}
FILE = {"type": "filter", "filter": "brightness", "amount": 2}
RANK_FILTER = {"type": "filter", "filter": "grayscale"}

CAP = 200_000_000


def ended_beside_a_good_job(stack: Stack, photo: PhotoRecord) -> Any:
    """The culprit, once it has been seen that the order's other job kept its result."""
    culprit, resized = stack.wait_for(photo).jobs.values()
    assert resized.status == "succeeded"
    assert Image.open(io.BytesIO(stack.services.bucket.read(resized.result.key))).size == (160, 120)
    assert (culprit.status, culprit.result) == ("failed", None)
    (error,) = culprit.errors
    return error


def test_every_poison_ends_as_designed_and_fifty_good_photos_complete(stack: Stack, picture: bytes) -> None:
    good = [stack.submit(picture, RESIZE) for _ in range(20)]
    crashing, greedy, sleeping = (stack.submit(picture, culprit, RESIZE) for culprit in (CRASH, ALLOCATE, SLEEP))
    stack.services.photos.send("what is this?", group="x", deduplication_id=new_id())
    stack.services.photos.send(json.dumps({"v": 99}), group="x", deduplication_id=new_id())
    good += [stack.submit(picture, RESIZE) for _ in range(30)]

    settings = {"DARKROOM_CHILD_MEMORY": str(CAP), "DARKROOM_TIME_LIMIT": "10", "DARKROOM_BACKOFF_CAP": "2"}
    workers = [stack.worker(MISBEHAVING, DARKROOM_CHILDREN="2", **settings) for _ in range(2)]

    assert {stack.wait_for(photo).status for photo in good} == {"succeeded"}
    crashed = ended_beside_a_good_job(stack, crashing)
    assert crashed.code == "child_died"
    assert "ended by SIGABRT" in crashed.detail
    starved = ended_beside_a_good_job(stack, greedy)
    assert starved.code == "out_of_memory"
    assert "ran out of memory at 200 MB" in starved.detail
    late = ended_beside_a_good_job(stack, sleeping)
    assert late.code == "time_limit_exceeded"
    assert "not done within 10 seconds" in late.detail

    photos = [*good, crashing, greedy, sleeping]
    assert {job.attempts for photo in photos for job in stack.look(photo).jobs.values()} == {1}
    # The future's message is received again and again, and given back each time.
    wait_until("it was refused several times", lambda: sum(len(refused(worker, "retry")) for worker in workers) > 3)
    assert sum(len(refused(worker, "bury")) for worker in workers) == 1
    for worker in workers:
        assert worker.process.poll() is None
        worker.send(signal.SIGTERM)
        assert worker.wait() == 0
    # Each dead letter names the reason, in the queue and in the record.
    buried = {crashing.id: "child_died", greedy.id: "out_of_memory", sleeping.id: "time_limit_exceeded"}
    letters, dlq = [], stack.services.photos.dead_letters
    while found := dlq.receive(10, wait=1, visibility=60):
        letters += found
    reasons = {letter.body: letter.attributes["code"] for letter in letters}
    assert reasons.pop("what is this?") == "undecodable_message"
    assert {json.loads(body)["photo"]: code for body, code in reasons.items()} == buried
    listed = [stack.look(photo) for photo in (crashing, greedy, sleeping)]
    letters = [(photo.id, order.dead_letter) for photo in listed for order in photo.orders.values()]
    assert {photo: letter.code for photo, letter in letters if letter} == buried
    (left,) = wait_until("the other one is back", lambda: stack.receive(stack.services.photos))
    assert json.loads(left) == {"v": 99}


def refused(worker: WorkerProcess, verdict: str) -> list[dict[str, Any]]:
    return [entry for entry in worker.logged("message.refused") if entry["verdict"] == verdict]


@pytest.mark.parametrize("misdeed", [NETWORK, PROGRAM, FILE], ids=["network", "program", "file"])
def test_what_the_sandbox_refuses_fails_the_job_and_costs_the_child(
    stack: Stack, picture: bytes, misdeed: dict[str, Any]
) -> None:
    worker = stack.worker(MISBEHAVING, DARKROOM_CHILDREN="1")
    error = ended_beside_a_good_job(stack, stack.submit(picture, misdeed, RESIZE))
    assert error.code == "not_permitted"
    assert "tried to reach the network, another program or process" in error.detail
    assert [lost["code"] for lost in worker.logged("child.lost")] == ["not_permitted"]
    assert worker.process.poll() is None
    assert not worker.logged("sandbox.incomplete")
    (shares,) = worker.logged("worker.memory")
    assert shares["children"] == 1
    assert 128 <= shares["child_mib"] <= shares["usable_mib"]


def test_a_child_does_not_outlive_a_killed_worker(stack: Stack, picture: bytes) -> None:
    photo = stack.submit(picture, SLEEP)
    worker = stack.worker(MISBEHAVING, DARKROOM_CHILDREN="1", DARKROOM_TIME_LIMIT="3600")
    stack.wait_in_progress(photo)
    (child,) = wait_until("a child is there", worker.children)
    worker.send(signal.SIGKILL)
    worker.wait()
    wait_until("the child is gone", lambda: not Path(f"/proc/{child}/cmdline").exists() or is_zombie(child))


def is_zombie(process: int) -> bool:
    try:
        return "State:\tZ" in Path(f"/proc/{process}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_a_rank_filter_that_holds_the_gil_loses_no_lease(stack: Stack) -> None:
    """24 megapixels, filtered for longer than the lease in calls that let no other thread of their process run."""
    image = Image.new("RGB", (6000, 4000), "white")
    image.paste("black", (3000, 0, 6000, 4000))
    data = io.BytesIO()
    image.save(data, "JPEG")
    photo = stack.submit(data.getvalue(), RANK_FILTER)
    settings = {"DARKROOM_LEASE": "10", "DARKROOM_HEARTBEAT": "3", "DARKROOM_TIME_LIMIT": "3600"}
    workers = [stack.worker(MISBEHAVING, DARKROOM_CHILDREN="1", **settings) for _ in range(2)]

    (job,) = stack.wait_for(photo).jobs.values()

    stack.wait_until_empty()
    assert (job.status, job.attempts) == ("succeeded", 1)
    assert job.result.seconds["grayscale"] > 10, "the trap did not close"
    (order,) = stack.look(photo).orders.values()
    assert order.claim_count == 1
    handled = [entry for worker in workers for entry in worker.logged("order.handled")]
    assert [entry["receives"] for entry in handled] == [1]
    result = Image.open(io.BytesIO(stack.services.bucket.read(job.result.key))).convert("L")
    assert result.size == (6000, 4000)
    assert [result.getpixel((x, 2000)) for x in (100, 2900, 3100, 5900)] == [255, 255, 0, 0]
