"""Names of modules and classes are unique, or docs/architecture.md gives the reason why they are not."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import pytest

from darkroom.settings import PROJECT

ROOMS = ("api", "worker", "darkroom", "bench")

FILES = [path for room in ROOMS for path in sorted((PROJECT / room).rglob("*.py")) if path.name != "__init__.py"]

TESTS = sorted((PROJECT / "tests").rglob("*.py"))

SECTION = (
    (PROJECT / "docs/architecture.md").read_text().partition("\n## Names that stand twice\n")[2].partition("\n## ")[0]
)
WITH_A_REASON = set(re.findall(r"^- `(\w+)`: ", SECTION, re.MULTILINE))

LONGEST = 400


SPECS, FUNCTIONS = PROJECT / "darkroom/jobs/steps", PROJECT / "worker/photo/operations"
"""A family of steps has its specs and its functions in files of the same name."""


def has_its_specs(path: Path) -> bool:
    return path.is_relative_to(FUNCTIONS) and (SPECS / path.relative_to(FUNCTIONS)).exists()


def named_twice(names: Iterable[tuple[str, Path]]) -> dict[str, list[str]]:
    places = defaultdict(list)
    for name, path in names:
        places[name].append(str(path.relative_to(PROJECT)))
    return {name: found for name, found in places.items() if len(found) > 1}


MODULES = named_twice((path.stem, path) for path in FILES if not has_its_specs(path))

CLASSES = named_twice(
    (node.name, path)
    for path in FILES
    for node in ast.parse(path.read_text()).body
    if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
)


def test_no_two_modules_have_one_name_without_a_reason() -> None:
    assert {name: places for name, places in MODULES.items() if name not in WITH_A_REASON} == {}


def test_no_two_classes_have_one_name_without_a_reason() -> None:
    assert {name: places for name, places in CLASSES.items() if name not in WITH_A_REASON} == {}


def test_every_reason_is_for_a_name_that_stands_twice() -> None:
    assert WITH_A_REASON - MODULES.keys() - CLASSES.keys() == set()


@pytest.mark.parametrize("path", [*FILES, *TESTS, PROJECT / ".ci/run"], ids=lambda path: str(path.relative_to(PROJECT)))
def test_no_file_is_longer_than_400_lines(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= LONGEST
