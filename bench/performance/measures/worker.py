"""CPU of the whole worker for one order, beside the peers."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from bench.performance.bench import Bench
from bench.performance.lineup import OURS, lineup
from bench.performance.rounds import Cpu, interleave
from bench.performance.spread import Spread
from bench.performance.tables import head, line

PHOTOS = ("s7", "oppo", "leica", "progressive", "png", "heic")

SMALL_TIMES = 4
"""Orders of the small photo for each one of a large photo: each takes little time, so more are needed."""


def measure(bench: Bench) -> dict[str, Any]:
    with contextlib.ExitStack() as stack:
        contenders = [stack.enter_context(contender) for contender in lineup(bench)]
        found: dict[str, Cpu] = {}
        made = [photo.name for photo in bench.photos((*PHOTOS, "small")) if photo.made]
        for photo in bench.photos(PHOTOS):
            found[f"{photo.name} mixed"] = interleave(contenders, photo, "mixed", bench.rounds, bench.times)
        for photo in bench.photos(("small",)):
            found["small web"] = interleave(contenders, photo, "web", bench.rounds, SMALL_TIMES * bench.times)
        versions = {contender.name: contender.versions for contender in contenders}
    return {"versions": versions, "rounds": bench.rounds, "times": bench.times, "made_in_code": made, "cpu": found}


def lines(found: Mapping[str, Any]) -> list[str]:
    """Medians over the rounds in ms with lowest and highest, then the medians of the ratios of each round."""
    names = list(dict.fromkeys(name for cpu in found["cpu"].values() for name in cpu))
    table = head("photo and order", *(f"{name}, ms" for name in names))
    for what, cpu in found["cpu"].items():
        table.append(line(what, *(_milliseconds(cpu.get(name, [])) for name in names)))
    table += ["", *head(f"{OURS} /", *(name for name in names if name != OURS))]
    for what, cpu in found["cpu"].items():
        table.append(line(what, *(_ratio(cpu[OURS], cpu.get(name, [])) for name in names if name != OURS)))
    if found["made_in_code"]:
        table += ["", f"Photos made in code, because the real ones are missing: {', '.join(found['made_in_code'])}."]
    return table


def _milliseconds(values: list[float]) -> str:
    return f"{Spread.of([1000 * value for value in values]):.0f}" if values else "-"


def _ratio(ours: list[float], others: list[float]) -> str:
    return f"{Spread.of_ratios(ours, others):.2f}" if others else "-"
