"""FidelityMeasure how true results are: to the same operations in floating point, and beside sharp.

\b
    .venv/bin/python -m bench.fidelity sizes filters
    .venv/bin/python -m bench.fidelity                     # every measure

MEASURES are names of bench/fidelity/measure_list.py; without any, all of them run.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import click

from bench.fidelity import line_program
from bench.fidelity.fidelity_run import FidelityRun
from bench.fidelity.measure_list import MEASURES
from bench.performance import peers
from bench.performance.inputs import DEFAULT_FOLDER
from bench.performance.run_record import run_record
from bench.rounded import rounded


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
                _keep(file, name, found)


def _keep(file: Path, name: str, found: dict[str, Any]) -> None:
    """Replace this measure in the file, and leave the others."""
    kept = json.loads(file.read_text()) if file.exists() else {}
    kept[name] = rounded(found)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({name: kept[name] for name in MEASURES if name in kept}, indent=1) + "\n")


if __name__ == "__main__":
    main()
