"""A watchdog: it acts when a deadline passes while the guarded work still runs.

One thread serves all watchdogs of the process. A thread for each of them would cost more than a small order's own work.
"""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable
from types import TracebackType

import structlog

log = structlog.get_logger()


class watchdog:  # noqa: N801 - it is used like a function
    """Call `action` in another thread at `deadline`, on the monotonic clock, unless the block has ended before."""

    def __init__(self, deadline: float, action: Callable[[], None]) -> None:
        self._deadline = deadline
        self._action: Callable[[], None] | None = action
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        _watch.add(self._deadline, self)

    def __exit__(self, kind: object, error: BaseException | None, trace: TracebackType | None) -> None:
        with self._lock:  # wait for the end of an action that runs
            self._action = None

    def act(self) -> None:
        with self._lock:
            if self._action:
                self._action()


class _Watch:
    """The watchdogs by their deadlines. A watchdog whose block has ended stays until its deadline: then the thread need
    not wake up for the next one, which has a later deadline."""

    def __init__(self) -> None:
        self._watchdogs: list[tuple[float, int, watchdog]] = []
        self._number = itertools.count()
        self._thread: threading.Thread | None = None
        self._changed = threading.Condition()

    def add(self, deadline: float, added: watchdog) -> None:
        with self._changed:
            heapq.heappush(self._watchdogs, (deadline, next(self._number), added))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)
                self._thread.start()
            elif self._watchdogs[0][2] is added:
                self._changed.notify()

    def end_thread(self) -> None:
        with self._changed:
            thread, self._thread = self._thread, None
            self._watchdogs.clear()
            self._changed.notify()
        if thread:
            thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                while self._is_this_thread and not self._is_due():
                    self._changed.wait(self._watchdogs[0][0] - time.monotonic() if self._watchdogs else None)
                if not self._is_this_thread:
                    return
                _, _, due = heapq.heappop(self._watchdogs)
            try:
                due.act()
            except Exception:
                log.exception("watchdog.unexpected_error")

    @property
    def _is_this_thread(self) -> bool:
        return self._thread is threading.current_thread()

    def _is_due(self) -> bool:
        return bool(self._watchdogs) and self._watchdogs[0][0] <= time.monotonic()


_watch = _Watch()


def end_thread() -> None:
    """End the thread of the watchdogs, when the blocks of all have ended. The next watchdog starts it again."""
    _watch.end_thread()
