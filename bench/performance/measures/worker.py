"""CPU of the whole worker for one order, beside the peers."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from bench.performance.bench import Bench
from bench.performance.cpu_table import cpu_lines
from bench.performance.lineup import OURS, lineup
from bench.performance.rounds import Cpu, interleave

PHOTOS = ("s7", "oppo", "leica", "progressive", "png", "heic")

SMALL_TIMES = 10
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
    table = cpu_lines(found["cpu"], OURS)
    if found["made_in_code"]:
        table += ["", f"Photos made in code, because the real ones are missing: {', '.join(found['made_in_code'])}."]
    return table
