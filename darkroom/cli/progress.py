"""How far the upload of a large file is: bytes and rate, to standard error."""

from __future__ import annotations

import time

from darkroom.cli.terminal import say

EVERY = 2.0
"""Seconds between two lines about one file."""

MIB = 1024 * 1024


class UploadProgress:
    """Gets the bytes that have arrived: at the start, and after each part."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._begun: tuple[float, int] | None = None
        self._said = 0.0

    def __call__(self, sent: int, size: int) -> None:
        at = time.monotonic()
        if self._begun is None:
            self._begun = at, sent
            if sent:
                say(f"{self._name}: goes on after {sent / MIB:,.0f} of {size / MIB:,.0f} MiB", err=True)
            return
        if at - self._said < EVERY and sent < size:
            return
        self._said = at
        started, before = self._begun
        rate = (sent - before) / MIB / max(at - started, 0.001)
        say(f"{self._name}: {sent / MIB:,.0f} of {size / MIB:,.0f} MiB, {rate:,.1f} MiB/s", err=True)
