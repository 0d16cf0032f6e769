"""Which contenders take part in a run."""

from __future__ import annotations

from bench.performance import peers
from bench.performance.bench import Bench
from bench.performance.contenders import Contender, WorkerContender, bare_pillow

OURS = "Darkroom"
BEFORE = "Darkroom before"


def workers(bench: Bench) -> list[Contender]:
    """This checkout's worker, and that of the other checkout, if there is one."""
    found: list[Contender] = [WorkerContender(OURS, bench.directory / "ours")]
    if bench.against is not None:
        found.append(WorkerContender(BEFORE, bench.directory / "against", bench.against))
    return found


def lineup(bench: Bench) -> list[Contender]:
    """The workers first, then bare Pillow and the peers that are installed."""
    installed = peers.PEERS.values() if bench.peers else ()
    return [*workers(bench), bare_pillow(bench.directory), *(start(bench.directory) for start in installed)]
