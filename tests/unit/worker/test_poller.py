"""When a queue is polled, and what happens while it does not answer."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from darkroom.aws.queue import BATCH, Received
from darkroom.errors import Unavailable
from worker import poller
from worker.poller import Poller, poll_pause

MESSAGE = Received(id="a", receipt_handle="a", body="", group=None, receives=1)


class ScriptedQueue:
    """Answers each receive with the next of its answers, then stops the worker."""

    name = "photos"

    def __init__(self, stopping: threading.Event, *answers: list[Received] | Exception) -> None:
        self._stopping = stopping
        self._answers = list(answers)
        self.asked: list[tuple[int, int, int]] = []

    def receive(self, limit: int, wait: int, visibility: int) -> list[Received]:
        self.asked.append((limit, wait, visibility))
        answer = self._answers.pop(0)
        if not self._answers:
            self._stopping.set()
        if isinstance(answer, Exception):
            raise answer
        return answer


def test_it_asks_for_as_many_as_there_is_room_for_and_for_ten_at_most() -> None:
    stopping, rooms = threading.Event(), iter([0, 3, 0, 25])
    queue: Any = ScriptedQueue(stopping, [MESSAGE], [])
    received = list(Poller(queue, wait=20, visibility=60, stopping=stopping).receive(lambda: next(rooms)))
    assert received == [[MESSAGE], []], "messages that come after the stop are handed out, too"
    assert queue.asked == [(3, 20, 60), (BATCH, 20, 60)]


def test_a_queue_that_does_not_answer_is_polled_again_after_a_pause_that_grows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    failures: list[int] = []
    monkeypatch.setattr(poller, "poll_pause", lambda failed: failures.append(failed) or 0.0)
    stopping, down = threading.Event(), Unavailable("SQS is down")
    queue: Any = ScriptedQueue(stopping, down, down, [MESSAGE], down, [])
    assert list(Poller(queue, 20, 60, stopping).receive(lambda: 1)) == [[MESSAGE], []]
    assert failures == [1, 2, 1]


@pytest.mark.parametrize(("failures", "longest"), [(1, 2), (3, 8), (5, 30), (5000, 30)])
def test_the_pause_doubles_up_to_half_a_minute(failures: int, longest: int) -> None:
    pauses = {poll_pause(failures) for _ in range(500)}
    assert longest / 2 <= min(pauses) < max(pauses) <= longest
