"""The phases of a connection, which gunicorn_overrides.py describes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from api.http.time_limits import Progress


@dataclass(frozen=True)
class Phase:
    """What the main loop waits for on one connection."""

    name: str
    """head, body, response, listen or linger."""

    events: int
    advance: Callable[[], bool]
    """Read or write what is possible now. Returns whether the phase is over; raises OSError when the caller is gone."""

    progress: Callable[[], Progress]
    then: Callable[[], None]
    expired: Callable[[], None]
