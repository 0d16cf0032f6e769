"""Simulated Lambda with SQS as its event source: how its pollers scale, and what an invocation does.

Source, looked up in 2026: AWS Lambda's guide, "Configuring scaling behavior for SQS event source mappings": five
batches at a time at first, up to 300 more a minute while messages wait, at most 1,250.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

from simpy import Environment, Event

from bench.scale.simulated_queue import SimulatedPhoto, SimulatedQueue

FULL_CPU = 1769
"""MB of memory with which a function has one vCPU. CPU is proportional to memory."""

FIRST_BATCHES = 5
MORE_A_SECOND = 300 / 60
MOST_BATCHES = 1250
WARM = 600.0
"""Seconds for which Lambda keeps an idle environment. AWS promises nothing; some minutes are usual."""


@dataclass(frozen=True)
class LambdaFunction:
    """`start_cpu`, `start_idle`: seconds of CPU, and of waiting, until a new environment starts to work."""

    memory: int
    most: int = 1000
    batch: int = 1
    start_cpu: float = 1.0
    start_idle: float = 1.0

    @property
    def share(self) -> float:
        """Share of one vCPU, at most 1: one thread processes a photo, so it cannot use a second vCPU."""
        return min(1.0, self.memory / FULL_CPU)

    def seconds(self, photo: SimulatedPhoto) -> float:
        return photo.cpu / self.share + photo.idle

    @property
    def start(self) -> float:
        return self.start_cpu / self.share + self.start_idle


class Pollers:
    """Receive batches while fewer than the limit are in progress, and invoke the function for each."""

    def __init__(self, env: Environment, queue: SimulatedQueue, function: LambdaFunction) -> None:
        self._env = env
        self._queue = queue
        self._function = function
        self._cap = min(function.most, MOST_BATCHES)
        self._limit = float(min(FIRST_BATCHES, self._cap))
        self._active = 0
        self._polling = 0
        self._warm: list[float] = []
        """When each idle environment last worked."""
        self.invocations = self.cold_starts = self.peak = 0
        self.billed = 0.0
        env.process(self._scale())
        self._poll()

    @property
    def running(self) -> int:
        return self._active

    def _scale(self) -> Generator[Event]:
        quiet = 0
        while True:
            yield self._env.timeout(1)
            quiet = 0 if self._queue.visible else quiet + 1
            if not quiet:
                self._limit = min(self._cap, self._limit + MORE_A_SECOND)
            elif quiet > 60:
                self._limit = max(min(FIRST_BATCHES, self._cap), self._active)
            self._poll()

    def _poll(self) -> None:
        while self._active + self._polling < int(self._limit):
            self._polling += 1
            self._queue.receive(self._function.batch).callbacks.append(self._received)

    def _received(self, poll: Event) -> None:
        self._polling -= 1
        self._active += 1
        self.peak = max(self.peak, self._active)
        self._env.process(self._invoke(poll.value or []))

    def _invoke(self, photos: list[SimulatedPhoto]) -> Generator[Event]:
        self.invocations += 1
        began = self._env.now
        if self._warm and self._warm[-1] >= began - WARM:
            self._warm.pop()
        else:
            self._warm.clear()  # the others are older than the newest
            self.cold_starts += 1
            yield self._env.timeout(self._function.start)
        for photo in photos:
            photo.started = self._env.now
            yield self._env.timeout(self._function.seconds(photo))
            photo.done = self._env.now
        self._queue.delete(len(photos))
        self.billed += self._env.now - began
        self._active -= 1
        self._warm.append(self._env.now)
        self._poll()
