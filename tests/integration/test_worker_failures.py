"""What a worker does when a photo, a message, AWS or a child process fails: real worker processes on a real queue."""

from __future__ import annotations

import json
import os
import signal
from typing import Any

import pytest

from darkroom.errors import DarkroomError
from darkroom.record.ids import new_id
from tests.support import faulty
from tests.support.faulty import Fault
from tests.support.stack import Stack, only_job
from tests.support.waiting import wait_until
from tests.support.worker_process import SLOW

RESIZE = {"type": "resize", "width": 160}

METADATA = {"type": "metadata"}


class TestFailures:
    """Failures of a photo, a message, or AWS."""

    def test_a_damaged_photo_fails_with_its_reason_and_others_go_on(self, stack: Stack, picture: bytes) -> None:
        bad, good = stack.submit(picture[:2000], RESIZE), stack.submit(picture, RESIZE)
        stack.worker()
        job = only_job(stack.wait_for(bad))
        assert (job.status, job.attempts, job.errors[0].code) == ("failed", 1, "unreadable_photo")
        assert "damaged or cut short" in job.errors[0].detail
        assert stack.wait_for(good).status == "succeeded"
        stack.wait_until_empty()
        assert stack.receive(stack.services.photos.dead_letters) == []

    def test_an_original_that_is_missing_fails_the_photo(self, stack: Stack, picture: bytes) -> None:
        photo = stack.submit(picture, RESIZE)
        stack.services.bucket.remove_photo(photo.id)
        stack.worker()
        (error,) = only_job(stack.wait_for(photo)).errors
        assert error.code == "original_missing"
        assert "missing" in error.detail

    @pytest.mark.parametrize(
        "body", ["what is this?", "[" * 100_000, '{"v": 1, "cost": ' + "9" * 400 + "}"], ids=str.__len__
    )
    def test_an_undecodable_body_is_buried_with_the_reason_and_the_worker_lives(
        self, stack: Stack, picture: bytes, body: str
    ) -> None:
        stack.services.photos.send(body, group="x", deduplication_id=new_id())
        worker = stack.worker()
        photo = stack.submit(picture, RESIZE)
        assert stack.wait_for(photo).status == "succeeded"
        stack.wait_until_empty()
        clients, dlq = stack.services.clients, stack.services.photos.dead_letters
        dead, *_ = clients.sqs.receive_message(QueueUrl=dlq.url, MessageAttributeNames=["All"])["Messages"]
        assert dead["Body"] == body
        assert dead["MessageAttributes"]["code"]["StringValue"] == "undecodable_message"
        assert dead["MessageAttributes"]["reason"]["StringValue"].startswith("not a Darkroom message: ")
        assert worker.process.poll() is None

    def test_a_body_of_a_later_version_is_given_back_and_not_buried(self, stack: Stack, picture: bytes) -> None:
        stack.services.photos.send(json.dumps({"v": 99}), group="x", deduplication_id=new_id())
        worker = stack.worker(DARKROOM_BACKOFF_BASE="1", DARKROOM_BACKOFF_CAP="1")
        wait_until("it was received several times", lambda: len(worker.logged("message.refused")) > 6)
        worker.send(signal.SIGTERM)
        assert worker.wait() == 0
        assert stack.receive(stack.services.photos.dead_letters) == []
        (body,) = wait_until("it is back", lambda: stack.receive(stack.services.photos))
        assert json.loads(body)["v"] == 99

    def test_an_unexpected_error_is_tried_again_up_to_the_limit_and_buried(self, stack: Stack, picture: bytes) -> None:
        program = faulty.program("worker", [Fault("darkroom.aws.bucket:Bucket.fetch", "after", nth=0, act="raise")])
        worker = stack.worker(*program, DARKROOM_MAX_ATTEMPTS="2", DARKROOM_BACKOFF_BASE="1", DARKROOM_BACKOFF_CAP="1")
        photo = stack.submit(picture, RESIZE)
        job = only_job(stack.wait_for(photo))
        assert (job.status, [error.attempt for error in job.errors]) == ("failed", [1, 2])
        assert job.errors[-1].detail == DarkroomError().detail
        logged = worker.logged("order.unexpected_error")
        assert ["RuntimeError: injected" in entry["exception"] for entry in logged] == [True, True]
        assert stack.look(photo).dead_letter_at is not None
        stack.wait_until_empty()
        assert len(stack.receive(stack.services.photos.dead_letters)) == 1
        assert [event["type"] for event in stack.events()] == ["photo.completed"]
        assert worker.process.poll() is None

    def test_a_disk_error_does_not_fail_the_photo(self, stack: Stack, picture: bytes) -> None:
        spool = stack.directory / "spool"
        worker = stack.worker(DARKROOM_SPOOL_DIR=str(spool), DARKROOM_BACKOFF_BASE="1", DARKROOM_BACKOFF_CAP="1")
        spool.rmdir()
        photo = stack.submit(picture, RESIZE)
        wait_until("it was tried several times", lambda: len(worker.logged("order.attempt_failed")) > 6)
        spool.mkdir()
        job = only_job(stack.wait_for(photo))
        assert (job.status, job.attempts) == ("succeeded", 1)

    def test_a_message_without_a_record_is_buried(self, stack: Stack, picture: bytes) -> None:
        photo = stack.record(picture, [RESIZE])
        stack.store(photo, picture)
        (order,) = photo.orders
        stack.services.outbox.send_order(photo, order)
        stack.worker()
        stack.wait_until_empty()
        assert len(stack.receive(stack.services.photos.dead_letters)) == 1
        assert photo.original is not None
        assert stack.services.bucket.exists(photo.original.key)

    def test_a_record_of_a_newer_release_waits_for_a_newer_worker(self, stack: Stack, picture: bytes) -> None:
        photo = stack.submit(picture, RESIZE)
        stack.as_a_newer_release(photo)
        worker = stack.worker(DARKROOM_BACKOFF_BASE="1", DARKROOM_BACKOFF_CAP="1")
        wait_until("it was tried several times", lambda: len(worker.logged("order.attempt_failed")) > 6)
        worker.send(signal.SIGTERM)
        assert worker.wait() == 0
        assert stack.receive(stack.services.photos.dead_letters) == []
        assert len(wait_until("it is back", lambda: stack.receive(stack.services.photos))) == 1

    def test_an_event_that_could_not_be_sent_is_sent_later(self, stack: Stack, picture: bytes) -> None:
        sqs, events = stack.services.clients.sqs, stack.services.events
        sqs.delete_queue(QueueUrl=events.url)
        photo = stack.submit(picture, RESIZE)
        worker = stack.worker(DARKROOM_BACKOFF_BASE="1", DARKROOM_BACKOFF_CAP="1")
        ended = stack.wait_for(photo)
        wait_until("it was tried several times", lambda: len(worker.logged("order.not_announced")) > 3)
        assert stack.look(photo) == ended  # nothing is written while nothing changes
        sqs.create_queue(QueueName=events.name)
        assert [event["id"] for event in wait_until("the event comes", stack.events)] == [
            photo.event_id("photo.completed")
        ]

    def test_a_message_whose_worker_died_at_every_attempt_is_buried_by_the_next_claim(
        self, stack: Stack, picture: bytes
    ) -> None:
        photo = stack.submit(picture, RESIZE)
        (order,) = photo.orders
        for _ in range(5):  # five workers claimed it and died
            stack.services.table.update(photo.id, lambda record: record.claim(order, 5, 90, 300))
        stack.worker()
        job = only_job(stack.wait_for(photo))
        assert (job.status, job.errors[-1].code) == ("failed", "attempts_exhausted")
        assert "tried 5 times" in job.errors[-1].detail

    def test_when_s3_is_down_the_photo_waits_and_loses_no_attempt(self, stack: Stack, picture: bytes) -> None:
        photo = stack.submit(picture, RESIZE)
        worker = stack.worker(AWS_ENDPOINT_URL_S3="http://127.0.0.1:1")
        wait_until("an attempt failed", lambda: worker.logged("order.attempt_failed"))
        worker.send(signal.SIGTERM)
        worker.wait()
        job = only_job(stack.look(photo))
        assert (job.status, job.attempts, job.errors[0].code) == ("queued", 0, "unavailable")
        stack.worker()
        assert stack.wait_for(photo).status == "succeeded"


