"""A watchdog: it acts when a deadline passes while the guarded work still runs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def watchdog(deadline: float, action: Callable[[], None]) -> Iterator[None]:
    """Call `action` in another thread at `deadline`, on the monotonic clock, unless the block has ended before."""
    timer = threading.Timer(max(0.0, deadline - time.monotonic()), action)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
