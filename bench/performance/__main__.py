"""Measure what Darkroom costs, beside peers. In each measure all contenders take turns, round by round.

\b
    .venv/bin/python -m bench.performance worker --photos s7 --rounds 5
    .venv/bin/python -m bench.performance                     # every measure

MEASURES are names of bench/performance/registry.py; without any, all of them run.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from bench.measured_file import keep
from bench.performance import goals, peers
from bench.performance.bench import Bench
from bench.performance.inputs import DEFAULT_FOLDER, SOURCES
from bench.performance.registry import MEASURES
from bench.performance.run_record import missing_packages, run_record


@click.command(help=__doc__)
@click.argument("measures", nargs=-1, type=click.Choice(list(MEASURES)))
@click.option("--photos", default="", metavar="NAMES", help=f"of {', '.join(SOURCES)}; default: all of a measure")
@click.option("--rounds", default=5, show_default=True)
@click.option("--times", default=3, show_default=True, help="orders of each contender in a round")
@click.option("--folder", type=click.Path(path_type=Path), default=DEFAULT_FOLDER, help="of real photos")
@click.option("--peers/--no-peers", "with_peers", default=None, help="default: if they are installed")
@click.option("--against", type=click.Path(path_type=Path, exists=True), help="another checkout, with its own .venv")
@click.option("--json", "file", type=click.Path(path_type=Path), help="keep what was measured in this file, by measure")
def main(
    measures: tuple[str, ...],
    photos: str,
    rounds: int,
    times: int,
    folder: Path,
    with_peers: bool | None,
    against: Path | None,
    file: Path | None,
) -> None:
    if missing := missing_packages():
        raise click.ClickException(
            f"{', '.join(missing)}: not installed in this environment, though pyproject.toml requires it. "
            "Remove .venv, and run `make bench` again"
        )
    if with_peers and not peers.installed():
        raise click.ClickException("the peers are not installed: make bench-peers")
    if file and photos:
        _refuse_to_mix(file, measures or tuple(MEASURES))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the processes of a measure are stopped
    found: dict[str, Any] = {}
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
            began, load = time.monotonic(), os.getloadavg()[0]
            found[name] = MEASURES[name].measure(bench)
            found[name]["run"] = run_record(rounds, time.monotonic() - began, load)
            click.echo("\n".join(["", f"## {MEASURES[name].described}", "", *MEASURES[name].lines(found[name])]))
            if file:
                keep(file, {name: found[name]}, MEASURES)
    click.echo("\n".join(["", "## Goals", "", *goals.lines(found)]))


def _refuse_to_mix(file: Path, measures: Iterable[str]) -> None:
    """A run of some photos would replace the figures of all photos, or mix figures of two runs."""
    kept = json.loads(file.read_text()) if file.exists() else {}
    if again := [name for name in measures if name in kept]:
        raise click.ClickException(
            f"{file} holds figures of {', '.join(again)}, and figures of some photos would replace those of all: leave "
            "out --photos, leave out --json, or give --json a new file"
        )


if __name__ == "__main__":
    main()
