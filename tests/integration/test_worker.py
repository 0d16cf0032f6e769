"""What a worker makes of messages: real worker processes on a real queue."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
from typing import Any

from PIL import Image

from tests.support.stack import Stack, only_job
from tests.support.waiting import wait_until
from tests.support.worker_process import SLOW

RESIZE = {"type": "resize", "width": 160}

METADATA = {"type": "metadata"}


def picture_of(stack: Stack, job: Any) -> Image.Image:
    return Image.open(io.BytesIO(stack.services.bucket.read(job.result.key)))


class TestWork:
    def test_every_job_leaves_its_result(self, stack: Stack, picture: bytes) -> None:
        photo = stack.submit(picture, RESIZE, {"type": "filter", "filter": "grayscale"}, METADATA)
        stack.worker()
        ended = stack.wait_for(photo)
        resized, gray, metadata = ended.jobs.values()
        assert ended.status == "succeeded"
        assert picture_of(stack, resized).size == (160, 120)
        red, green, blue = picture_of(stack, gray).convert("RGB").getpixel((10, 10))  # type: ignore[misc]
        assert max(red, green, blue) - min(red, green, blue) <= 2
        assert json.loads(metadata.result.content)["width"] == 640
        assert stack.objects(photo) == sorted([resized.result.key, gray.result.key])  # the record holds the metadata
        assert resized.result.filename == "photo-160.jpg"

    def test_the_message_is_deleted_and_one_event_sent(self, stack: Stack, picture: bytes) -> None:
        photo = stack.submit(picture, RESIZE)
        stack.worker()
        stack.wait_for(photo)
        stack.wait_until_empty()
        (event,) = {event["id"]: event for event in stack.events()}.values()  # delivered at least once, with one id
        assert (event["type"], event["id"]) == ("photo.completed", photo.event_id("photo.completed"))
        assert (event["data"]["id"], event["data"]["status"]) == (photo.id, "succeeded")

    def test_names_stand_in_file_names_and_events(self, stack: Stack, picture: bytes) -> None:
        convert = {"type": "convert", "name": "cover", "output": {"format": "webp"}}
        photo = stack.submit(picture, convert, METADATA | {"name": "facts"}, METADATA)
        stack.worker(DARKROOM_JOB_EVENTS="true")
        cover, facts, unnamed = stack.wait_for(photo).jobs.values()
        files = [job.result.filename for job in (cover, facts, unnamed)]
        assert files == ["photo-cover.webp", "photo-facts.json", "photo-metadata.json"]
        assert picture_of(stack, cover).size == (640, 480)
        stack.wait_until_empty()
        events = {event["id"]: event for event in stack.events()}.values()
        (completed,) = [event for event in events if event["type"] == "photo.completed"]
        assert [job["name"] for job in completed["data"]["jobs"]] == ["cover", "facts", None]
        address = completed["data"]["jobs"][0]["links"]["named_result"]
        assert address.endswith(f"/v1/photos/{photo.id}/results/cover")
        ended = {event["data"]["job"]["name"] for event in events if event["type"] == "job.succeeded"}
        assert ended == {"cover", "facts", None}

    def test_job_events_come_when_a_setting_asks_for_them(self, stack: Stack, picture: bytes) -> None:
        good, bad = stack.submit(picture, RESIZE), stack.submit(picture[:2000], RESIZE)
        stack.worker(DARKROOM_JOB_EVENTS="true")
        stack.wait_for(good)
        stack.wait_for(bad)
        stack.wait_until_empty()
        kinds = sorted({event["id"]: event["type"] for event in stack.events()}.values())
        assert kinds == ["job.failed", "job.succeeded", "photo.completed", "photo.completed"]

    def test_more_photos_than_slots_all_complete(self, stack: Stack, picture: bytes) -> None:
        photos = [stack.submit(picture, RESIZE, METADATA) for _ in range(30)]
        stack.worker(DARKROOM_CHILDREN="2")
        stack.worker(DARKROOM_CHILDREN="1")
        assert {stack.wait_for(photo).status for photo in photos} == {"succeeded"}
        stack.wait_until_empty()

    def test_the_same_message_twice_does_no_harm(self, stack: Stack, picture: bytes) -> None:
        photo = stack.submit(picture, RESIZE)
        (order,) = photo.orders
        stack.services.outbox.send_order(photo, order)
        stack.worker(DARKROOM_CHILDREN="1")
        first = only_job(stack.wait_for(photo))
        stack.wait_until_empty()
        assert only_job(stack.look(photo)) == first
        assert {event["id"] for event in stack.events()} == {photo.event_id("photo.completed")}

    def test_a_fifo_queue_works_in_the_order_sent(self, make_stack: Any, picture: bytes) -> None:
        stack = make_stack(DARKROOM_QUEUE_TYPE="fifo")
        photos = [stack.submit(picture, RESIZE, owner="ann") for _ in range(6)]
        stack.worker(DARKROOM_CHILDREN="3")
        ended = [only_job(stack.wait_for(photo)).ended_at for photo in photos]
        assert ended == sorted(ended)

    def test_nothing_overtakes_a_failed_message_of_its_owner(self, make_stack: Any, picture: bytes) -> None:
        stack = make_stack(DARKROOM_QUEUE_TYPE="fifo", DARKROOM_BACKOFF_BASE="1", DARKROOM_BACKOFF_CAP="1")
        first, *others = [stack.submit(picture, RESIZE, owner="ann") for _ in range(4)]
        another = stack.submit(picture, RESIZE, owner="bob")
        stack.as_a_newer_release(first)  # this release cannot process it
        worker = stack.worker(DARKROOM_CHILDREN="3")
        assert stack.wait_for(another).status == "succeeded"
        wait_until("it was tried several times", lambda: len(worker.logged("order.attempt_failed")) > 4)
        assert all(stack.look(photo).order(next(iter(photo.orders))).unfinished_jobs for photo in others)
        stack.as_this_release(first)
        ended = [only_job(stack.wait_for(photo)).ended_at for photo in (first, *others)]
        assert ended == sorted(ended)

    def test_a_fifo_events_queue_takes_repeated_events_out(self, make_stack: Any, picture: bytes) -> None:
        stack = make_stack(DARKROOM_EVENTS_QUEUE_TYPE="fifo")
        photo = stack.submit(picture, RESIZE)
        stack.worker()
        ended = stack.wait_for(photo)
        stack.wait_until_empty()
        stack.services.outbox.announce(ended)
        assert [event["id"] for event in stack.events()] == [photo.event_id("photo.completed")]


class TestLeasesAndClaims:
    def test_a_job_longer_than_the_lease_is_done_once(
        self, stack: Stack, picture: bytes, slow_job: dict[str, Any]
    ) -> None:
        photo = stack.submit(picture, slow_job)
        workers = [stack.worker(SLOW, DARKROOM_CHILDREN="1") for _ in range(2)]
        assert only_job(stack.wait_for(photo)).attempts == 1
        stack.wait_until_empty()
        (order,) = stack.look(photo).orders.values()
        assert order.claim_count == 1
        assert sum(len(worker.logged("job.stored")) for worker in workers) == 1

    def test_a_long_order_shows_its_step(self, stack: Stack, picture: bytes, slow_job: dict[str, Any]) -> None:
        photo = stack.submit(picture, RESIZE, slow_job)
        stack.worker(SLOW, DARKROOM_CHILDREN="1")
        wait_until("the record has the step", lambda: stack.look(photo).progress)
        shown = stack.look(photo).progress
        assert shown is None or (shown.step, shown.done < shown.of) == ("blur", True)
        assert stack.wait_for(photo).progress is None

    def test_the_photo_of_a_killed_worker_is_done_by_another(
        self, stack: Stack, picture: bytes, slow_job: dict[str, Any]
    ) -> None:
        photo = stack.submit(picture, slow_job, RESIZE)
        victim = stack.worker(SLOW)
        stack.wait_in_progress(photo)
        victim.send(signal.SIGKILL)
        stack.worker(SLOW)
        ended = stack.wait_for(photo)
        assert ended.status == "succeeded"
        assert {job.attempts for job in ended.jobs.values()} == {2}

    def test_a_worker_that_lost_its_claim_publishes_nothing(
        self, stack: Stack, picture: bytes, slow_job: dict[str, Any]
    ) -> None:
        photo = stack.submit(picture, slow_job)
        (order,) = photo.orders
        worker = stack.worker(SLOW)
        stack.wait_in_progress(photo)
        stack.services.table.update(photo.id, lambda record: record.claim(order, 5, 90, 300))
        (handled,) = wait_until("the worker has ended", lambda: worker.logged("order.handled"))
        assert handled["verdict"] == "leave"
        job = only_job(stack.look(photo))
        assert (job.status, job.result) == ("processing", None)
        wait_until("what it stored is removed", lambda: not stack.objects(photo))


class TestStarting:
    def test_a_wrong_setting_is_named_without_a_traceback(self, stack: Stack) -> None:
        wrong = {"DARKROOM_LEASE": "soon", "DARKROOM_HEARTBEET": "1"}
        ended = subprocess.run(
            [sys.executable, "-m", "worker"], env=stack.environ | wrong, capture_output=True, text=True, check=False
        )
        assert ended.returncode == 2
        assert "DARKROOM_LEASE" in ended.stderr
        assert "did you mean DARKROOM_HEARTBEAT?" in ended.stderr
        assert "Traceback" not in ended.stderr


class TestWhileInProgress:
    def test_a_cancelled_photo_stays_cancelled(self, stack: Stack, picture: bytes, slow_job: dict[str, Any]) -> None:
        photo = stack.submit(picture, slow_job)
        stack.worker(SLOW)
        stack.wait_in_progress(photo)
        stack.services.table.update(photo.id, lambda record: record.cancel())
        stack.wait_until_empty()
        assert stack.look(photo).status == "cancelled"
        assert stack.objects(photo) == []

    def test_nothing_of_a_deleted_photo_reappears(self, stack: Stack, picture: bytes, slow_job: dict[str, Any]) -> None:
        photo = stack.submit(picture, RESIZE, slow_job)
        stack.worker(SLOW)
        stack.wait_in_progress(photo)
        tombstone, _ = stack.services.table.update(photo.id, lambda record: record.delete())
        stack.services.cleanup.clean_up(tombstone)
        stack.wait_until_empty()
        assert stack.look(photo).status == "deleted"
        assert stack.objects(photo) == []
        assert photo.original is not None
        assert not stack.services.bucket.exists(photo.original.key)

    def test_a_retry_while_the_first_message_still_waits(self, stack: Stack, picture: bytes) -> None:
        photo = stack.submit(picture, RESIZE)
        (job,) = photo.jobs
        stack.services.table.update(photo.id, lambda record: record.cancel())
        photo, order = stack.services.table.update(photo.id, lambda record: record.retry(job, 300))
        stack.services.outbox.send_order(photo, order.id)
        stack.worker(DARKROOM_CHILDREN="1")
        ended = only_job(stack.wait_for(photo))
        stack.wait_until_empty()
        assert (ended.status, ended.attempts) == ("succeeded", 1)
        assert stack.objects(photo) == [ended.result.key]

    def test_a_retry_while_the_first_order_is_in_progress(
        self, stack: Stack, picture: bytes, slow_job: dict[str, Any]
    ) -> None:
        photo = stack.submit(picture, slow_job)
        (job,) = photo.jobs
        stack.worker(SLOW, DARKROOM_CHILDREN="2")
        stack.wait_in_progress(photo)
        stack.services.table.update(photo.id, lambda record: record.cancel())
        photo, order = stack.services.table.update(photo.id, lambda record: record.retry(job, 300))
        stack.services.outbox.send_order(photo, order.id)
        ended = only_job(stack.wait_for(photo))
        stack.wait_until_empty()
        assert ended.status == "succeeded"
        assert stack.objects(photo) == [ended.result.key]

    def test_more_jobs_on_a_photo_in_progress_make_an_order_of_their_own(
        self, stack: Stack, picture: bytes, slow_job: dict[str, Any]
    ) -> None:
        photo = stack.submit(picture, slow_job)
        stack.worker(SLOW)
        stack.wait_in_progress(photo)
        more = stack.record(picture, [RESIZE])
        jobs = [job.spec for job in more.jobs.values()]
        photo, order = stack.services.table.update(photo.id, lambda record: record.add_order(jobs, 300))
        stack.services.outbox.send_order(photo, order.id)
        ended = stack.wait_for(photo)
        assert ended.counts == {"succeeded": 2}
        assert {job.attempts for job in ended.jobs.values()} == {1}


def test_a_worker_frees_the_disk_that_a_killed_worker_left_before_it_starts(stack: Stack) -> None:
    left = stack.services.settings.spool_dir / "slot-left"
    left.mkdir(parents=True)
    (left / "original").write_text("pixels")
    worker = stack.worker()
    wait_until("it works", lambda: worker.logged("worker.started"))
    assert not left.exists()
