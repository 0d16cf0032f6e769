"""Long polling: receive messages while the worker has capacity for them, and pause while SQS does not answer."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator

import structlog

from darkroom.aws.queue import BATCH, Queue, Received
from darkroom.errors import Unavailable

log = structlog.get_logger()

LONGEST_PAUSE = 30.0
"""Seconds between two polls while SQS does not answer."""


class Poller:
    """Receives from one queue. `wait`: the seconds of a long poll; `visibility`: the seconds for which the messages
    stay hidden from others."""

    def __init__(self, queue: Queue, wait: int, visibility: int, stopping: threading.Event) -> None:
        self._queue = queue
        self._wait = wait
        self._visibility = visibility
        self._stopping = stopping

    def receive(self, wait_for_capacity: Callable[[], int]) -> Iterator[list[Received]]:
        """The messages of one poll after another, until the worker stops. The last ones may come after the stop.

        Each round first calls `wait_for_capacity`, which may wait a little. It returns how many messages to receive at
        most; if there are none, the next round follows at once.
        """
        failures = 0
        while not self._stopping.is_set():
            limit = min(wait_for_capacity(), BATCH)
            if limit <= 0:
                continue
            try:
                messages = self._queue.receive(limit, self._wait, self._visibility)
            except Unavailable as error:
                failures += 1
                pause = poll_pause(failures)
                log.warning("queue.unavailable", queue=self._queue.name, detail=error.detail, pause=round(pause, 1))
                self._stopping.wait(pause)
            else:
                failures = 0
                yield messages


def poll_pause(failures: int) -> float:
    """Seconds before the next poll of a queue that did not answer the last `failures` polls."""
    return random.uniform(0.5, 1) * min(LONGEST_PAUSE, 2.0 ** min(failures, 30))  # noqa: S311 - jitter, not a secret
