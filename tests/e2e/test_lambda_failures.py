"""The worker's Lambda function in a container like Lambda's, fed by LocalStack's SQS: bad photos, crashes, timeouts."""

from __future__ import annotations

import errno
import io
import json
from collections import Counter
from typing import Any

import pytest
from PIL import Image

from darkroom.record.ids import new_id
from darkroom.settings import MIB
from tests.support.compose import PROJECT
from tests.support.lambda_container import MEMORY, Cloud, until
from tests.support.lambda_runtime import EventSource, TaskTimedOut
from tests.support.stack import Stack
from worker.child.sandbox import FILES

pytestmark = [pytest.mark.compose, pytest.mark.timeout(1200)]

MISBEHAVING = "tests.support.misbehaving_function"

MOUNTS = [
    f"--volume={PROJECT}/tests/support/{name}:/app/tests/support/{name}:ro"
    for name in ("misbehaving.py", "misbehaving_function.py")
]
"""The modules that MISBEHAVING needs and that the image does not contain."""

RESIZE = {"type": "resize", "width": 160}

# As tests/support/misbehaving.py replaces them.
CRASH = {"type": "filter", "filter": "sepia"}

ALLOCATE = {"type": "filter", "filter": "invert"}
FILE = {"type": "filter", "filter": "brightness", "amount": 2}


def test_a_queue_of_good_and_bad_ends_as_designed(cloud: Cloud, picture: bytes) -> None:
    stack = cloud.stack()
    good = [stack.submit(picture, RESIZE) for _ in range(30)]
    damaged = [stack.submit(picture[: len(picture) // 2], RESIZE) for _ in range(5)]
    stack.services.photos.send("what is this?", group="x", deduplication_id=new_id())
    stack.services.photos.send('{"v": 1, "kind": "dance"}', group="x", deduplication_id=new_id())
    crashing = stack.submit(picture, CRASH, RESIZE)
    good += [stack.submit(picture, RESIZE) for _ in range(24)]
    hung_over = good[40]
    timeout = 24
    function = cloud.function(stack, timeout, MISBEHAVING, MOUNTS, HANG=hung_over.id)
    source = EventSource(stack.services.clients.sqs, stack.services.photos.url, function)
    # AWS refuses an event source whose queue hides for less than the function's timeout.
    source.sqs.set_queue_attributes(QueueUrl=source.queue_url, Attributes={"VisibilityTimeout": str(timeout + 6)})
    photos = [*good, *damaged, crashing]
    assert len(photos) == 60

    with source.running():
        until("every photo has ended", lambda: not any(stack.look(photo).unfinished for photo in photos))
        until("the queue is empty", lambda: depth(stack) == (0, 0))

    assert Counter(stack.look(photo).status for photo in good) == {"succeeded": 54}
    for photo in good:
        (job,) = stack.look(photo).jobs.values()
        assert job.result is not None
        result = Image.open(io.BytesIO(stack.services.bucket.read(job.result.key)))
        result.load()
        assert (result.format, result.size) == ("JPEG", (160, 120))
        assert close(result.getpixel((20, 60)), (254, 0, 0))
        assert close(result.getpixel((140, 60)), (0, 0, 254))
    for photo in damaged:
        (job,) = stack.look(photo).jobs.values()
        assert (job.status, job.attempts, [error.code for error in job.errors]) == ("failed", 1, ["unreadable_photo"])
    crashed, resized = stack.look(crashing).jobs.values()
    assert (crashed.status, [error.code for error in crashed.errors]) == ("failed", ["child_died"])
    assert "SIGABRT" in crashed.errors[0].detail
    assert resized.status == "succeeded"

    letters, dlq = [], stack.services.photos.dead_letters
    while found := dlq.receive(10, wait=1, visibility=60):
        letters += found
    reasons = Counter(letter.attributes["code"] for letter in letters)
    assert reasons == {"undecodable_message": 2, "child_died": 1}

    timed_out = [answer for answer in source.answers if not isinstance(answer, dict)]
    assert [type(error) for error in timed_out] == [TaskTimedOut]
    assert function.starts == 2
    # What was done in the invocation that timed out was not done again; only the hung one was not claimed before.
    attempts = Counter(job.attempts for photo in photos for job in stack.look(photo).jobs.values())
    assert attempts == {1: 61}
    assert {event["data"]["id"] for event in stack.events()} == {photo.id for photo in photos}
    assert "sandbox.incomplete" not in {entry["action"] for entry in cloud.logged("function")}


def depth(stack: Stack) -> tuple[int, int]:
    found = stack.services.photos.depth()
    return found.visible, found.in_flight


def close(pixel: Any, colour: tuple[int, int, int]) -> bool:
    """True if the pixel differs from the colour by no more than JPEG compression changes it."""
    return all(abs(here - there) < 12 for here, there in zip(pixel, colour, strict=True))


WITHOUT_LANDLOCK = {
    "defaultAction": "SCMP_ACT_ALLOW",
    "syscalls": [
        {
            "names": ["landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self"],
            "action": "SCMP_ACT_ERRNO",
            "errnoRet": errno.ENOSYS,
        }
    ],
}
"""Makes the kernel answer as one without Landlock; Lambda's kernel may be that old."""


def test_without_landlock_a_crash_too_much_memory_and_reading_a_file_fail_one_job_each(
    cloud: Cloud, picture: bytes
) -> None:
    stack = cloud.stack()
    photo = stack.submit(picture, CRASH, ALLOCATE, FILE, RESIZE)
    profile = cloud.directory / "seccomp.json"
    profile.write_text(json.dumps(WITHOUT_LANDLOCK))
    function = cloud.function(stack, 120, MISBEHAVING, (*MOUNTS, f"--security-opt=seccomp={profile}"))
    source = EventSource(stack.services.clients.sqs, stack.services.photos.url, function)

    with source.running():
        until("the photo has ended", lambda: not stack.look(photo).unfinished)

    crashed, greedy, curious, resized = stack.look(photo).jobs.values()
    assert [error.code for error in crashed.errors] == ["child_died"]
    assert [error.code for error in curious.errors] == ["not_permitted"]
    assert [error.code for error in greedy.errors] == ["out_of_memory"]
    (shares,) = [entry for entry in cloud.logged("function") if entry["action"] == "worker.memory"]
    assert shares["usable_mib"] == MEMORY
    assert f"ran out of memory at {shares['child_mib'] * MIB / 1e6:.0f} MB" in greedy.errors[0].detail
    assert resized.status == "succeeded"
    assert function.starts == 1
    missing = [entry["missing"] for entry in cloud.logged("function") if entry["action"] == "sandbox.incomplete"]
    assert missing == [[FILES]]