class TestChildProcess:
    """A child process decodes the pixels; its faults do not reach the worker."""

    def test_a_job_over_the_time_limit_fails_alone(
        self, stack: Stack, picture: bytes, slow_job: dict[str, Any]
    ) -> None:
        photo = stack.submit(picture, RESIZE, slow_job, METADATA)
        worker = stack.worker(SLOW, DARKROOM_TIME_LIMIT="2")
        resize, slow, metadata = stack.wait_for(photo).jobs.values()
        assert (resize.status, slow.status, metadata.status) == ("succeeded", "failed", "succeeded")
        assert slow.errors[0].code == "time_limit_exceeded"
        assert "2 seconds" in slow.errors[0].detail
        assert worker.process.poll() is None

    def test_a_crash_of_a_child_process_loses_no_job(
        self, stack: Stack, picture: bytes, slow_job: dict[str, Any]
    ) -> None:
        photo = stack.submit(picture, RESIZE, slow_job)
        worker = stack.worker(SLOW, DARKROOM_CHILDREN="1")
        wait_until("its child has done the first job", lambda: worker.logged("job.stored"))
        (child,) = worker.children()
        os.kill(child, signal.SIGSEGV)
        ended = stack.wait_for(photo)
        assert ended.status == "succeeded"
        assert "SIGSEGV" in worker.logged("child.lost")[0]["detail"]
        assert [job.attempts for job in ended.jobs.values()] == [1, 1]

    def test_a_job_that_runs_out_of_memory_fails_alone(self, stack: Stack, picture: bytes) -> None:
        large_job = {"type": "resize", "width": 5800, "height": 4300, "fit": "fill", "output": {"format": "webp"}}
        worker = stack.worker(DARKROOM_CHILD_MEMORY="101000000")  # enough for the picture alone, not for its encoder
        photo = stack.submit(picture, RESIZE, large_job, METADATA)
        resize, large, metadata = stack.wait_for(photo).jobs.values()
        assert (resize.status, large.status, metadata.status) == ("succeeded", "failed", "succeeded")
        assert large.errors[0].code == "out_of_memory"
        assert "ran out of memory at 101 MB" in large.errors[0].detail
        assert worker.process.poll() is None

    def test_children_are_replaced_now_and_then(self, stack: Stack, picture: bytes) -> None:
        worker = stack.worker(DARKROOM_CHILD_ORDERS="1", DARKROOM_CHILDREN="1")
        wait_until("the first child is there", worker.children)
        for _ in range(3):
            before = worker.children()
            assert stack.wait_for(stack.submit(picture, RESIZE)).status == "succeeded"
            wait_until("another child is there", lambda before=before: worker.children() not in ([], before))
