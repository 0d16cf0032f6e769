"""Simulated SQS queue and workers: messages wait, are received, held and deleted.

Events use callbacks instead of processes, because a simulated day has a million photos.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from simpy import Environment, Event

from darkroom.capacity import SLOTS_PER_CHILD
from darkroom.settings import Settings

BATCH = 10
"""SQS's limit of messages in one receive."""

SLOTS = SLOTS_PER_CHILD
"""Photos that a worker with one vCPU, and so with one child, handles at a time."""

PREFETCH = float(Settings.model_fields["prefetch"].default)
"""Seconds of work that a worker receives ahead for each child."""


@dataclass(slots=True)
class SimulatedPhoto:
    """One photo's message. Times are in seconds, and NaN until they are known."""

    arrived: float
    cpu: float
    """Seconds on one vCPU."""
    idle: float = 0.0
    """Seconds in which the worker waits for answers of AWS."""
    kind: int = 0
    started: float = math.nan
    done: float = math.nan


class SimulatedQueue:
    """A standard queue. A receive is a long poll: it succeeds with at least one photo."""

    def __init__(self, env: Environment) -> None:
        self._env = env
        self._visible: deque[SimulatedPhoto] = deque()
        self._polls: deque[tuple[Event, int]] = deque()
        self.in_flight = 0
        self.sent = 0

    @property
    def visible(self) -> int:
        return len(self._visible)

    def send(self, photo: SimulatedPhoto) -> None:
        self.sent += 1
        self._visible.append(photo)
        self._answer()

    def receive(self, limit: int) -> Event:
        """An event that succeeds with up to `limit` photos."""
        poll = self._env.event()
        self._polls.append((poll, limit))
        self._answer()
        return poll

    def cancel(self, poll: Event) -> None:
        self._polls = deque(waiting for waiting in self._polls if waiting[0] is not poll)

    def give_back(self, photos: Iterable[SimulatedPhoto]) -> None:
        """Make photos visible again at once."""
        returned = list(photos)
        self.in_flight -= len(returned)
        self._visible.extendleft(reversed(returned))
        self._answer()

    def delete(self, count: int = 1) -> None:
        self.in_flight -= count

    def _answer(self) -> None:
        while self._polls and self._visible:
            poll, limit = self._polls.popleft()
            photos = [self._visible.popleft() for _ in range(min(limit, BATCH, len(self._visible)))]
            self.in_flight += len(photos)
            poll.succeed(photos)


class Vcpu:
    """One vCPU, that is one child process: it works on one photo after the other, while other photos wait for AWS.

    Half of a photo's waiting is before its pixels (claim, download), the other half after them (upload, publication).
    """

    def __init__(self, env: Environment) -> None:
        self._env = env
        self._free_at = 0.0

    def perform(self, photo: SimulatedPhoto) -> Event:
        """Start the work on a photo. Returns the event of its end. Its wait ends when its pixels begin."""
        done = self._env.event()

        def begin(_: Event) -> None:
            photo.started = max(self._env.now, self._free_at)
            self._free_at = photo.started + photo.cpu
            after = self._free_at - self._env.now + photo.idle / 2
            self._env.timeout(after).callbacks.append(end)

        def end(_: Event) -> None:
            done.succeed()

        self._env.timeout(photo.idle / 2).callbacks.append(begin)
        return done


class SimulatedWorker:
    """A worker as in worker/consumer.py with one child: one poller, and `slots` photos at a time. It receives ahead as
    worker/stock.py does: photos with `prefetch` seconds of work.

    `perform` starts the work on a photo and returns the event of its end.
    """

    def __init__(
        self,
        env: Environment,
        queue: SimulatedQueue,
        perform: Callable[[SimulatedPhoto], Event],
        slots: int = SLOTS,
        prefetch: float = PREFETCH,
    ) -> None:
        self.env = env
        self.ended = env.event()
        self._queue = queue
        self._perform = perform
        self._idle_slots = self._slots = slots
        self._prefetch = prefetch
        self._held = 0
        self._held_seconds = 0.0
        self._mean = prefetch
        self._inbox: deque[SimulatedPhoto] = deque()
        self._polling: Event | None = None
        self._stopping = False
        self._poll()

    def stop(self) -> None:
        """As after SIGTERM: receive nothing more, give waiting photos back at once, finish the running ones."""
        self._stopping = True
        if self._polling is not None and not self._polling.triggered:
            self._queue.cancel(self._polling)
        waiting = list(self._inbox)
        self._inbox.clear()
        self._queue.give_back(waiting)
        self._end_if_done()

    def _poll(self) -> None:
        if self._polling is None and not self._stopping and (room := self._room()) > 0:
            self._polling = self._queue.receive(room)
            self._polling.callbacks.append(self._received)

    def _room(self) -> int:
        """How many photos to receive, as `Stock` in worker/stock.py decides it."""
        waiting = self._held_seconds * (self._held - 1) / self._held if self._held else 0.0
        idle = 1 - self._held
        ahead = idle + 1 if self._prefetch else idle
        room = max(ahead, int((self._prefetch - waiting) / self._mean) if self._mean else 0, 0)
        return room if room >= BATCH or idle > 0 or waiting <= self._prefetch / 2 else 0

    def _received(self, poll: Event) -> None:
        photos: list[SimulatedPhoto] = poll.value or []
        self._polling = None
        if self._stopping:
            self._queue.give_back(photos)
            return
        self._held += len(photos)
        self._held_seconds += sum(photo.cpu for photo in photos)
        self._mean = self._held_seconds / self._held
        self._inbox.extend(photos)
        self._start()
        self._poll()

    def _start(self) -> None:
        while self._idle_slots and self._inbox:
            photo = self._inbox.popleft()
            photo.started = self.env.now
            self._idle_slots -= 1
            self._perform(photo).callbacks.append(partial(self._finished, photo))

    def _finished(self, photo: SimulatedPhoto, _: Event) -> None:
        photo.done = self.env.now
        self._held -= 1
        self._held_seconds = self._held_seconds - photo.cpu if self._held else 0.0
        self._idle_slots += 1
        self._queue.delete()
        self._start()
        self._poll()
        self._end_if_done()

    def _end_if_done(self) -> None:
        if self._stopping and self._idle_slots == self._slots and not self.ended.triggered:
            self.ended.succeed()
