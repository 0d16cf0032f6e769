"""CPU of every operation on a photo of 12 megapixels, beside sharp where it has the same."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping
from typing import Any

from bench.performance import peers
from bench.performance.bench import Bench
from bench.performance.contenders import Program
from bench.performance.cpu_table import milliseconds, ratio
from bench.performance.orders import OPERATIONS
from bench.performance.rounds import Cpu, interleave
from bench.performance.tables import head, line

OURS, SHARP, NOTHING = "Darkroom", "sharp", "convert"

MOST_ROUNDS = 3


def measure(bench: Bench) -> dict[str, Any]:
    photo = bench.photo("s7")
    assert photo is not None  # it is made in code where there is no real one
    rounds = min(bench.rounds, MOST_ROUNDS)
    with contextlib.ExitStack() as stack:
        program = [sys.executable, "-m", "bench.performance.programs.darkroom_library"]
        contenders = [stack.enter_context(Program(OURS, program, bench.directory / "operations"))]
        if bench.peers:
            contenders.append(stack.enter_context(peers.sharp(bench.directory)))
        found: dict[str, Cpu] = {name: interleave(contenders, photo, name, rounds, 1) for name in OPERATIONS}
    return {"rounds": rounds, "cpu": found}


def lines(found: Mapping[str, Any]) -> list[str]:
    table = head("operation", "Darkroom, ms", "of it the operation, ms", "sharp, ms", "Darkroom / sharp")
    plain = found["cpu"][NOTHING][OURS]
    for name, cpu in found["cpu"].items():
        ours, sharp = cpu[OURS], cpu.get(SHARP, [])
        extra = [all_of_it - nothing for all_of_it, nothing in zip(ours, plain, strict=True)]
        table.append(
            line(
                name,
                milliseconds(ours),
                milliseconds([] if name == NOTHING else extra),
                milliseconds(sharp),
                ratio(ours, sharp),
            )
        )
    return table
