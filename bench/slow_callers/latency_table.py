"""What the benchmark prints: percentiles, the table, and which goals hold. Pure functions."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

UPLOAD_GOAL = 2.0
"""Seconds within which 99 of 100 uploads of the good client must end, under each wave."""

HEALTH_GOAL = 1.0
"""The same for `/healthz`."""


@dataclass(frozen=True)
class Sample:
    """One request of the good client."""

    seconds: float
    outcome: str
    """The status of the answer, or what the client met in place of an answer."""


@dataclass(frozen=True)
class Measured:
    """What the good client saw on a quiet API or under one wave."""

    wave: str
    addresses: int
    """From which the attackers called; 0 on a quiet API."""
    uploads: Sequence[Sample]
    probes: Sequence[Sample]
    """Requests for `/healthz`."""
    load: float
    """Load average of the machine at the end."""
    attackers: Counter[str] = field(default_factory=Counter)
    """What the attackers met, such as `answer 429`, and how often."""
    reads: Mapping[str, float] = field(default_factory=dict)
    """Requests a minute that read DynamoDB for the callers, by operation."""
    tracebacks: int = 0
    """In the log of the API."""


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least `percent` of all values do not exceed (nearest rank)."""
    return sorted(values)[max(1, math.ceil(len(values) * percent / 100)) - 1]


def failures(samples: Sequence[Sample], expected: str) -> Counter[str]:
    return Counter(sample.outcome for sample in samples if sample.outcome != expected)


def goal_missed(measured: Measured) -> list[str]:
    """Why the goals do not hold; empty when they hold."""
    faults = []
    for name, samples, expected, goal in (
        ("uploads", measured.uploads, "202", UPLOAD_GOAL),
        ("/healthz", measured.probes, "200", HEALTH_GOAL),
    ):
        if failed := failures(samples, expected):
            faults.append(f"{name}: {_listed(failed)}, of {len(samples)} requests")
        if samples and (slow := percentile([sample.seconds for sample in samples], 99)) >= goal:
            faults.append(f"{name}: p99 {slow:.2f} s, the goal is below {goal:g} s")
    if measured.tracebacks:
        faults.append(f"{measured.tracebacks} tracebacks in the API's log")
    return faults


def unexpected_failures(measured: Measured) -> list[str]:
    """Failed requests of the good client, answers 500 to attackers, and tracebacks in the API's log."""
    faults = [*failures(measured.uploads, "202"), *failures(measured.probes, "200")]
    return faults + [met for met in measured.attackers if met == "answer 500"] + ["traceback"] * measured.tracebacks


HEAD = (
    f"{'':42}{'uploads, seconds':^36}  {'/healthz, seconds':^29}\n"
    f"{'wave':32}{'addresses':>10}{'p50':>7}{'p99':>7}{'max':>7}{'x quiet':>9}{'failed':>8}"
    f"{'p99':>8}{'max':>7}{'x quiet':>9}{'failed':>8}{'load':>7}"
)

LEGEND = """\
x quiet: this p99 divided by the p99 of the same API without attackers.
failed: requests of the good client that did not get the expected status.
load: the machine's load average over the last minute, at the end of the wave.
attackers: what they met, and how often, such as `40 x answer 200` (status 200) or `40 x connection` (opened)."""


def row(measured: Measured, quiet: Measured) -> str:
    """A line of the table. `x quiet`: this p99 as a multiple of the quiet API's."""
    uploads = _cells(measured.uploads, quiet.uploads, "202", (50, 99))
    probes = _cells(measured.probes, quiet.probes, "200", (99,))
    addresses = str(measured.addresses or "-")
    return f"{measured.wave:32}{addresses:>10}{uploads} {probes}{measured.load:7.1f}"


def details(measured: Measured) -> list[str]:
    """Lines below the table: what the attackers met, and whether the goals hold."""
    name = measured.wave + (f", {measured.addresses} addresses" if measured.addresses > 1 else "")
    faults = goal_missed(measured)
    lines = [f"{name}: {'DOES NOT HOLD: ' + '; '.join(faults) if faults else 'holds'}"]
    if measured.attackers:
        lines.append(f"    attackers: {_listed(measured.attackers)}")
    if measured.reads:
        callers = measured.attackers["connection"] or 1
        each = ", ".join(f"{count:.0f} {name} ({count / callers:.2f})" for name, count in measured.reads.items())
        lines.append(f"    DynamoDB, requests a minute (for each of {callers} connections): {each}")
    return lines


def _cells(samples: Sequence[Sample], quiet: Sequence[Sample], expected: str, percents: Sequence[float]) -> str:
    if not samples:
        return "".join(f"{'-':>7}" for _ in percents) + f"{'-':>7}{'-':>9}{'-':>8}"
    seconds = [sample.seconds for sample in samples]
    cells = [f"{percentile(seconds, percent):7.3f}" for percent in percents] + [f"{max(seconds):7.3f}"]
    ratio = percentile(seconds, 99) / percentile([sample.seconds for sample in quiet], 99)
    return "".join(cells) + f"{ratio:9.1f}{sum(failures(samples, expected).values()):8}"


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{count} x {what}" for what, count in sorted(counts.items()))
