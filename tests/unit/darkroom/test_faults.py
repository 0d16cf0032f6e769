"""The messages of faults name what would be right."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from pydantic import ValidationError

from api.http.problems import MAX_TEXT
from api.uploads.fields import UploadFields
from darkroom.jobs.faults import LONGEST_VALUE, MOST_SUGGESTIONS, faults_of
from darkroom.jobs.foreign_names import FOREIGN_NAMES
from darkroom.jobs.job_types import JOB_TYPES, jobs_adapter
from darkroom.jobs.step_types import FILTERS, STEPS


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
        (
            {
                "type": "filter",
                "filter": "pixelate",
                "boxes": [{"left": 0, "top": 0, "width": 1, "height": 1, "with": 1}],
            },
            "width",
        ),
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


def test_a_type_or_filter_that_resembles_none_is_answered_with_all_of_them() -> None:
    assert job_detail(type="qqq") == f'unknown type "qqq"; it must be one of {", ".join(JOB_TYPES)}'
    of_filter = job_detail(type="filter", filter="qqq")
    assert of_filter == f'unknown filter "qqq"; it must be one of {", ".join(FILTERS)}'


@pytest.mark.parametrize("tag", ["q" * LONGEST_VALUE, "q" * 10_000])
def test_the_list_of_all_filters_is_not_cut_off(tag: str) -> None:
    message = job_detail(type="filter", filter=tag)
    assert message.endswith(list(FILTERS)[-1])
    assert len(message) <= MAX_TEXT


@pytest.mark.parametrize(
    ("job", "suggested"),
    [
        ({"type": "extract", "width": 8}, "crop"),
        ({"type": "composite"}, "watermark"),
        ({"type": "filter", "filter": "gaussian"}, "blur"),
        ({"type": "resize", "width": 8, "gravity": "face"}, "position"),
        ({"type": "resize", "w": 8, "height": 8}, "width"),
        ({"type": "resize", "width": 8, "fit": "pad"}, "contain"),
        ({"type": "resize", "width": 8, "position": "faces"}, "face"),
        ({"type": "convert", "output": {"format": "wepb"}}, "webp"),
        ({"type": "metadata", "measures": ["blurhsh"]}, "blurhash"),
    ],
)
def test_foreign_and_misspelt_words_get_the_word_that_is_used_here(job: dict[str, Any], suggested: str) -> None:
    assert job_detail(**job).endswith(f"; did you mean {suggested}?")


def test_a_foreign_name_stands_for_names_that_exist() -> None:
    words = {*JOB_TYPES, *FILTERS}
    for spec in STEPS:
        words |= spec.model_fields.keys()
    words |= {
        "quality",
        "colours",
        "inside",
        "contain",
        "cover",
        "fill",
    }  # fields and values of an output, and of `fit`
    assert {name for names in FOREIGN_NAMES.values() for name in names} <= words


def test_a_field_of_another_meaning_is_not_suggested() -> None:
    assert job_detail(type="metadata", frames="all") == "unknown field"


@pytest.mark.parametrize(
    ("job", "message"),
    [
        ({"type": "crop", "aspect": "16/9"}, 'must be a width and a height, such as "16:9" or "1.85:1"'),
        ({"type": "crop", "aspect": "16:0"}, 'must be a width and a height, such as "16:9" or "1.85:1"'),
        (
            {"type": "watermark", "image": "logo.png"},
            "must be the id of an asset: 64 digits and small letters from a to f, as POST /v1/assets gives it",
        ),
        ({"type": "convert", "frames": "some"}, "must be 'first' or 'all', or how many frames, such as 20"),
        ({"type": "convert", "frames": 2.5}, "must be a whole number, 'first' or 'all', not 2.5"),
        ({"type": "convert", "output": {"quality": "best"}}, 'must be a whole number or "auto", not "best"'),
    ],
)
def test_a_value_of_a_wrong_form_is_answered_with_the_right_one(job: dict[str, Any], message: str) -> None:
    assert job_detail(**job) == message


def test_a_position_may_be_a_point() -> None:
    assert 'or a point such as {"x": 0.3, "y": 0.8}' in job_detail(type="resize", width=8, position=[0.1, 2])


def test_a_form_whose_jobs_are_not_json_says_where() -> None:
    with pytest.raises(ValidationError) as caught:
        UploadFields.model_validate({"jobs": "[{'type':'metadata'}]"})
    (fault,) = faults_of(caught.value)
    assert (fault.field, fault.code) == ("jobs", "json_invalid")
    assert fault.detail.startswith("not valid JSON: names need double quotes")
    assert fault.detail.endswith("(line 1, column 3)")


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


@pytest.mark.parametrize(
    ("job", "faults"),
    [
        (
            {"type": "filter", "filter": "curves", "points": [[0, 0], [1, "x"]]},
            {"jobs[0].points[1][1]": 'must be a number, not "x"'},
        ),
        (
            {"type": "filter", "filter": "curves", "points": [[1]]},
            {"jobs[0].points[0]": "must have at least 2 items"},
        ),
        ({"type": "filter", "filter": "curves", "points": []}, {"jobs[0].points": "must have at least 1 item"}),
        ({"type": "filter", "filter": "curves", "points": 5}, {"jobs[0].points": "must be a list"}),
    ],
)
def test_a_wrong_item_does_not_make_its_list_too_short(job: dict[str, Any], faults: dict[str, str]) -> None:
    with pytest.raises(ValidationError) as caught:
        jobs_adapter.validate_python([job])
    assert {fault.field: fault.detail for fault in faults_of(caught.value, "jobs")} == faults
