"""bench/gallery: the page shows every operation, and its jobs work."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from bench.gallery.__main__ import picture_of
from bench.gallery.examples import FOLDER, SECTIONS, Example
from darkroom.jobs.step_types import FILTERS, STEP_TYPES

EXAMPLES = [example for section in SECTIONS.values() for example in section]
PAGE = (FOLDER / "README.md").read_text()


def steps_of_example(example: Example) -> Iterator[Any]:
    yield from example.job["steps"] if example.job["type"] == "pipeline" else [example.job]


def test_every_step_and_every_filter_is_shown() -> None:
    steps = [step for example in EXAMPLES for step in steps_of_example(example)]
    assert STEP_TYPES.keys() - {step["type"] for step in steps} == set()
    assert FILTERS.keys() - {step.get("filter") for step in steps} == set()


def test_titles_are_unique() -> None:
    assert len({example.file for example in EXAMPLES}) == len(EXAMPLES)


def test_the_page_has_every_example_with_its_job_and_its_picture() -> None:
    shown = dict(re.findall(r"^### (.+)\n\n!\[\]\((pictures/.+)\)", PAGE, re.MULTILINE))
    assert list(shown) == [example.title for example in EXAMPLES]
    jobs = [json.loads(text) for text in re.findall(r"```json\n(.+)\n```", PAGE)]
    assert jobs == [example.job for example in EXAMPLES]
    pictures = {f"pictures/{path.name}" for path in (FOLDER / "pictures").iterdir()}
    assert pictures == set(shown.values())


def test_beside_a_picture_whose_job_says_how_it_is_written_stands_its_size() -> None:
    told = re.findall(r"!\[\]\((pictures/.+)\)\n\n([\d,]+) bytes\n", PAGE)
    assert len(told) == sum("output" in example.job for example in EXAMPLES)
    assert all((FOLDER / name).stat().st_size == int(size.replace(",", "")) for name, size in told)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.title)
def test_the_job_of_an_example_makes_its_picture(example: Example) -> None:
    name, data = picture_of(example)
    assert (FOLDER / "pictures" / name).exists(), "run `make gallery`"
    assert data
