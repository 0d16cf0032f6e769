"""The messages of faults name what would be right."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from pydantic import ValidationError

from darkroom.jobs.faults import MOST_SUGGESTIONS, faults_of
from darkroom.jobs.job_types import jobs_adapter


def detail(text: str) -> str:
    """The only message about these jobs."""
    with pytest.raises(ValidationError) as caught:
        jobs_adapter.validate_json(text)
    (fault,) = faults_of(caught.value, "jobs")
    return fault.detail


def job_detail(**job: Any) -> str:
    return detail(json.dumps([job]))


@pytest.mark.parametrize(
    ("job", "suggested"),
    [
        ({"type": "resize", "width": 8, "hieght": 8}, "height"),
        ({"type": "resize", "width": 8, "output": {"fromat": "png"}}, "format"),
        ({"type": "resize", "width": 8, "outptu": {}}, "output"),
        ({"type": "filter", "filter": "blur", "sigm": 2}, "sigma"),
        ({"type": "metadata", "colors": 2}, "colours"),
        ({"type": "pipeline", "steps": [{"type": "resize", "width": 8, "hieght": 1}]}, "height"),
        ({"type": "pipeline", "steps": [{"type": "filter", "filter": "blur", "sigm": 1}]}, "sigma"),
    ],
)
def test_an_unknown_field_that_resembles_a_known_one_names_it(job: dict[str, Any], suggested: str) -> None:
    assert job_detail(**job).endswith(f"unknown field; did you mean {suggested}?")


@pytest.mark.parametrize(
    "job",
    [
        {"type": "metadata", "widht": 8},
        {"type": "resize", "width": 8, "position": {"x": 0, "y": 0, "place": 1}},
        {"type": "pipeline", "steps": [{"type": "resize", "width": 8, "outptu": {}}]},
    ],
)
def test_a_field_that_another_object_knows_is_not_suggested(job: dict[str, Any]) -> None:
    assert job_detail(**job) == "unknown field"


def test_thousands_of_unknown_fields_cost_no_time() -> None:
    names = [f"widh{number}" for number in range(20_000)]
    text = json.dumps([{"type": "resize", "width": 8} | dict.fromkeys(names, 1)])
    with pytest.raises(ValidationError) as caught:
        jobs_adapter.validate_json(text)
    started = time.process_time()
    faults = faults_of(caught.value, "jobs")
    assert time.process_time() - started < 5
    assert sum("did you mean" in fault.detail for fault in faults) == MOST_SUGGESTIONS


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[{'type':'metadata'}]", "names need double quotes"),
        ("['metadata']", "texts need double quotes"),
        ('[{"type":"metadata"', "the JSON ends too early"),
        ("", "the JSON ends too early"),
        ('[{"type":"metadata"},]', "a comma stands before the closing bracket"),
        ("[] []", "something follows the end of the JSON"),
        ("[" * 300, "nested too deeply"),
    ],
)
def test_text_that_is_not_json_is_explained(text: str, words: str) -> None:
    assert detail(text).startswith("not valid JSON: ")
    assert words in detail(text)


def test_the_place_of_a_json_error_is_named() -> None:
    assert detail("[{'type':'metadata'}]").endswith("(line 1, column 3)")


def test_a_filter_used_as_a_type_is_recognised() -> None:
    assert job_detail(type="sepia").endswith('; sepia is a filter: {"type": "filter", "filter": "sepia"}')


def test_a_misspelt_type_or_filter_gets_a_suggestion() -> None:
    assert job_detail(type="resise").endswith("; did you mean resize?")
    assert job_detail(type="filter", filter="blurr").endswith("; did you mean blur?")


def test_an_output_that_is_no_object_is_answered_with_its_form() -> None:
    assert job_detail(type="resize", width=8, output="png") == 'must be an object, such as {"format": "png"}'
    assert job_detail(type="resize", width=8, output=["png"]) == 'must be an object, such as {"format": "jpeg"}'


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("800px", 'must be a whole number, not "800px"'),
        ("9" * 5 + "x" * 100, "must be a whole number"),
    ],
)
def test_a_short_wrong_value_is_repeated(value: str, message: str) -> None:
    assert job_detail(type="resize", width=value) == message


def test_counts_are_in_the_singular_and_the_plural() -> None:
    assert detail("[]") == "must have at least 1 item"
    assert detail(json.dumps([{"type": "metadata"}] * 51)) == "must have at most 50 items"
