"""What becomes of a webhook after an attempt to deliver it. These are pure decisions: no network, no clock."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from darkroom.errors import DeliveryFailed
from darkroom.status_phrases import with_phrase
from worker.webhooks.transport import WebhookResponse

SCHEDULE = (0, 5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""Seconds to wait before each attempt, including the first: three days in all.

Source: the schedule that the Standard Webhooks specification recommends.
"""

JITTER = 0.1
"""Each wait is longer by up to this share, so that deliveries that failed together do not come back together."""

LONGEST_WAIT = 86_400
"""Seconds. The limit for the Retry-After of a receiver."""


@dataclass(frozen=True)
class Delivered:
    """The receiver has accepted it."""


@dataclass(frozen=True)
class TryAgain:
    """The next attempt is in `delay` seconds."""

    delay: float
    error: str


@dataclass(frozen=True)
class GivenUp:
    """There is no further attempt."""

    error: str


DeliveryVerdict = Delivered | TryAgain | GivenUp


def judge_delivery(outcome: WebhookResponse | DeliveryFailed, attempt: int, now: datetime) -> DeliveryVerdict:
    """Decide by the outcome of an attempt and its number, counted from 1.

    A Retry-After can only lengthen the wait: otherwise a receiver that always asks for one second would use up all
    attempts within a minute.
    """
    if isinstance(outcome, WebhookResponse) and 200 <= outcome.status < 300:
        return Delivered()
    error = outcome.detail if isinstance(outcome, DeliveryFailed) else _described(outcome.status)
    if isinstance(outcome, WebhookResponse) and outcome.status == HTTPStatus.GONE:
        return GivenUp(error)
    if attempt >= len(SCHEDULE):
        return GivenUp(f"given up after {attempt} attempts: {error}")
    wanted = retry_after(outcome.retry_after, now) if isinstance(outcome, WebhookResponse) else 0
    delay = max(SCHEDULE[attempt], wanted)
    return TryAgain(delay * random.uniform(1, 1 + JITTER), error)  # noqa: S311 - jitter, not a secret


def retry_after(value: str | None, now: datetime) -> float:
    """The seconds that a Retry-After asks for, in either of its two forms; 0 if it is not valid."""
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return float(min(int(text[:9]), LONGEST_WAIT))
    try:
        at = parsedate_to_datetime(text)
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        return min(max(0.0, (at - now).total_seconds()), LONGEST_WAIT)
    except (ValueError, OverflowError):
        return 0


def _described(status: int) -> str:
    """The receiver's answer in words."""
    more = "; redirects are not followed" if 300 <= status < 400 else ""
    return f"the receiver answered {with_phrase(status)}{more}"
