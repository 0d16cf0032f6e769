"""Pixels without a service around them: Darkroom's code for pixels in one process, beside pyvips and bare Pillow."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping
from typing import Any

from bench.performance import peers
from bench.performance.bench import Bench
from bench.performance.contenders import Contender, Program, WorkerContender, bare_pillow
from bench.performance.cpu_table import cpu_lines
from bench.performance.rounds import Cpu, interleave

LIBRARY = "Darkroom's pixels"
WORKER = "Darkroom"


def measure(bench: Bench) -> dict[str, Any]:
    photo = bench.photo("s7")
    assert photo is not None  # it is made in code where there is no real one
    with contextlib.ExitStack() as stack:
        program = [sys.executable, "-m", "bench.performance.programs.darkroom_library"]
        library = stack.enter_context(Program(LIBRARY, program, bench.directory / "library"))
        worker = stack.enter_context(WorkerContender(WORKER, bench.directory / "library-worker"))
        pillow = stack.enter_context(bare_pillow(bench.directory))
        names = ("pyvips", "sharp") if bench.peers else ()
        others = [stack.enter_context(peers.PEERS[name](bench.directory)) for name in names]
        orders: dict[str, list[Contender]] = {
            "width800": [library, pillow, *others],
            "sepia": [library, worker, pillow],
        }
        found: dict[str, Cpu] = {
            f"{photo.name} {order}": interleave(contenders, photo, order, bench.rounds, bench.times)
            for order, contenders in orders.items()
        }
    return {"rounds": bench.rounds, "times": bench.times, "cpu": found}


def lines(found: Mapping[str, Any]) -> list[str]:
    return cpu_lines(found["cpu"], LIBRARY)
