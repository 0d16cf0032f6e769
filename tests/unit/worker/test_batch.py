"""What is said of each message of a batch, and how long it stays hidden.

tests/integration/test_lambda_worker.py does it with real queues and real work.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from darkroom.aws.queue import Received
from darkroom.errors import Unavailable
from darkroom.settings import Settings
from worker.batch import at, handle_all
from worker.verdict import Bury, Delete, Leave, Retry, Verdict

SETTINGS = Settings()
NO_HURRY = time.monotonic() + 3600


@dataclass
class FakeQueue:
    """Remembers which visibility was asked for, in order."""

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
    """Messages named `group-number`, each with its verdict."""
    messages = [Received(id=name, receipt_handle=name, body="", group=name[0], receives=1) for name in verdicts]

    def handle(received: Received) -> Verdict:
        verdict = verdicts[received.id]
        if isinstance(verdict, Exception):
            raise verdict
        return verdict

    return handle_all(queue, messages, latest, handle, SETTINGS)


def test_each_verdict() -> None:
    queue = FakeQueue()
    verdicts = {"a1": Delete(), "a2": Retry(7), "a3": Bury(), "a4": Leave(), "a5": Retry(0, counts=False)}
    assert run(queue, verdicts) == ["a2", "a4", "a5"]
    assert queue.hidden == {"a2": 7, "a5": 0}, "what is somebody else's keeps its visibility"


def test_an_error_that_nobody_foresaw_is_one_messages_own() -> None:
    queue = FakeQueue()
    assert run(queue, {"a1": KeyError("x"), "a2": Delete()}) == ["a1"]
    assert 0 <= queue.hidden["a1"] <= SETTINGS.backoff_base


def test_what_comes_too_late_is_not_begun() -> None:
    queue = FakeQueue()
    too_late = {"a1": AssertionError("begun"), "b1": AssertionError("begun")}
    assert run(queue, too_late, latest=time.monotonic() - 1) == ["a1", "b1"]
    assert queue.hidden == {"a1": 0, "b1": 0}


@pytest.mark.parametrize(
    ("first", "hidden"),
    [(Retry(7), {"a2": 7, "a3": 7}), (Leave(), {"a3": 0}), (Retry(0, counts=False), {"a2": 0, "a3": 0})],
)
def test_a_fifo_group_stops_and_what_follows_is_hidden_as_long(first: Verdict, hidden: dict[str, int]) -> None:
    queue = FakeQueue(fifo=True)
    verdicts = {"a1": Delete(), "a2": first, "b1": Delete(), "a3": AssertionError("it overtook")}
    assert run(queue, verdicts) == ["a2", "a3"]
    assert queue.hidden == hidden
    assert list(queue.hidden) == sorted(queue.hidden), "the first one first"


def test_a_fifo_group_goes_on_behind_one_that_is_buried() -> None:
    assert run(FakeQueue(fifo=True), {"a1": Bury(), "a2": Delete()}) == []


def test_a_standard_queue_has_no_order() -> None:
    assert run(FakeQueue(), {"a1": Retry(7), "a2": Delete()}) == ["a1"]


def test_what_cannot_be_given_back_is_named_all_the_same() -> None:
    assert run(FakeQueue(down=True), {"a1": Retry(7), "a2": Delete()}) == ["a1"]


def test_a_moment_that_has_passed_is_now() -> None:
    called: list[str] = []
    with at(time.monotonic() - 1, lambda: called.append("now")):
        while not called:
            time.sleep(0.01)
    with at(time.monotonic() + 3600, lambda: called.append("never")):
        pass
    assert called == ["now"]
