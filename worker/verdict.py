"""What becomes of a message after an attempt. These are pure decisions: no queue, no clock."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, fields

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
from darkroom.outbox import Announcement
from darkroom.settings import Settings


@dataclass(frozen=True)
class _Verdict:
    def fields(self) -> dict[str, object]:
        """The verdict as the fields of a log line: its name in one word, and its details."""
        details = {one.name: getattr(self, one.name) for one in fields(self) if one.repr}
        return {"verdict": type(self).__name__.lower(), **details}


@dataclass(frozen=True)
class Delete(_Verdict):
    """The message is done: all its jobs have ended, and the record says so. `announcements`: what has to be sent before
    the message is deleted."""

    announcements: tuple[Announcement, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class Retry(_Verdict):
    """The message becomes visible again in `delay` seconds. `counts`: whether this was an attempt."""

    delay: int
    counts: bool = True


@dataclass(frozen=True)
class Bury(_Verdict):
    """The message goes to the dead-letter queue, and its jobs have failed. `announcements`: as of Delete."""

    announcements: tuple[Announcement, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class Leave(_Verdict):
    """This worker no longer holds the message, and must not change it: another worker may hold it."""


Verdict = Delete | Retry | Bury | Leave


def judge(error: DarkroomError, counted_attempts: int, all_attempts: int, settings: Settings) -> Verdict:
    """Decide what becomes of a message after an attempt that failed with `error`. Both numbers include this attempt.

    `counted_attempts` decide when to give up, `all_attempts` how long to wait: an outage of hours uses up no attempts,
    but it lengthens the wait.
    """
    match error:
        case PhotoGone():
            return Delete()
        case ClaimLost() | LeaseLost():
            return Leave()
        case Interrupted():
            return Retry(0, counts=False)
        case Unavailable() | FutureMessage() | FutureRecord() | OrderInProgress():
            return Retry(backoff(all_attempts, settings), counts=False)
        case MessageError() | NotFound():  # NotFound: the message names a photo that has no record
            return Bury()
        case _ if not error.retryable or counted_attempts >= settings.max_attempts:
            return Bury()
        case _:
            return Retry(backoff(all_attempts, settings))


def backoff(attempts: int, settings: Settings) -> int:
    """Whole seconds to wait after so many attempts: capped exponential backoff with full jitter.

    Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015. SQS takes whole seconds.
    """
    ceiling = min(settings.backoff_cap, settings.backoff_base * 2 ** min(attempts - 1, 30))
    return round(random.uniform(0, ceiling))  # noqa: S311 - jitter, not a secret
