"""Simulated workers that start and stop: a start takes time, a stop loses no photo, and both are billed."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass

from simpy import Environment, Event

from bench.scale.simulated_queue import SimulatedWorker


@dataclass
class _Place:
    """One worker's time, from the decision to start it until it has ended."""

    since: float
    worker: SimulatedWorker | None = None
    until: float | None = None


class SimulatedFleet:
    """`delay`: seconds from the decision to start a worker until it polls. They are billed, because Fargate bills from
    the start of the image's download.
    """

    def __init__(self, env: Environment, make: Callable[[], SimulatedWorker], delay: Callable[[], float]) -> None:
        self._env = env
        self._make = make
        self._delay = delay
        self._wanted: list[_Place] = []
        self._all: list[_Place] = []
        self.peak = 0

    @property
    def desired(self) -> int:
        return len(self._wanted)

    @property
    def running(self) -> int:
        return sum(place.worker is not None for place in self._wanted)

    def scale_to(self, count: int, at_once: bool = False) -> None:
        while len(self._wanted) < count:
            place = _Place(self._env.now)
            self._wanted.append(place)
            self._all.append(place)
            if at_once:
                place.worker = self._make()
            else:
                self._env.process(self._start(place))
        while len(self._wanted) > max(0, count):
            self._stop(self._wanted.pop())
        self.peak = max(self.peak, len(self._wanted))

    def seconds(self, minimum: float = 0.0) -> float:
        """Billed seconds of all workers so far; each counts for at least `minimum`."""
        return sum(max(minimum, (p.until if p.until is not None else self._env.now) - p.since) for p in self._all)

    def _start(self, place: _Place) -> Generator[Event]:
        yield self._env.timeout(self._delay())
        if place.until is None:
            place.worker = self._make()

    def _stop(self, place: _Place) -> None:
        worker = place.worker
        if worker is None:
            place.until = self._env.now
            return
        worker.ended.callbacks.append(lambda _: setattr(place, "until", self._env.now))
        worker.stop()
