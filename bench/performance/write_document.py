"""`python -m bench.performance.write_document`: docs/performance.md and its charts from what was measured."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.performance import cpu_charts, goals
from bench.performance.inputs import SOURCES
from bench.performance.registry import MEASURES
from bench.performance.run_record import DIRTY, UNKNOWN
from bench.performance.tables import head, line
from darkroom.settings import PROJECT

DOCUMENT = PROJECT / "docs" / "performance.md"
FOLDER = PROJECT / "docs" / "performance"
MEASURED = FOLDER / "measured.json"
TEMPLATE = Path(__file__).parent / "document.md"

CHARTS = {
    "worker": "![CPU of an order by photo and contender](performance/cpu.svg)",
    "quality": "![Quality against CPU by photo and contender](performance/quality.svg)",
}


def document(found: Mapping[str, Any]) -> str:
    """The text of docs/performance.md. `found`: measure -> its JSON."""
    sections = [_section(name, found[name]) for name in MEASURES if name in found]
    return TEMPLATE.read_text().format(
        warnings="\n".join(_warnings(found)), goals="\n".join(goals.lines(found)),
        measures="\n\n".join(sections), runs="\n".join(_runs(found)),
        photos="\n".join(_photos()), versions="\n".join(_versions(found)),
    )  # fmt: skip


def _warnings(found: Mapping[str, Any]) -> list[str]:
    """What makes the figures less trustworthy, one line each."""
    runs = {name: one["run"] for name, one in found.items()}
    commits = sorted({run["commit"].removesuffix(DIRTY) for run in runs.values()})
    reasons = {
        "Files differed from the commit when they were measured": [
            name for name, run in runs.items() if run["commit"].endswith((DIRTY, UNKNOWN))
        ],
        "Measured in one round only, so without a range": [name for name, run in runs.items() if run["rounds"] == 1],
        f"Measured with different commits ({', '.join(commits)})": list(runs) if len(commits) > 1 else [],
        "Not measured": [name for name in MEASURES if name not in found],
    }
    return [
        f"**{reason}:** {', '.join(f'`{name}`' for name in names)}.\n" for reason, names in reasons.items() if names
    ]


def draw(found: Mapping[str, Any], folder: Path) -> None:
    if "worker" not in found:
        return
    cpu = found["worker"]["cpu"]
    used = cpu_charts.colours(list(dict.fromkeys(name for by_name in cpu.values() for name in by_name)))
    cpu_charts.cpu(folder / "cpu.svg", cpu, used)
    if "quality" in found:
        cpu_charts.quality(folder / "quality.svg", cpu, found["quality"]["pictures"], used)


def _section(name: str, one: Mapping[str, Any]) -> str:
    measure = MEASURES[name]
    parts = [f"## {measure.described}", measure.explained, "\n".join(measure.lines(one))]
    return "\n\n".join(part for part in (*parts, CHARTS.get(name, "")) if part)


def _runs(found: Mapping[str, Any]) -> list[str]:
    table = head("measure", "date", "commit", "rounds", "seconds", "load before", "machine")
    for name, one in found.items():
        run = one["run"]
        cells = [run["date"], run["commit"], run["rounds"], run["seconds"], run["load_before"], run["machine"]]
        table.append(line(f"`{name}`", *map(str, cells)))
    return table


def _versions(found: Mapping[str, Any]) -> list[str]:
    table = head("contender", "versions")
    ours = next(iter(found.values()))["run"]["versions"]
    others = found.get("worker", {}).get("versions", {})
    for name, versions in ({"Darkroom": ours} | others).items():
        if versions:
            table.append(line(name, ", ".join(f"{package} {version}" for package, version in versions.items())))
    return table


def _photos() -> list[str]:
    return [*head("name", "photo"), *(line(f"`{name}`", source.described) for name, source in SOURCES.items())]


def main() -> None:
    found = json.loads(MEASURED.read_text())
    draw(found, FOLDER)
    DOCUMENT.write_text(document(found))
    print(f"wrote {DOCUMENT}")


if __name__ == "__main__":
    main()
