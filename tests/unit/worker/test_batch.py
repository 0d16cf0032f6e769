"""Which messages of a batch are reported as not done, and how long they stay hidden.

tests/integration/test_lambda_*.py test the same with real queues and real work.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
import structlog

from darkroom.aws.queue import Received
from darkroom.errors import Unavailable
from darkroom.settings import Settings
from worker.batch import handle_all
from worker.verdict import Bury, Delete, Leave, Retry, Verdict

SETTINGS = Settings()
NO_HURRY = time.monotonic() + 3600


@dataclass
class VisibilityQueue:
    """Records the visibility timeouts that were set, in order."""

    fifo: bool = False
    down: bool = False
    name: str = "photos"
    hidden: dict[str, int] = field(default_factory=dict)

    def set_visibility(self, seconds: Mapping[str, int]) -> dict[str, str]:
        if self.down:
            raise Unavailable("changing visibility on photos failed")
        self.hidden |= seconds
        return {}


def run(queue: Any, verdicts: Mapping[str, Verdict | Exception], latest: float = NO_HURRY) -> list[str]:
    """Handle messages whose names begin with their group, each with its verdict."""
    messages = [Received(id=name, receipt_handle=name, body="", group=name[0], receives=1) for name in verdicts]

    def handle(received: Received) -> Verdict:
        verdict = verdicts[received.id]
        if isinstance(verdict, Exception):
            raise verdict
        return verdict

    return handle_all(queue, messages, latest, handle, SETTINGS)


def test_each_verdict() -> None:
    queue = VisibilityQueue()
    verdicts = {"a1": Delete(), "a2": Retry(7), "a3": Bury(), "a4": Leave(), "a5": Retry(0, counts=False)}
    assert run(queue, verdicts) == ["a2", "a4", "a5"]
    assert queue.hidden == {"a2": 7, "a5": 0}, "a message that another worker holds keeps its visibility"


def test_an_unexpected_error_affects_only_its_message() -> None:
    queue = VisibilityQueue()
    assert run(queue, {"a1": KeyError("x"), "a2": Delete()}) == ["a1"]
    assert 0 <= queue.hidden["a1"] <= SETTINGS.backoff_base


def test_no_message_is_begun_after_the_latest_time() -> None:
    queue = VisibilityQueue()
    too_late = {"a1": AssertionError("begun"), "b1": AssertionError("begun")}
    assert run(queue, too_late, latest=time.monotonic() - 1) == ["a1", "b1"]
    assert queue.hidden == {"a1": 0, "b1": 0}


@pytest.mark.parametrize(
    ("first", "hidden"),
    [(Retry(7), {"a2": 7, "a3": 7}), (Leave(), {"a3": 0}), (Retry(0, counts=False), {"a2": 0, "a3": 0})],
)
def test_a_fifo_group_stops_at_a_failure_and_its_followers_get_the_same_delay(
    first: Verdict, hidden: dict[str, int]
) -> None:
    queue = VisibilityQueue(fifo=True)
    verdicts = {"a1": Delete(), "a2": first, "b1": Delete(), "a3": AssertionError("it overtook")}
    assert run(queue, verdicts) == ["a2", "a3"]
    assert queue.hidden == hidden
    assert list(queue.hidden) == sorted(queue.hidden), "the first one first"


def test_a_fifo_group_continues_after_a_buried_message() -> None:
    assert run(VisibilityQueue(fifo=True), {"a1": Bury(), "a2": Delete()}) == []


def test_a_standard_queue_does_not_stop_at_a_failure() -> None:
    assert run(VisibilityQueue(), {"a1": Retry(7), "a2": Delete()}) == ["a1"]


def test_a_message_that_cannot_be_given_back_is_still_reported() -> None:
    assert run(VisibilityQueue(down=True), {"a1": Retry(7), "a2": Delete()}) == ["a1"]


def run_fetches(latest: float, handle: Callable[[Received], Verdict], *others: str) -> list[str]:
    """A batch of three photos by URL, and other messages after them."""
    bodies = {f"f{number}": '{"v":1,"kind":"fetch"}' for number in range(3)} | dict.fromkeys(others, "{}")
    messages = [
        Received(id=name, receipt_handle=name, body=body, group="a", receives=1) for name, body in bodies.items()
    ]
    return handle_all(cast(Any, VisibilityQueue()), messages, latest, handle, SETTINGS)


def test_photos_by_url_are_fetched_at_the_same_time_and_hold_up_no_other_message() -> None:
    together = threading.Barrier(4, timeout=60)

    def handle(received: Received) -> Verdict:
        together.wait()  # until all three fetches and the other message are being handled
        return Delete()

    assert run_fetches(NO_HURRY, handle, "other") == []


def test_each_fetch_has_its_own_verdict() -> None:
    verdicts = {"f0": Delete(), "f1": Retry(7), "f2": KeyError("x"), "other": Leave()}

    def handle(received: Received) -> Verdict:
        verdict = verdicts[received.id]
        if isinstance(verdict, Exception):
            raise verdict
        return verdict

    assert run_fetches(NO_HURRY, handle, "other") == ["other", "f1", "f2"]


def test_no_fetch_is_begun_after_the_latest_time() -> None:
    assert run_fetches(time.monotonic() - 1, lambda _: pytest.fail("begun")) == ["f0", "f1", "f2"]


def test_the_log_lines_of_a_fetch_name_the_invocation() -> None:
    seen: list[object] = []

    def handle(_: Received) -> Verdict:
        seen.append(structlog.contextvars.get_contextvars().get("request"))
        return Delete()

    with structlog.contextvars.bound_contextvars(request="r-1"):
        run_fetches(NO_HURRY, handle)
    assert seen == ["r-1"] * 3
