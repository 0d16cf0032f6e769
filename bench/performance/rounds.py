"""Rounds in which all contenders take turns, so that what slows the machine down for a while meets them all."""

from __future__ import annotations

from collections.abc import Sequence

from bench.performance.contenders import CannotDoIt, Contender
from bench.performance.inputs import Photo

Cpu = dict[str, list[float]]
"""Contender -> mean CPU seconds of an order, one value for each round; empty if the contender cannot do it."""


def interleave(contenders: Sequence[Contender], photo: Photo, order: str, rounds: int, times: int) -> Cpu:
    """One round to warm up, which is not counted, and then `rounds` rounds of `times` orders for each contender."""
    able = []
    for contender in contenders:
        try:
            contender.run(photo, order, 1)
        except CannotDoIt:
            continue
        able.append(contender)
    cpu: Cpu = {contender.name: [] for contender in contenders}
    for turn in range(rounds):
        first = turn % len(able)
        for contender in able[first:] + able[:first]:
            cpu[contender.name].append(contender.run(photo, order, times))
    return cpu
