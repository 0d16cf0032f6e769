"""`python -m bench.scale`: measure photos, check the simulation against real runs, write docs/scale.md.

`measure` and `calibrate` write their results to docs/scale/*.json. `report` makes the document from these files, so the
same numbers give the same document.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from bench.measured_file import rounded
from bench.scale.prices import Prices
from darkroom.settings import PROJECT

DOCUMENT = PROJECT / "docs" / "scale.md"
FOLDER = PROJECT / "docs" / "scale"


@click.group(help=__doc__)
def main() -> None:
    pass


@main.command()
@click.option("--repetitions", default=5, show_default=True, help="rows of photos of each size and preset")
def measure(repetitions: int) -> None:
    """Measure time, AWS calls and memory of one photo, with the real worker on the embedded emulator."""
    from bench.scale.calls import count_calls
    from bench.scale.measure import measure as measured

    found = measured(repetitions, ["web", "thumbnail"]) | {"calls": count_calls()}
    _keep("measured", found)
    click.echo(json.dumps({key: found[key] for key in ("versions", "worker_start", "peak_memory", "calls")}, indent=1))


@main.command()
@click.option("--photos", default=48, show_default=True, help="in each run")
@click.option("--repetitions", default=4, show_default=True)
@click.option("--workers", default="1,2,4", show_default=True)
@click.option("--containers/--processes", default=None, help="default: containers where Docker works")
def calibrate(photos: int, repetitions: int, workers: str, containers: bool | None) -> None:
    """Do real runs, and simulate the same runs."""
    from bench.scale.calibrate import calibrate as calibrated
    from bench.scale.report import calibration_lines

    found = calibrated(photos, repetitions, [int(count) for count in workers.split(",")], containers)
    _keep("calibration-containers" if "containers" in found["stack"] else "calibration-processes", found)
    click.echo("\n".join(calibration_lines(found)))


@main.command()
@click.option("--arrivals", type=click.Choice(["steady", "burst", "day"]), multiple=True, help="default: all")
def simulate(arrivals: tuple[str, ...]) -> None:
    """Print waits, worker hours and costs of every policy."""
    from bench.scale.report import policy_lines
    from bench.scale.scenarios import World, all_arrivals
    from bench.scale.scenarios import simulate as simulated

    world = World(_kept("measured"), Prices.read())
    for one in all_arrivals():
        if not arrivals or one.name in arrivals:
            click.echo(f"\n{one.described}\n")
            click.echo("\n".join(policy_lines(simulated(world, one))))


@main.command()
def report() -> None:
    """Simulate everything and write docs/scale.md with its charts."""
    from bench.scale.report import write

    calibrations = [_kept(path.stem) for path in sorted(FOLDER.glob("calibration-*.json"))]
    if not calibrations:
        raise click.ClickException("there is no calibration yet: python -m bench.scale calibrate")
    write(DOCUMENT, FOLDER, _kept("measured"), calibrations, Prices.read(), lambda text: click.echo(text, err=True))
    click.echo(f"wrote {DOCUMENT}")


def _keep(name: str, found: dict[str, Any]) -> None:
    FOLDER.mkdir(exist_ok=True)
    Path(FOLDER, f"{name}.json").write_text(json.dumps(rounded(found), indent=1) + "\n")


def _kept(name: str) -> dict[str, Any]:
    path = FOLDER / f"{name}.json"
    if not path.exists():
        raise click.ClickException(f"there is no {path.name} yet: python -m bench.scale measure")
    kept: dict[str, Any] = json.loads(path.read_text())
    return kept


if __name__ == "__main__":
    main()
