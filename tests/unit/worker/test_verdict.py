"""Which verdict follows from an error and the number of the attempt."""

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
from worker.verdict import Bury, Delete, Leave, Retry, judge

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
def test_the_verdict_for_each_error(error: DarkroomError, attempt: int, verdict: object) -> None:
    assert judge(error, attempt, attempt, SETTINGS) == verdict


@pytest.mark.parametrize("error", [DarkroomError("a bug"), IngestUnknown("there is no preset fresh")])
def test_an_unexpected_error_or_an_unknown_preset_is_retried_and_counts_as_an_attempt(error: DarkroomError) -> None:
    verdict = judge(error, 4, 4, SETTINGS)
    assert isinstance(verdict, Retry)
    assert verdict.counts


@pytest.mark.parametrize("error", [Unavailable("S3 is down"), FutureMessage()])
@pytest.mark.parametrize("attempt", [1, 50])
def test_an_outage_or_a_newer_message_never_counts_as_an_attempt(error: DarkroomError, attempt: int) -> None:
    verdict = judge(error, attempt, attempt, SETTINGS)
    assert isinstance(verdict, Retry)
    assert not verdict.counts


@pytest.mark.parametrize(("tries", "ceiling"), [(1, 2), (2, 4), (4, 16), (6, 60), (5000, 60)])
def test_the_backoff_has_full_jitter_below_a_ceiling_that_doubles_up_to_a_cap(tries: int, ceiling: int) -> None:
    """The tries count here, not the attempts: during an outage the attempts stay at one."""
    delays = {judge(Unavailable(), 1, tries, SETTINGS).delay for _ in range(500)}  # type: ignore[union-attr]
    assert min(delays) >= 0
    assert max(delays) <= ceiling
    assert len(delays) > 1


def test_a_verdict_is_logged_as_one_word_with_its_details() -> None:
    assert Retry(7).fields() == {"verdict": "retry", "delay": 7, "counts": True}
    assert [verdict.fields() for verdict in (Delete(), Bury(), Leave())] == [
        {"verdict": "delete"},
        {"verdict": "bury"},
        {"verdict": "leave"},
    ]
