"""Sends what has to be sent before a message is deleted: events, and messages about webhooks.

Ten of them travel in one request. So they wait for each other for a moment, but only while the worker has more work: an
event that nothing follows is sent at once. A message is settled when all that belongs to it is sent. So a worker that
dies in between leaves the message, and its next receive sends the event again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import structlog

from darkroom.aws.queue import BATCH, Received
from darkroom.errors import Unavailable
from darkroom.outbox import Announcement, send_all
from darkroom.settings import Settings
from worker.verdict import Bury, Delete, Verdict, judge

log = structlog.get_logger()

WAIT = 0.25
"""Seconds for which an event waits for others while there is more work."""

MOST_WAITING = 10 * BATCH
"""Announcements that may wait. A worker holds the message of each of them, so while a queue is slow or down, slots wait
until there is room. They take no further messages then."""


def announce_now(verdict: Verdict, received: Received, settings: Settings) -> Verdict:
    """Send at once what belongs to a verdict. Returns the verdict, or a retry if something could not be sent."""
    if isinstance(verdict, Delete | Bury):
        for error in send_all(verdict.announcements).values():
            return not_announced(error, received, settings)
    return verdict


def not_announced(error: Unavailable, received: Received, settings: Settings) -> Verdict:
    """The verdict on a message whose event could not be sent. Its next receive finds the jobs ended and tries again."""
    verdict = judge(error, received.receives, received.receives, settings)
    log.warning("order.not_announced", message=received.id, **verdict.fields(), detail=error.detail)
    return verdict


Done = Callable[[Unavailable | None], None]
"""Called when all announcements of a message are sent, or with the error of one that was not."""


class Announcer:
    """Sends announcements in batches, in its thread. `more_to_come`: whether further ones may follow soon. `sent`: is
    called after each batch."""

    def __init__(self, more_to_come: Callable[[], bool], sent: Callable[[], None] = lambda: None) -> None:
        self._more_to_come = more_to_come
        self._sent = sent
        self._waiting: list[_Waiting] = []
        self._sending = False
        self._closing = False
        self._interrupted = False
        self._changed = threading.Condition()

    def send(self, announcements: Iterable[Announcement], done: Done) -> None:
        """Send soon, and then call `done` in the announcer's thread. Without announcements `done` is called now.

        Waits while MOST_WAITING announcements wait already."""
        to_send = tuple(announcements)
        if not to_send:
            done(None)
            return
        message = _Message(done, unsent=len(to_send))
        with self._changed:
            self._changed.wait_for(lambda: len(self._waiting) < MOST_WAITING or self._interrupted)
            waiting = [_Waiting(one, message, time.monotonic() + WAIT) for one in to_send]
            self._waiting += waiting
            if len(self._waiting) == len(waiting) or self._next_batch():  # the thread knows when the first is due
                self._changed.notify_all()

    @property
    def busy(self) -> bool:
        """Whether it has announcements that are not sent, or messages whose `done` is not called."""
        return bool(self._waiting) or self._sending

    def hurry(self) -> None:
        """Look again whether there is more to come."""
        with self._changed:
            self._changed.notify_all()

    def close(self) -> None:
        """Make `run` send the rest and return."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()

    def interrupt(self) -> None:
        """Send nothing more. What waits, and what comes later, ends with an error."""
        with self._changed:
            self._interrupted = True
            self._changed.notify_all()

    # --- in the thread ------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Send until `close` is called."""
        while True:
            with self._changed:
                while not (batch := self._next_batch()) and not (self._closing and not self._waiting):
                    self._changed.wait(self._until_due())
                self._waiting = self._waiting[len(batch) :]
                self._sending = bool(batch)
                self._changed.notify_all()  # there is room
            if not batch:
                return
            self._send(batch)
            self._sending = False
            self._sent()

    def _next_batch(self) -> list[_Waiting]:
        """What to send now: ten, or all that wait when the first of them has waited long enough or nothing follows."""
        if len(self._waiting) >= BATCH:
            return self._waiting[:BATCH]
        if self._waiting and (self._hurries or self._until_due() == 0 or not self._more_to_come()):
            return self._waiting[:]
        return []

    @property
    def _hurries(self) -> bool:
        return self._closing or self._interrupted

    def _until_due(self) -> float | None:
        return max(0.0, self._waiting[0].until - time.monotonic()) if self._waiting else None

    def _send(self, batch: list[_Waiting]) -> None:
        if self._interrupted:
            failures = dict.fromkeys(range(len(batch)), Unavailable("the worker stopped before it was sent"))
        else:
            failures = send_all([waiting.announcement for waiting in batch])
        for number, waiting in enumerate(batch):
            waiting.message.sent(failures.get(number))


class _Message:
    """A message of the worker, and how many of its announcements are not sent yet."""

    def __init__(self, done: Done, unsent: int) -> None:
        self.unsent = unsent
        self._done = done
        self._error: Unavailable | None = None

    def sent(self, error: Unavailable | None) -> None:
        self.unsent -= 1
        self._error = self._error or error
        if not self.unsent:
            self._done(self._error)


@dataclass(frozen=True)
class _Waiting:
    """An announcement that is not sent yet, its message, and how long it may wait for others."""

    announcement: Announcement
    message: _Message
    until: float
