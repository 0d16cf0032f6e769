"""Tables of CPU time by contender."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.performance.spread import Spread
from bench.performance.tables import head, line


def cpu_lines(found: Mapping[str, Mapping[str, Sequence[float]]], ours: str) -> list[str]:
    """Medians over the rounds in ms with lowest and highest, then the ratios of `ours` to each, round by round.

    `found`: photo and order -> contender -> CPU seconds of one order, for each round.
    """
    names = list(dict.fromkeys(name for cpu in found.values() for name in cpu))
    others = [name for name in names if name != ours]
    table = head("photo and order", *(f"{name}, ms" for name in names))
    for what, cpu in found.items():
        table.append(line(what, *(milliseconds(cpu.get(name, [])) for name in names)))
    table += ["", *head(f"{ours} /", *others)]
    for what, cpu in found.items():
        table.append(line(what, *(ratio(cpu[ours], cpu.get(name, [])) for name in others)))
    return table


def milliseconds(values: Sequence[float]) -> str:
    """The median of CPU seconds in ms with lowest and highest; a dash if there are none."""
    return f"{Spread.of([1000 * value for value in values]):.0f}" if values else "-"


def ratio(ours: Sequence[float], others: Sequence[float]) -> str:
    """That of each round; a dash if the others have none."""
    return f"{Spread.of_ratios(ours, others):.2f}" if others else "-"
