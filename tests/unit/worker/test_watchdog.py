"""When a watchdog acts."""

from __future__ import annotations

import time

from worker.watchdog import watchdog


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
