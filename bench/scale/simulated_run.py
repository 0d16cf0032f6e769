"""One simulated run: photos arrive, workers process them."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field

from simpy import Environment, Event

from bench.scale.arrival_rates import Arrivals
from bench.scale.lambdas import LambdaFunction, Pollers
from bench.scale.policies import Policy
from bench.scale.simulated_fleet import SimulatedFleet
from bench.scale.simulated_queue import SLOTS, SimulatedPhoto, SimulatedQueue, SimulatedWorker, Vcpu

Demand = Callable[[random.Random], tuple[float, float]]
"""Draws a photo's seconds of CPU, and of waiting for AWS."""

DRAIN = 6 * 3600.0
"""Seconds after the last arrival; what still waits then counts as never done."""


@dataclass
class SimulatedRun:
    policy: str
    arrived: int
    photos: list[SimulatedPhoto]
    worker_seconds: float
    peak: int
    invocations: int = 0
    cold_starts: int = 0
    timeline: list[tuple[float, int, int]] = field(default_factory=list)
    """Time, waiting messages, workers."""

    @property
    def done(self) -> int:
        return sum(not math.isnan(photo.done) for photo in self.photos)

    @property
    def waits(self) -> list[float]:
        return sorted(photo.started - photo.arrived for photo in self.photos if not math.isnan(photo.started))

    @property
    def late(self) -> float:
        """Share of photos that waited longer than five minutes: the sweep sends these again."""
        waits = self.waits
        return sum(wait > 300 for wait in waits) / max(1, len(waits))


def quantile(ordered: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of all values does not exceed."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else math.nan


def run_workers(
    arrivals: Arrivals,
    policy: Policy,
    demand: Demand,
    seed: int,
    delay: Callable[[random.Random], float],
    slots: int = SLOTS,
) -> SimulatedRun:
    """Simulate containers, each with its own vCPU."""
    env, chance = Environment(), random.Random(f"{seed}-workers")
    queue = SimulatedQueue(env)

    def start() -> SimulatedWorker:
        return SimulatedWorker(env, queue, Vcpu(env).perform, slots, policy.prefetch)

    fleet = SimulatedFleet(env, start, lambda: delay(chance))
    fleet.scale_to(policy.begin, at_once=True)
    if control := policy.control(env, queue, fleet, chance):
        env.process(control)
    photos, timeline = _drive(env, queue, arrivals, demand, seed, lambda: fleet.running)
    return SimulatedRun(policy.name, len(photos), photos, fleet.seconds(minimum=60), fleet.peak, timeline=timeline)


def run_lambda(arrivals: Arrivals, function: LambdaFunction, demand: Demand, seed: int) -> SimulatedRun:
    """Simulate Lambda; `worker_seconds` are the billed seconds."""
    env = Environment()
    queue = SimulatedQueue(env)
    pollers = Pollers(env, queue, function)
    photos, timeline = _drive(env, queue, arrivals, demand, seed, lambda: pollers.running)
    return SimulatedRun(
        f"Lambda: at most {function.most}",
        len(photos),
        photos,
        pollers.billed,
        pollers.peak,
        pollers.invocations,
        pollers.cold_starts,
        timeline,
    )


def _drive(
    env: Environment, queue: SimulatedQueue, arrivals: Arrivals, demand: Demand, seed: int, workers: Callable[[], int]
) -> tuple[list[SimulatedPhoto], list[tuple[float, int, int]]]:
    """Send the arriving photos and run until all are done. Every policy gets the same photos at the same times."""
    when, what = random.Random(f"{seed}-when"), random.Random(f"{seed}-what")
    photos: list[SimulatedPhoto] = []
    timeline: list[tuple[float, int, int]] = []

    def send() -> Generator[Event]:
        for at in arrivals.times(when):
            yield env.timeout(at - env.now)
            photo = SimulatedPhoto(env.now, *demand(what))
            photos.append(photo)
            queue.send(photo)

    def watch() -> Generator[Event]:
        while True:
            timeline.append((env.now, queue.visible, workers()))
            yield env.timeout(max(5.0, arrivals.seconds / 720))

    env.process(send())
    env.process(watch())
    env.run(until=arrivals.seconds)
    while (queue.visible or queue.in_flight) and env.now < arrivals.seconds + DRAIN:
        env.run(until=env.now + 10)
    return photos, timeline
