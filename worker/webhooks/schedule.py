"""What becomes of a webhook after an attempt to deliver it. Pure: no network, no clock."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from darkroom.errors import DeliveryFailed
from worker.webhooks.transport import Answer

SCHEDULE = (0, 5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""Seconds to wait before each attempt, the first one included: three days in all.

Source: the schedule that the Standard Webhooks specification recommends.
"""

JITTER = 0.1
"""Every wait is longer by up to this share of it, so that what failed together does not come back together."""

LONGEST_WAIT = 86_400
"""Seconds. A receiver that asks us to come back later than this is visited then."""


@dataclass(frozen=True)
class Delivered:
    """The receiver has it."""


@dataclass(frozen=True)
class Again:
    """It is tried again in so many seconds."""

    delay: float
    error: str


@dataclass(frozen=True)
class GivenUp:
    """It is not tried again."""

    error: str


Sequel = Delivered | Again | GivenUp


def judge_delivery(outcome: Answer | DeliveryFailed, attempt: int, now: datetime) -> Sequel:
    """Decide by what came of an attempt, and which one it was, counted from 1.

    A Retry-After only ever makes the wait longer, so that a receiver that always asks for another second
    does not use up its attempts within a minute.
    """
    if isinstance(outcome, Answer) and 200 <= outcome.status < 300:
        return Delivered()
    error = outcome.detail if isinstance(outcome, DeliveryFailed) else _told(outcome.status)
    if isinstance(outcome, Answer) and outcome.status == HTTPStatus.GONE:
        return GivenUp(error)
    if attempt >= len(SCHEDULE):
        return GivenUp(f"given up after {attempt} attempts: {error}")
    wanted = retry_after(outcome.retry_after, now) if isinstance(outcome, Answer) else 0
    delay = max(SCHEDULE[attempt], wanted)
    return Again(delay * random.uniform(1, 1 + JITTER), error)  # noqa: S311 - jitter, not a secret


def retry_after(value: str | None, now: datetime) -> float:
    """The seconds that a Retry-After asks for, in either of its forms; 0 when it is none."""
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return float(min(int(text[:9]), LONGEST_WAIT))
    try:
        at = parsedate_to_datetime(text)
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        return min(max(0.0, (at - now).total_seconds()), LONGEST_WAIT)
    except (ValueError, OverflowError):
        return 0


def _told(status: int) -> str:
    """What the receiver answered, in words."""
    try:
        phrase = f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        phrase = str(status)
    more = "; redirects are not followed" if 300 <= status < 400 else ""
    return f"the receiver answered {phrase}{more}"
