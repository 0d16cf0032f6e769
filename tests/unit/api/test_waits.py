from __future__ import annotations

from collections.abc import Callable

import pytest

from api.waits import Waits
from darkroom.jobs.job_types import MetadataJob
from darkroom.record.clock import now
from darkroom.record.ids import new_id
from darkroom.record.photo import PhotoRecord


def photo(ended: bool) -> PhotoRecord:
    record = PhotoRecord(id=new_id(), owner="default", created_at=now())
    record.add_order([MetadataJob()], resend_after=60)
    if ended:
        record.cancel()
    return record


def reader(*answers: bool) -> Callable[[], PhotoRecord]:
    """Returns photos that have ended or not, by `answers`; repeats the last one."""
    left = list(answers)
    return lambda: photo(left.pop(0) if len(left) > 1 else left[0])


@pytest.mark.parametrize(
    ("threads", "share", "limit"), [(16, 0.5, 8), (16, 1.0, 15), (16, 0.0, 0), (2, 0.5, 1), (2, 0.4, 0)]
)
def test_a_share_of_the_threads_may_wait_but_never_all(threads: int, share: float, limit: int) -> None:
    assert Waits(threads, share).limit == limit


def test_a_wait_reads_until_the_jobs_have_ended_with_growing_pauses() -> None:
    pauses: list[float] = []

    found, waited = Waits(16, 0.5).until_ended(reader(*[False] * 12, True), 60, pauses.append)

    assert waited
    assert not found.unfinished
    assert pauses[0] == 0.05
    assert pauses == sorted(pauses)
    assert max(pauses) == 1.0


def test_a_wait_ends_when_the_time_is_over() -> None:
    found, waited = Waits(16, 0.5).until_ended(reader(False), 0.01)

    assert waited
    assert found.unfinished


def test_without_a_wait_the_photo_is_read_once() -> None:
    found, waited = Waits(16, 0.0).until_ended(reader(False, True), 0)

    assert waited
    assert found.unfinished


def test_a_wait_beyond_the_limit_is_refused_until_a_place_is_free() -> None:
    waits = Waits(2, 0.5)
    second: list[bool] = []

    def other(_: float) -> None:
        second.append(waits.until_ended(reader(False), 60)[1])

    waits.until_ended(reader(False, True), 60, sleep=other)

    assert second == [False]
    assert waits.until_ended(reader(False, True), 60, sleep=lambda _: None)[1]


def test_a_read_that_fails_frees_the_place() -> None:
    waits = Waits(2, 0.5)
    answers = [photo(ended=False)]
    with pytest.raises(IndexError):
        waits.until_ended(lambda: answers.pop(), 60, sleep=lambda _: None)

    assert waits.until_ended(reader(False, True), 60, sleep=lambda _: None)[1]


def test_a_stop_ends_the_wait() -> None:
    waits = Waits(2, 0.5)
    waits.stopping = lambda: True

    assert waits.until_ended(reader(False), 60)[0].unfinished
