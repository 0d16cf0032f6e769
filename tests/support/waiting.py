"""Waiting for what other processes do."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE = 120.0
"""Seconds until a test stops waiting for what should come soon. It ends a hanging test and says nothing of speed."""


def wait_until(what: str, look: Callable[[], T | None]) -> T:
    """Look again and again until there is something true to see."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if seen := look():
            return seen
        time.sleep(0.05)
    raise AssertionError(f"waited {PATIENCE:g} s in vain until {what}")
