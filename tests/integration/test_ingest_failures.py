"""A child process crashes, fails or is stopped while a worker takes a file in."""

from __future__ import annotations

from darkroom.record.keys import upload_key
from tests.support.ingesting import (
    await_upload,
    buried,
    stored,
    use_form,
    wait_until_quiet,
)
from tests.support.stack import Stack
from tests.support.waiting import wait_until


def test_a_decoder_that_crashes_on_a_header_fails_only_that_photo(stack: Stack, picture: bytes) -> None:
    poison, good = await_upload(stack.services), await_upload(stack.services)
    use_form(stack.services, poison, b"CRASH" + picture)
    use_form(stack.services, good, picture)
    worker = stack.worker("tests.support.misbehaving", DARKROOM_CHILDREN="1")
    (job,) = stack.wait_for(poison).jobs.values()
    assert (job.status, job.errors[-1].code) == ("failed", "child_died")
    assert stack.wait_for(good).status == "succeeded"
    assert worker.process.poll() is None
    wait_until_quiet(stack)
    assert stored(stack, upload_key(poison.id))  # kept, so that an operator can examine it


def test_an_unexpected_error_is_tried_again_and_then_reported(stack: Stack, picture: bytes) -> None:
    photo = await_upload(stack.services)
    use_form(stack.services, photo, b"BUGGY" + picture)
    settings = {"DARKROOM_MAX_ATTEMPTS": "2", "DARKROOM_BACKOFF_CAP": "2"}
    worker = stack.worker("tests.support.misbehaving", **settings)
    (job,) = stack.wait_for(photo).jobs.values()
    assert (job.status, job.errors[-1].code) == ("failed", "internal_error")
    assert "the service's log has the reason" in job.errors[-1].detail
    wait_until_quiet(stack)
    attempts = worker.logged("ingest.attempt_failed")
    assert [entry["attempt"] for entry in attempts] == [1, 2]
    assert all("an unexpected error" in entry["exception"] for entry in attempts)
    assert "in _sniff" in attempts[0]["exception"]  # the child's own trace
    assert stored(stack, upload_key(photo.id))
    assert buried(stack) == []
    assert [event["data"]["status"] for event in stack.events()] == ["failed"]


def test_a_shutdown_gives_back_the_file_that_a_child_examines(stack: Stack, picture: bytes) -> None:
    photo = await_upload(stack.services)
    use_form(stack.services, photo, b"SLEEP" + picture)
    worker = stack.worker("tests.support.misbehaving", DARKROOM_CHILDREN="1", DARKROOM_STOP_GRACE="1")
    spool = stack.services.settings.spool_dir
    wait_until("a child looks, before the grace ends", lambda: list(spool.glob("slot-*/*/original")))
    worker.process.terminate()
    assert worker.wait() == 0
    assert stack.look(photo).status == "awaiting_upload"
    depth = stack.services.ingest.depth()
    assert (depth.visible, depth.in_flight) == (1, 0)
