"""Every parameter of every job: at both ends, just beyond them, and in combinations drawn from the JSON schemas.

Each ends with a result, or with an error in our own words. A new step or field takes part by itself.
"""

from __future__ import annotations

import copy
import io
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from pydantic import ValidationError

from darkroom.errors import DarkroomError, Fault
from darkroom.jobs.faults import faults_of
from darkroom.jobs.job_types import STEP_JOBS, ConvertJob, MetadataJob, jobs_adapter
from tests.support.plain_photo import done
from tests.support.words import FORBIDDEN
from worker.photo.job_ends import PipelineResult

LIMIT = 250_000

EXAMPLES = {
    str(spec.example.get("filter") or spec.example["type"]): spec
    for spec in [*STEP_JOBS.values(), ConvertJob, MetadataJob]
}
"""Every job that is not a pipeline: its name -> its class."""


@dataclass(frozen=True)
class Parameter:
    """A field of a job, at its path, with its JSON schema. References and `null` are resolved."""

    job: str
    path: tuple[str, ...]
    schema: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.job}.{'.'.join(self.path)}"


def parameters(job: str) -> Iterator[Parameter]:
    schema = EXAMPLES[job].model_json_schema()
    yield from _of(job, (), schema, schema.get("$defs", {}))


def _of(job: str, path: tuple[str, ...], schema: dict[str, Any], shared: dict[str, Any]) -> Iterator[Parameter]:
    if "$ref" in schema:
        yield from _of(job, path, shared[schema["$ref"].rpartition("/")[2]], shared)
    for one in [*schema.get("anyOf", []), *schema.get("oneOf", [])]:
        yield from _of(job, path, one, shared)
    if "type" not in schema:  # the rules between fields name them again
        return
    for name, inner in schema.get("properties", {}).items():
        yield from _of(job, (*path, name), inner, shared)
    if path and "type" in schema and schema["type"] not in ("object", "null"):
        yield Parameter(job, path, schema)


ALL = [parameter for job in EXAMPLES for parameter in parameters(job)]
OWN = [one for one in ALL if one.path[0] != "output" or one.job == "convert"]
"""The fields of `output` are the same in every job."""

NUMBERS = [one for one in OWN if one.schema["type"] in ("integer", "number") and "enum" not in one.schema]


def ends(schema: dict[str, Any]) -> tuple[float, float]:
    """The least and the greatest value that the schema takes."""
    step = 1 if schema["type"] == "integer" else 1e-6
    low = schema["minimum"] if "minimum" in schema else schema["exclusiveMinimum"] + step
    high = schema["maximum"] if "maximum" in schema else schema["exclusiveMaximum"] - step
    return low, high


def with_value(parameter: Parameter, value: Any) -> dict[str, Any]:
    """The example of the job with another value at the parameter."""
    spec: dict[str, Any] = copy.deepcopy(EXAMPLES[parameter.job].example)
    place = spec
    for name in parameter.path[:-1]:
        if not isinstance(place.get(name), dict):
            place[name] = {}
        place = place[name]
    place[parameter.path[-1]] = value
    return spec


def faults(spec: dict[str, Any]) -> list[Fault]:
    """What is wrong with a job, as the API says it."""
    try:
        jobs_adapter.validate_python([spec])
    except ValidationError as error:
        return faults_of(error, root="jobs")
    return []


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("photos")
    paths = []
    for mode, size in ("RGB", (40, 30)), ("RGBA", (23, 31)), ("RGB", (1, 1)):
        paths.append(folder / f"{len(paths)}.png")
        Image.effect_noise(size, 80).convert("RGB").convert(mode).save(paths[-1])
    return paths


def ended(path: Path, spec: dict[str, Any]) -> tuple[PipelineResult, io.BytesIO] | DarkroomError:
    """What a job makes of a photo, or its error."""
    with path.open("rb") as original:
        try:
            return done(original, LIMIT, **spec)
        except DarkroomError as error:
            return error


def try_it(photos: list[Path], spec: dict[str, Any]) -> None:
    """A result or an error of ours, on each photo."""
    for path in photos:
        end = ended(path, spec)
        if isinstance(end, DarkroomError):
            assert not FORBIDDEN.search(end.detail), end.detail
            continue
        result, file = end
        assert (result.width or 0) * (result.height or 0) <= LIMIT
        assert file.getvalue()


