"""What becomes of a message after an attempt. These are pure decisions: no queue, no clock."""

from __future__ import annotations

import random
from dataclasses import asdict, dataclass

from darkroom.errors import (
    ClaimLost,
    DarkroomError,
    FutureMessage,
    FutureRecord,
    Interrupted,
    LeaseLost,
    MessageError,
    NotFound,
    OrderInProgress,
    PhotoGone,
    Unavailable,
)
from darkroom.settings import Settings


@dataclass(frozen=True)
class _Verdict:
    def fields(self) -> dict[str, object]:
        """The verdict as the fields of a log line: its name in one word, and its details."""
        return {"verdict": type(self).__name__.lower(), **asdict(self)}


@dataclass(frozen=True)
class Delete(_Verdict):
    """The message is done: everything that it asked for has ended, and the record says so."""


@dataclass(frozen=True)
class Retry(_Verdict):
    """The message becomes visible again in `delay` seconds. `counts`: whether this was an attempt."""

    delay: int
    counts: bool = True


@dataclass(frozen=True)
class Bury(_Verdict):
    """The message goes to the dead-letter queue, and what it asked for has failed."""


@dataclass(frozen=True)
class Leave(_Verdict):
    """This worker no longer holds the message, and must not touch it: another one may hold it."""


Verdict = Delete | Retry | Bury | Leave


def judge(error: DarkroomError, attempt: int, tries: int, settings: Settings) -> Verdict:
    """Decide by the error, the number of the attempt, and the number of the try. Both count from 1.

    The attempts decide when to give up, the tries how long to wait: an outage of hours uses up no attempts, but it
    lengthens the wait.
    """
    match error:
        case PhotoGone():
            return Delete()
        case ClaimLost() | LeaseLost():
            return Leave()
        case Interrupted():
            return Retry(0, counts=False)
        case Unavailable() | FutureMessage() | FutureRecord() | OrderInProgress():
            return Retry(backoff(tries, settings), counts=False)
        case MessageError() | NotFound():  # NotFound: the message asks for something without a record
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
