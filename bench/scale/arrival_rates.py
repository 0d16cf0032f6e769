"""When photos arrive: at a steady rate, in a burst, or over a day. A seed fixes all times."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

DAY = 86_400.0


@dataclass(frozen=True)
class Arrivals:
    """Poisson arrivals with a rate that changes over time."""

    name: str
    seconds: float
    rate: Callable[[float], float]
    highest: float
    described: str

    def times(self, chance: random.Random) -> Iterator[float]:
        """Arrival times by thinning: candidates at the highest rate, each kept with probability rate / highest."""
        at = 0.0
        while (at := at + chance.expovariate(self.highest)) < self.seconds:
            if chance.random() * self.highest < self.rate(at):
                yield at


def steady(rate: float, seconds: float) -> Arrivals:
    return Arrivals("steady", seconds, lambda _: rate, rate, f"{rate:g} photos/s for {seconds / 60:g} minutes")


def burst(rate: float, factor: float, begin: float, length: float, seconds: float) -> Arrivals:
    def at(time: float) -> float:
        return rate * factor if begin <= time < begin + length else rate

    described = f"{rate:g} photos/s, and {factor:g} times that for {length / 60:g} minutes; {seconds / 60:g} in all"
    return Arrivals("burst", seconds, at, rate * factor, described)


def day(photos: float, swing: float = 0.8) -> Arrivals:
    """A sine over 24 hours: with a swing of 0.8 the busiest hour has nine times the photos of the quietest."""
    mean = photos / DAY

    def at(time: float) -> float:
        return mean * (1 - swing * math.cos(2 * math.pi * time / DAY))

    return Arrivals("day", DAY, at, mean * (1 + swing), f"{photos:,.0f} photos in the curve of a day")
