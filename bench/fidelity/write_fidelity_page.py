"""`python -m bench.fidelity.write_fidelity_page`: docs/fidelity.md from what was measured."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.fidelity.measure_list import MEASURES
from bench.performance.tables import head, line
from darkroom.settings import PROJECT

DOCUMENT = PROJECT / "docs" / "fidelity.md"
MEASURED = PROJECT / "docs" / "fidelity" / "measured.json"
TEMPLATE = Path(__file__).parent / "document.md"


def document(found: Mapping[str, Any]) -> str:
    """The text of docs/fidelity.md. `found`: measure -> its JSON."""
    sections = [_section(name, found[name]) for name in MEASURES if name in found]
    return TEMPLATE.read_text().format(
        measures="\n\n".join(sections), runs="\n".join(_runs(found)), versions="\n".join(_versions(found))
    )


def _section(name: str, one: Mapping[str, Any]) -> str:
    measure = MEASURES[name]
    return "\n\n".join([f"## {measure.described}", measure.explained, "\n".join(measure.lines(one))])


def _runs(found: Mapping[str, Any]) -> list[str]:
    table = head("measure", "date", "commit", "seconds")
    for name, one in found.items():
        run = one["run"]
        table.append(line(f"`{name}`", run["date"], run["commit"], str(run["seconds"])))
    return table


def _versions(found: Mapping[str, Any]) -> list[str]:
    table = head("program", "version")
    runs = [one["run"] for one in found.values()]
    versions = {name: version for run in runs for name, version in (run["versions"] | run["peers"]).items()}
    return table + [line(name, version) for name, version in versions.items()]


def main() -> None:
    DOCUMENT.write_text(document(json.loads(MEASURED.read_text())))
    print(f"wrote {DOCUMENT}")


if __name__ == "__main__":
    main()
