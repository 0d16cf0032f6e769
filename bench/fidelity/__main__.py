"""Measure how true results are: to the same operations in floating point, and beside sharp.

\b
    .venv/bin/python -m bench.fidelity sizes filters
    .venv/bin/python -m bench.fidelity                     # every measure

MEASURES are names of bench/fidelity/measure_list.py; without any, all of them run.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from pathlib import Path

import click

from bench.fidelity import line_program
from bench.fidelity.fidelity_run import FidelityRun
from bench.fidelity.measure_list import MEASURES
from bench.measured_file import keep
from bench.performance import peers
from bench.performance.inputs import DEFAULT_FOLDER
from bench.performance.run_record import run_record


@click.command(help=__doc__)
@click.argument("measures", nargs=-1, type=click.Choice(list(MEASURES)))
@click.option("--folder", type=click.Path(path_type=Path), default=DEFAULT_FOLDER, help="of real photos")
@click.option("--peers/--no-peers", "with_peers", default=None, help="default: if they are installed")
@click.option("--quick", is_flag=True, help="only a part of the cases, without real photos")
@click.option("--json", "file", type=click.Path(path_type=Path), help="keep what was measured in this file, by measure")
def main(measures: tuple[str, ...], folder: Path, with_peers: bool | None, quick: bool, file: Path | None) -> None:
    if with_peers and not peers.installed():
        raise click.ClickException("the peers are not installed: make bench-peers")
    use_peers = peers.installed() if with_peers is None else with_peers
    if not use_peers:
        click.echo("Without sharp and SSIMULACRA2: `make bench-peers` installs them.")
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="darkroom-fidelity-")))
        sharp = stack.enter_context(line_program.sharp()) if use_peers else None
        scores = stack.enter_context(line_program.ssimulacra2()) if use_peers else None
        versions = {**(sharp.versions if sharp else {}), **(scores.versions if scores else {})}
        run = FidelityRun(directory, folder, sharp, scores, quick)
        for name in measures or MEASURES:
            began, load = time.monotonic(), os.getloadavg()[0]
            found = MEASURES[name].measure(run)
            found["run"] = run_record(1, time.monotonic() - began, load)
            found["run"]["peers"] = versions
            click.echo("\n".join(["", f"## {MEASURES[name].described}", "", *MEASURES[name].lines(found)]))
            if file:
                keep(file, {name: found}, MEASURES)


if __name__ == "__main__":
    main()
