"""A direct upload that a worker takes in while another worker or a caller changes the photo."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from darkroom.record.keys import original_key, upload_key
from tests.support.faulty import Fault, start
from tests.support.ingesting import (
    await_upload,
    check_original,
    picture_of,
    stored,
    use_form,
    wait_until_quiet,
)
from tests.support.stack import Stack
from tests.support.waiting import wait_until

STAGES = {
    "looked": Fault("worker.child.process:Child.look", "after", act="wait"),
    "copied": Fault("darkroom.aws.bucket:Bucket.copy", "after", act="wait"),
}
"""Where a test halts a worker that takes a file in."""


@contextlib.contextmanager
def halted(stack: Stack, stage: str, folder: Path) -> Iterator[Path]:
    """Start a worker that halts at a stage until the test makes the file whose path this yields."""
    fault = dataclasses.replace(STAGES[stage], folder=str(folder))
    environ = stack.environ | {"DARKROOM_SWEEP_INTERVAL": "3600", "DARKROOM_CHILDREN": "1", "DARKROOM_PREFETCH": "0"}
    process = start("worker", [fault], environ, folder / "halted.log")
    try:
        wait_until("the worker is halted", lambda: list(folder.glob("reached-*")))
        yield folder / "go"
        wait_until_quiet(stack)
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("stage", STAGES)
def test_of_two_files_of_one_form_at_once_one_is_the_original(stack: Stack, tmp_path: Path, stage: str) -> None:
    photo = await_upload(stack.services)
    use_form(stack.services, photo, picture_of("red"))
    with halted(stack, stage, tmp_path) as go:
        use_form(stack.services, photo, picture_of("blue"))
        worker = stack.worker()
        ended = stack.wait_for(photo)
        go.touch()
    check_original(stack, stack.look(photo), picture_of("blue"), "beach.jpg")
    assert stack.look(photo).jobs == ended.jobs
    assert worker.process.poll() is None
    assert {event["id"] for event in stack.events()} == {ended.event_id("photo.completed")}


@pytest.mark.parametrize("stage", STAGES)
def test_a_photo_deleted_while_its_file_is_taken_in_leaves_nothing(stack: Stack, tmp_path: Path, stage: str) -> None:
    photo = await_upload(stack.services)
    use_form(stack.services, photo, picture_of("red"))
    with halted(stack, stage, tmp_path) as go:
        photo, _ = stack.services.table.update(photo.id, lambda record: record.delete())
        stack.services.cleanup.clean_up(photo)
        go.touch()
    assert stored(stack, original_key(photo.id)) == stored(stack, upload_key(photo.id)) == []
    assert stack.look(photo).status == "deleted"
    assert stack.events() == []
