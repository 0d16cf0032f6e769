"""Liveness: `python -m worker.health` exits 0 while the worker's pollers are running, or the worker drains."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

ALIVE = Path(tempfile.gettempdir(), f"darkroom-worker-{os.getuid()}-alive")

OLDEST = 120.0
"""Seconds. One round of a poller takes at most 110 s: a long poll of up to 20 s, the client's timeout of up to 60 s if
SQS does not answer, and then a pause of up to 30 s."""


def touch() -> None:
    """Record that the worker is alive. Its pollers call this in each round, and so does the drain."""
    ALIVE.touch()


def main() -> int:
    try:
        age = time.time() - ALIVE.stat().st_mtime
    except FileNotFoundError:
        print("the worker has not polled yet", file=sys.stderr)
        return 1
    if age > OLDEST:
        print(f"the worker last polled {age:.0f} s ago", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
