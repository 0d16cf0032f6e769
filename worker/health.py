"""Liveness: `python -m worker.health` exits 0 while the worker's pollers go round, or it drains."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

ALIVE = Path(tempfile.gettempdir(), f"darkroom-worker-{os.getuid()}-alive")

OLDEST = 120.0
"""Seconds. A round takes a poll of 20 s and, while SQS does not answer, the client's timeout of up to 60 s and a pause
of 30 s."""


def touch() -> None:
    """Say that the worker goes on: the poller in each round, or the drain."""
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
