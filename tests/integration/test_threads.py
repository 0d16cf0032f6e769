"""Threads of a worker and its child processes: as many as the containers' limits are made for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PIL import AvifImagePlugin

from darkroom.sniff import DECODING_THREADS
from tests.support.container_needs import CHILD, worker_threads
from tests.support.stack import Stack
from worker.webhooks.sender import AT_A_TIME

CHILDREN, SLOTS = 3, 6


def threads(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


def test_a_worker_has_no_more_threads_than_expected(make_stack: Callable[..., Stack], picture: bytes) -> None:
    stack = make_stack(DARKROOM_WEBHOOK_SECRET="whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")
    worker = stack.worker(DARKROOM_CHILDREN=str(CHILDREN), DARKROOM_SLOTS=str(SLOTS))
    formats = [{"type": "resize", "width": 320, "output": {"format": name}} for name in ("jpeg", "webp", "avif", "png")]
    for photo in [stack.submit(picture, *formats) for _ in range(2 * SLOTS)]:
        stack.wait_for(photo)

    assert AT_A_TIME + SLOTS < threads(worker.process.pid) <= worker_threads(CHILDREN, SLOTS)
    children = worker.children()
    assert len(children) == CHILDREN
    assert all(threads(child) <= CHILD for child in children)


def test_avif_photos_are_read_with_a_fixed_number_of_threads() -> None:
    """By default there is one for each CPU of the machine, whatever the container may use."""
    assert AvifImagePlugin.DEFAULT_MAX_THREADS == DECODING_THREADS == 4
