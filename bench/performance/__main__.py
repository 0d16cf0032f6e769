"""Measure what Darkroom costs, beside peers, in one run: all contenders take turns, round by round.

\b
    .venv/bin/python -m bench.performance worker --photos s7 --rounds 5
    .venv/bin/python -m bench.performance                     # every measure

MEASURES are names of bench/performance/registry.py; without any, all of them run.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import click

from bench.performance import peers
from bench.performance.bench import Bench
from bench.performance.photos import DEFAULT_FOLDER, SOURCES
from bench.performance.registry import MEASURES


@click.command(help=__doc__)
@click.argument("measures", nargs=-1, type=click.Choice(list(MEASURES)))
@click.option("--photos", default="", metavar="NAMES", help=f"of {', '.join(SOURCES)}; default: all of a measure")
@click.option("--rounds", default=5, show_default=True)
@click.option("--times", default=5, show_default=True, help="orders of each contender in a round")
@click.option("--folder", type=click.Path(path_type=Path), default=DEFAULT_FOLDER, help="of real photos")
@click.option("--peers/--no-peers", "with_peers", default=None, help="default: if they are installed")
@click.option("--against", type=click.Path(path_type=Path, exists=True), help="another checkout, with its own .venv")
def main(
    measures: tuple[str, ...],
    photos: str,
    rounds: int,
    times: int,
    folder: Path,
    with_peers: bool | None,
    against: Path | None,
) -> None:
    if with_peers and not peers.installed():
        raise click.ClickException("the peers are not installed: make bench-peers")
    with tempfile.TemporaryDirectory(prefix="darkroom-bench-") as directory:
        bench = Bench(
            directory=Path(directory),
            folder=folder,
            rounds=rounds,
            times=times,
            chosen=tuple(name for name in photos.split(",") if name),
            peers=peers.installed() if with_peers is None else with_peers,
            against=against and against.absolute(),
        )
        for name in measures or MEASURES:
            found = MEASURES[name].measure(bench)
            click.echo("\n".join(["", f"## {MEASURES[name].described}", "", *MEASURES[name].lines(found)]))
            click.echo(json.dumps(found.get("versions", {})))


if __name__ == "__main__":
    main()
