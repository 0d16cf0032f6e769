"""When a watchdog acts."""

from __future__ import annotations

import threading
import time

from worker.watchdog import end_thread, watchdog


def test_a_deadline_that_has_passed_acts_at_once() -> None:
    called: list[str] = []
    with watchdog(time.monotonic() - 1, lambda: called.append("now")):
        while not called:
            time.sleep(0.01)
    assert called == ["now"]


def test_a_deadline_after_the_block_does_nothing() -> None:
    called: list[str] = []
    with watchdog(time.monotonic() + 3600, lambda: called.append("late")):
        pass
    assert called == []


def test_the_next_deadline_acts_first_whatever_was_added_before() -> None:
    called: list[str] = []
    at = time.monotonic()
    with watchdog(at + 3600, lambda: called.append("late")), watchdog(at + 0.01, lambda: called.append("soon")):
        while not called:
            time.sleep(0.01)
    assert called == ["soon"]


def test_the_end_of_the_block_waits_for_an_action_that_runs() -> None:
    """Otherwise it could kill a child that serves the next order."""
    begun, ended, outside = threading.Event(), list[str](), list[str]()

    def act() -> None:
        begun.set()
        time.sleep(0.1)
        ended.append("action")

    with watchdog(time.monotonic(), act):
        begun.wait(30)
    outside += ended
    assert outside == ["action"]


def test_an_action_that_fails_does_not_stop_the_others() -> None:
    called: list[str] = []

    def fail() -> None:
        raise RuntimeError

    at = time.monotonic()
    with watchdog(at, fail), watchdog(at + 0.01, lambda: called.append("next")):
        while not called:
            time.sleep(0.01)
    assert called == ["next"]


def test_the_thread_ends_when_asked_and_the_next_watchdog_starts_it_again() -> None:
    called: list[str] = []
    for _ in range(2):
        with watchdog(time.monotonic() + 3600, lambda: called.append("late")), watchdog(time.monotonic(), lambda: None):
            assert "watchdog" in [thread.name for thread in threading.enumerate()]
        end_thread()
        assert "watchdog" not in [thread.name for thread in threading.enumerate()]
    assert called == []
