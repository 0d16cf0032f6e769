"""Medians and spread of measured values."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Spread:
    """The median, lowest and highest of one value for each round."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        return cls(statistics.median(values), min(values), max(values))

    @classmethod
    def of_ratios(cls, values: Sequence[float], others: Sequence[float]) -> Spread:
        """Of `values` / `others`, round by round: what slows a whole round down changes no ratio."""
        return cls.of([value / other for value, other in zip(values, others, strict=True)])

    def as_json(self) -> dict[str, float]:
        return asdict(self)

    def __format__(self, spec: str) -> str:
        return f"{self.median:{spec}} ({self.low:{spec}} to {self.high:{spec}})"
