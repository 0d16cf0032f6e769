"""Waiting for what other processes do."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE = 240.0
"""Seconds until a test that waits fails. The limit only ends a hanging test; no test measures time with it."""


def wait_until(what: str, look: Callable[[], T | None]) -> T:
    """Call `look` until it returns a true value, and return it. Fails after PATIENCE seconds."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if seen := look():
            return seen
        time.sleep(0.05)
    raise AssertionError(f"waited {PATIENCE:g} s until {what}, which did not happen")
