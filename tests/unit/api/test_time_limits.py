"""A transfer ends after a time, which grows with its bytes, or after a pause."""

from __future__ import annotations

import math
import time

import pytest

from api.http.time_limits import Progress, TimeLimit


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The monotonic time, in its first item."""
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_a_transfer_has_a_time_at_any_size(clock: list[float]) -> None:
    progress = Progress(TimeLimit(seconds=60, pause=3600))
    clock[0] += 59
    progress.add(1_000_000)

    assert progress.expires == 1060


def test_with_a_rate_each_byte_adds_time(clock: list[float]) -> None:
    progress = Progress(TimeLimit(seconds=60, pause=3600, rate=100))
    progress.add(500)
    progress.add(500)

    assert progress.expires == 1070


def test_a_pause_ends_it_earlier(clock: list[float]) -> None:
    progress = Progress(TimeLimit(seconds=3600, pause=10))
    assert progress.expires == 1010

    clock[0] += 9
    progress.add(1)
    assert progress.expires == 1019

    progress.add(0)
    clock[0] += 1
    progress.add(0)
    assert progress.expires == 1019, "only bytes end a pause"


def test_nothing_is_slow_at_its_start(clock: list[float]) -> None:
    progress = Progress(TimeLimit(seconds=60, pause=60))
    progress.add(1000)
    assert progress.speed == math.inf

    clock[0] += 10
    assert progress.speed == 100


def test_a_limit_reads_as_a_sentence() -> None:
    assert str(TimeLimit(10, 2.5)) == "10 seconds in all, with no pause of more than 2.5 seconds"
    assert (
        str(TimeLimit(60, 60, 10_000))
        == "60 seconds in all, and 1 second for each 10,000 bytes, with no pause of more than 60 seconds"
    )