def is_unbounded(schema: dict[str, Any]) -> bool:
    """Whether a caller may give values of any size."""
    bounds: dict[str, list[set[str]]] = {
        "integer": [{"minimum", "exclusiveMinimum"}, {"maximum", "exclusiveMaximum"}],
        "number": [{"minimum", "exclusiveMinimum"}, {"maximum", "exclusiveMaximum"}],
        "array": [{"maxItems"}],
        "string": [{"maxLength", "pattern"}],
    }
    needed = bounds.get(schema["type"], [])
    return not {"const", "enum"} & schema.keys() and any(schema.keys().isdisjoint(names) for names in needed)


def test_every_number_text_and_list_is_bounded() -> None:
    assert [str(one) for one in ALL if is_unbounded(one.schema)] == []


@pytest.mark.parametrize("parameter", NUMBERS, ids=str)
def test_both_ends_of_a_number_give_a_result_or_an_error_of_ours(photos: list[Path], parameter: Parameter) -> None:
    for value in ends(parameter.schema):
        spec = with_value(parameter, value)
        if found := faults(spec):  # by another rule than the limits, such as fields that exclude each other
            assert LIMITS.isdisjoint(fault.code for fault in found)
        else:
            try_it(photos, spec)


LIMITS = {"less_than_equal", "greater_than_equal", "less_than", "greater_than"}


@pytest.mark.parametrize("parameter", NUMBERS, ids=str)
def test_just_beyond_the_ends_the_field_is_named(parameter: Parameter) -> None:
    low, high = ends(parameter.schema)
    step = 1 if parameter.schema["type"] == "integer" else 1e-3
    for value in (low - step, high + step, math.copysign(1e30, high)):
        found = faults(with_value(parameter, value))
        assert any(fault.field.endswith(parameter.path[-1]) for fault in found), found
        assert not any(FORBIDDEN.search(fault.detail) for fault in found)


CHOICES = [(one, value) for one in OWN for value in one.schema.get("enum", ())]


@pytest.mark.parametrize(("parameter", "value"), CHOICES, ids=[f"{one}={value}" for one, value in CHOICES])
def test_every_choice_gives_a_result_or_an_error_of_ours(photos: list[Path], parameter: Parameter, value: Any) -> None:
    spec = with_value(parameter, value)
    if found := faults(spec):
        assert {"literal_error", "enum"}.isdisjoint(fault.code for fault in found)
    else:
        try_it(photos, spec)


def values(schema: dict[str, Any], shared: dict[str, Any]) -> st.SearchStrategy[Any]:
    """What a JSON schema of pydantic allows, without the rules between fields. Strings of a pattern are drawn from it.

    The library hypothesis-jsonschema does not work with hypothesis 6.170."""
    if "$ref" in schema:
        return values(shared[schema["$ref"].rpartition("/")[2]], shared)
    if kinds := [one for one in schema.get("anyOf", schema.get("oneOf", [])) if "type" in one or "$ref" in one]:
        return st.one_of(values(one, shared) for one in kinds)
    if "const" in schema or "enum" in schema:
        return st.sampled_from(schema.get("enum") or [schema["const"]])
    match schema["type"]:
        case "integer":
            low, high = ends(schema)
            return st.integers(int(low), int(high))
        case "number":
            return st.floats(*ends(schema))
        case "boolean":
            return st.booleans()
        case "string" if "pattern" in schema:
            longest = schema.get("maxLength", 100)
            return st.from_regex(schema["pattern"], fullmatch=True).filter(lambda text: len(text) <= longest)
        case "string":
            return st.text(min_size=schema.get("minLength", 0), max_size=min(100, schema["maxLength"]))
        case "array":
            most = min(schema.get("minItems", 0) + 3, schema["maxItems"])
            return st.lists(values(schema["items"], shared), min_size=schema.get("minItems", 0), max_size=most)
        case "object":
            fields = {name: values(inner, shared) for name, inner in schema["properties"].items()}
            required = {name: fields.pop(name) for name in schema.get("required", [])}
            return st.fixed_dictionaries(required, optional=fields)
    return st.none()


@pytest.mark.parametrize("count", [10, pytest.param(60, marks=pytest.mark.exhaustive)])
@pytest.mark.parametrize("job", EXAMPLES)
def test_any_combination_gives_a_result_or_an_error_of_ours(photos: list[Path], job: str, count: int) -> None:
    schema = EXAMPLES[job].model_json_schema()
    if job != "convert":
        schema["properties"].pop("output", None)

    @settings(
        max_examples=count, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(values(schema, schema.get("$defs", {})))
    def check(spec: dict[str, Any]) -> None:
        if found := faults(spec):  # by a rule between fields
            assert not any(FORBIDDEN.search(fault.detail) for fault in found)
        else:
            try_it(photos, spec)

    check()
