"""(error, attempt) -> what becomes of the message."""

from __future__ import annotations

import pytest

from darkroom.errors import (
    AttemptsExhausted,
    ClaimLost,
    DarkroomError,
    FutureMessage,
    IngestRefused,
    IngestUnknown,
    Interrupted,
    LeaseLost,
    MessageError,
    NotFound,
    PhotoGone,
    Unavailable,
    UnreadablePhoto,
)
from darkroom.settings import Settings
from worker.verdict import Bury, Delete, Leave, Retry, judge, poll_pause

SETTINGS = Settings(max_attempts=5, backoff_base=2, backoff_cap=60)


@pytest.mark.parametrize(
    ("error", "attempt", "verdict"),
    [
        (PhotoGone(), 1, Delete()),
        (NotFound(), 1, Bury()),
        (ClaimLost(), 1, Leave()),
        (LeaseLost(), 1, Leave()),
        (Interrupted(), 3, Retry(0, counts=False)),
        (MessageError(), 1, Bury()),
        (IngestRefused(), 1, Bury()),
        (IngestUnknown(), 5, Bury()),
        (AttemptsExhausted(), 6, Bury()),
        (UnreadablePhoto(), 1, Bury()),
        (DarkroomError("a bug"), 5, Bury()),
    ],
)
def test_verdicts(error: DarkroomError, attempt: int, verdict: object) -> None:
    assert judge(error, attempt, attempt, SETTINGS) == verdict


@pytest.mark.parametrize("error", [DarkroomError("a bug"), IngestUnknown("there is no preset fresh")])
def test_what_nobody_foresaw_or_knows_yet_is_tried_again_and_counts(error: DarkroomError) -> None:
    verdict = judge(error, 4, 4, SETTINGS)
    assert isinstance(verdict, Retry)
    assert verdict.counts


@pytest.mark.parametrize("error", [Unavailable("S3 is down"), FutureMessage()])
@pytest.mark.parametrize("attempt", [1, 50])
def test_what_is_not_the_photos_fault_never_counts(error: DarkroomError, attempt: int) -> None:
    verdict = judge(error, attempt, attempt, SETTINGS)
    assert isinstance(verdict, Retry)
    assert not verdict.counts


@pytest.mark.parametrize(("tries", "ceiling"), [(1, 2), (2, 4), (4, 16), (6, 60), (5000, 60)])
def test_the_backoff_is_jittered_below_a_ceiling_that_doubles_up_to_a_cap(tries: int, ceiling: int) -> None:
    """Whatever the attempts: in an outage they stay at one."""
    delays = {judge(Unavailable(), 1, tries, SETTINGS).delay for _ in range(500)}  # type: ignore[union-attr]
    assert min(delays) >= 0
    assert max(delays) <= ceiling
    assert len(delays) > 1


@pytest.mark.parametrize(("failures", "longest"), [(1, 2), (3, 8), (5, 30), (5000, 30)])
def test_a_queue_that_does_not_answer_is_asked_again_after_half_a_minute_at_most(failures: int, longest: int) -> None:
    pauses = {poll_pause(failures) for _ in range(500)}
    assert longest / 2 <= min(pauses) < max(pauses) <= longest
