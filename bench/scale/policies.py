"""Scaling policies of AWS and Kubernetes, with their delays: how many workers run at a time.

Sources, read in 2026: the user guides of Application Auto Scaling (target tracking: an alarm needs 3 minutes above the
target, or 15 minutes below nine tenths of it; a scale-in waits for its cool-down) and of Amazon SQS (metrics arrive
once a minute, and counts lag by up to a minute), KEDA's aws-sqs-queue scaler, and Kubernetes' HorizontalPodAutoscaler
with the numbers of deploy/kubernetes.
"""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Generator
from dataclasses import dataclass
from typing import Protocol

from simpy import Environment, Event

from bench.scale.simulated_fleet import SimulatedFleet
from bench.scale.simulated_queue import PREFETCH, SimulatedQueue

MINUTE = 60.0


class Policy(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def begin(self) -> int:
        """Number of workers at the start."""

    @property
    def prefetch(self) -> float:
        """Seconds of work that each worker receives ahead."""

    def control(
        self, env: Environment, queue: SimulatedQueue, fleet: SimulatedFleet, chance: random.Random, /
    ) -> Generator[Event] | None: ...


@dataclass(frozen=True)
class Fixed:
    begin: int
    prefetch: float = PREFETCH

    @property
    def name(self) -> str:
        return f"fixed, {self.begin} workers" + ("" if self.prefetch == PREFETCH else f", {self.prefetch:g} s ahead")

    def control(self, _: Environment, __: SimulatedQueue, ___: SimulatedFleet, ____: random.Random) -> None:
        return None


@dataclass(frozen=True)
class TargetTracking:
    """ECS keeps the visible messages for each running worker near a target, which may stand for seconds of work."""

    name: str
    target: float
    begin: int = 2
    least: int = 2
    most: int = 1000
    out_after: int = 3
    in_after: int = 15
    out_cooldown: float = 60.0
    in_cooldown: float = 300.0
    in_factor: float = 0.75
    prefetch: float = PREFETCH

    def control(
        self, env: Environment, queue: SimulatedQueue, fleet: SimulatedFleet, chance: random.Random
    ) -> Generator[Event]:
        above = below = 0
        last_out = last_in = -math.inf
        lag = 0.0
        while True:
            yield env.timeout(MINUTE - lag)
            backlog, metric = queue.visible, queue.visible / max(1, fleet.running)
            lag = chance.uniform(0, MINUTE)  # CloudWatch reports it that much later
            yield env.timeout(lag)
            above = above + 1 if metric > self.target else 0
            below = below + 1 if metric < 0.9 * self.target else 0
            wanted = min(self.most, max(self.least, math.ceil(backlog / self.target)))
            if above >= self.out_after and env.now - last_out >= self.out_cooldown:
                if wanted > fleet.desired:
                    fleet.scale_to(wanted)
                    last_out = env.now
            elif below >= self.in_after and env.now - max(last_in, last_out) >= self.in_cooldown:
                # In small steps: with a short backlog the metric does not show how many workers are needed.
                fleet.scale_to(max(self.least, wanted, math.floor(fleet.desired * self.in_factor)))
                last_in = env.now


@dataclass(frozen=True)
class Keda:
    """Kubernetes runs one worker for `per_worker` messages, including those in flight (HorizontalPodAutoscaler)."""

    name: str
    per_worker: float
    begin: int = 2
    least: int = 2
    most: int = 1000
    period: float = 30.0
    stabilization: float = 300.0
    prefetch: float = PREFETCH

    def control(
        self, env: Environment, queue: SimulatedQueue, fleet: SimulatedFleet, chance: random.Random
    ) -> Generator[Event]:
        counts: deque[int] = deque(maxlen=2)  # of the last minute
        wishes: deque[tuple[float, int]] = deque()
        sizes: deque[int] = deque([self.begin], maxlen=2)
        while True:
            yield env.timeout(self.period)
            counts.append(queue.visible + queue.in_flight)
            wanted = math.ceil(chance.choice(counts) / self.per_worker)
            wishes.append((env.now, min(self.most, max(self.least, wanted))))
            while wishes[0][0] < env.now - self.stabilization:
                wishes.popleft()
            up, down, minute_ago = wishes[-1][1], max(wish for _, wish in wishes), sizes[0]
            if up > fleet.desired:  # in a minute at most twice as many, or four more
                fleet.scale_to(min(up, max(fleet.desired, 2 * minute_ago, minute_ago + 4)))
            elif down < fleet.desired:  # and at most half of them fewer
                fleet.scale_to(max(down, min(fleet.desired, math.ceil(minute_ago / 2))))
            sizes.append(fleet.desired)
