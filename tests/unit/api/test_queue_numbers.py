"""The numbers of the queue: one request counts, and the others do not wait for AWS."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from unittest.mock import Mock

import pytest

from api import queue_numbers
from api.context import Context
from api.queue_numbers import QueueCounter, QueueNumbers
from darkroom.errors import Unavailable
from darkroom.record.clock import now

EMPTY = QueueNumbers(0, 0, 0, None, 0.0, None, 0, now())


def always_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_numbers, "FRESH", -1.0)


def test_numbers_are_counted_once_while_they_are_fresh() -> None:
    count = Mock(return_value=EMPTY)
    counter = QueueCounter(count)
    assert [counter.numbers() for _ in range(3)] == [EMPTY] * 3
    assert count.call_count == 1


def test_a_slow_count_holds_up_no_other_request(monkeypatch: pytest.MonkeyPatch) -> None:
    always_old(monkeypatch)
    counts, going_on, may_end = [EMPTY, replace(EMPTY, waiting=7)], threading.Event(), threading.Event()

    def count() -> QueueNumbers:
        numbers = counts.pop(0)
        if numbers.waiting:
            going_on.set()
            assert may_end.wait(60)
        return numbers

    counter = QueueCounter(count)
    assert counter.numbers() == EMPTY
    with ThreadPoolExecutor(1) as threads:
        slow = threads.submit(counter.numbers)
        assert going_on.wait(60)
        assert [counter.numbers() for _ in range(5)] == [EMPTY] * 5
        may_end.set()
        assert slow.result().waiting == 7


def test_the_first_requests_do_not_wait_for_each_other() -> None:
    both = threading.Barrier(2, timeout=60)

    def count() -> QueueNumbers:
        both.wait()
        return EMPTY

    counter = QueueCounter(count)
    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(lambda _: counter.numbers(), range(2))) == [EMPTY] * 2


def test_after_a_count_that_fails_the_next_request_counts_again(monkeypatch: pytest.MonkeyPatch) -> None:
    always_old(monkeypatch)
    counter = QueueCounter(Mock(side_effect=[EMPTY, Unavailable("AWS does not answer"), replace(EMPTY, waiting=3)]))
    assert counter.numbers() == EMPTY
    with pytest.raises(Unavailable):
        counter.numbers()
    assert counter.numbers().waiting == 3


def test_each_app_has_numbers_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[object] = []
    monkeypatch.setattr("api.context.count_queue", lambda services: counted.append(services) or EMPTY)
    apps = [Context(settings=Mock(), services=Mock(), presets=Mock(), waits=Mock()) for _ in range(2)]
    for app in apps * 2:
        assert app.queue_counter.numbers() == EMPTY
    assert counted == [app.services for app in apps]
