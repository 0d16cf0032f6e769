"""What becomes of a message after an attempt. Pure: no queue, no clock."""

from __future__ import annotations

import random
from dataclasses import dataclass

from darkroom.errors import (
    ClaimLost,
    DarkroomError,
    FutureMessage,
    FutureRecord,
    Interrupted,
    LeaseLost,
    MessageError,
    NotFound,
    OrderInWork,
    PhotoGone,
    Unavailable,
)
from darkroom.settings import Settings


@dataclass(frozen=True)
class Delete:
    """The message has served: everything it asked for has ended and is written down."""


@dataclass(frozen=True)
class Retry:
    """The message becomes visible again in `delay` seconds. `counts`: whether it was an attempt."""

    delay: int
    counts: bool = True


@dataclass(frozen=True)
class Bury:
    """The message goes to the dead letters, and what it asked for has failed."""


@dataclass(frozen=True)
class Leave:
    """The message is no longer ours: touching it could harm whoever holds it now."""


Verdict = Delete | Retry | Bury | Leave


def judge(error: DarkroomError, attempt: int, tries: int, settings: Settings) -> Verdict:
    """Decide by how the attempt ended, which one it was, and how often it was tried in all, both counted from 1.

    The attempts decide when to give up, the tries how long to wait: an outage of hours uses up no attempt, and
    must not be met with a retry every second either.
    """
    match error:
        case PhotoGone():
            return Delete()
        case ClaimLost() | LeaseLost():
            return Leave()
        case Interrupted():
            return Retry(0, counts=False)
        case Unavailable() | FutureMessage() | FutureRecord() | OrderInWork():
            return Retry(backoff(tries, settings), counts=False)
        case MessageError() | NotFound():  # NotFound: no record says what the message asks for
            return Bury()
        case _ if not error.retryable or attempt >= settings.max_attempts:
            return Bury()
        case _:
            return Retry(backoff(tries, settings))


def backoff(tries: int, settings: Settings) -> int:
    """Capped exponential backoff with full jitter.

    Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015. SQS takes whole seconds.
    """
    ceiling = min(settings.backoff_cap, settings.backoff_base * 2 ** min(tries - 1, 30))
    return round(random.uniform(0, ceiling))  # noqa: S311 - jitter, not a secret


LONGEST_PAUSE = 30.0
"""Seconds between two polls while SQS does not answer."""


def poll_pause(failures: int) -> float:
    """Seconds until a queue is asked again that did not answer so many times in a row."""
    return random.uniform(0.5, 1) * min(LONGEST_PAUSE, 2.0 ** min(failures, 30))  # noqa: S311 - jitter, not a secret
