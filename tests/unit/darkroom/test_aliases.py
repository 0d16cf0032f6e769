"""Other spellings that requests may use. Specs, and so records, always hold the same one."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

import pytest
from pydantic import TypeAdapter, ValidationError

from api.routes.operations import aliases_in
from darkroom.jobs.faults import faults_of
from darkroom.jobs.job_types import jobs_adapter
from darkroom.jobs.spec import Aliases
from darkroom.jobs.spec import spellings as spellings_of
from darkroom.jobs.step_types import FILTER_SPELLINGS, FILTERS
from darkroom.jobs.steps.gravity import GRAVITY_ALIASES, Gravity
from tests.support.records import job_list, photo

GREYSCALE = {"type": "filter", "filter": "greyscale"}


def resize(**fields: Any) -> dict[str, Any]:
    return {"type": "resize", "width": 8, **fields}


@pytest.mark.parametrize(
    ("given", "same"),
    [
        (resize(position="center"), resize(position="centre")),
        (resize(position="top"), resize(position="north")),
        (resize(position="right top"), resize(position="northeast")),
        (resize(position="left bottom"), resize(position="southwest")),
        (GREYSCALE, {"type": "filter", "filter": "grayscale"}),
        ({"type": "filter", "filter": "negate"}, {"type": "filter", "filter": "invert"}),
        (resize(output={"format": "jpg"}), resize(output={"format": "jpeg"})),
        (
            {"type": "pipeline", "steps": [GREYSCALE, resize(position="left")]},
            {"type": "pipeline", "steps": [{"type": "filter", "filter": "grayscale"}, resize(position="west")]},
        ),
    ],
)
def test_an_alias_is_the_same_job_in_the_record(given: dict[str, Any], same: dict[str, Any]) -> None:
    with_alias, without = jobs_adapter.validate_python([given, same])
    assert with_alias == without
    (job,) = job_list(photo(given))
    assert job.model_dump(mode="json")["spec"] == without.model_dump(mode="json", exclude_none=True)


def test_every_alias_stands_for_a_value_and_is_none_itself() -> None:
    for field, aliases in aliases_in(jobs_adapter.json_schema()).items():
        assert not aliases.keys() & set(aliases.values()), field
    assert set(GRAVITY_ALIASES.values.values()) == set(get_args(Gravity)) - {"entropy", "attention", "face"}


def test_the_aliases_of_the_schema_are_listed_by_field() -> None:
    listed = aliases_in(jobs_adapter.json_schema())
    assert listed["position"] == GRAVITY_ALIASES.values
    assert (listed["filter"]["greyscale"], listed["format"]["jpg"]) == ("grayscale", "jpeg")


def test_an_alias_of_a_filter_is_not_the_name_of_another_one() -> None:
    spellings = [name for spec in FILTERS.values() for name in spellings_of(spec.model_fields["filter"])]
    assert len(spellings) == len(set(spellings)) == len(FILTER_SPELLINGS) > len(FILTERS)


def test_the_schema_accepts_every_spelling() -> None:
    schema = jobs_adapter.json_schema()["$defs"]["GrayscaleJob"]
    assert schema["properties"]["filter"]["enum"] == ["grayscale", "greyscale"]
    assert {"type", "filter"} <= set(schema["required"])


def test_a_fault_of_a_job_with_an_alias_is_found_at_its_place() -> None:
    with pytest.raises(ValidationError) as caught:
        jobs_adapter.validate_python([GREYSCALE | {"lumma": 1}, {"type": "greyscale"}])
    first, second = faults_of(caught.value, "jobs")
    assert (first.field, first.detail) == ("jobs[0].lumma", "unknown field; did you mean luma?")
    assert second.detail.endswith('greyscale is a filter: {"type": "filter", "filter": "greyscale"}')


def test_an_alias_of_a_value_that_does_not_exist_is_a_mistake_in_the_code() -> None:
    with pytest.raises(TypeError, match="aliases of middle, which is not among centre, north"):
        TypeAdapter(Annotated[Literal["centre", "north"], Aliases({"mid": "middle"})])
