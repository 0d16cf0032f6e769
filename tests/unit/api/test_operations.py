from __future__ import annotations

import pytest
from pydantic import TypeAdapter

from api.routes.operations import missing_extras
from api.uploads.fields import choose_jobs
from darkroom.errors import Fault
from darkroom.extras import MODULES
from darkroom.jobs.job_types import JOB_TYPES, STEP_JOBS, jobs_adapter
from darkroom.jobs.step_types import STEP_TYPES, STEPS
from darkroom.presets import Preset


def titles(spec: object) -> set[str]:
    """The names of the models that a JSON schema chooses from."""
    schema = TypeAdapter(spec).json_schema()
    return {schema["title"]} if "title" in schema else {ref["$ref"].split("/")[-1] for ref in schema["oneOf"]}


def test_the_lists_name_every_step_alone_and_as_a_job() -> None:
    steps = set.union(*(titles(spec) for spec in STEP_TYPES.values()))
    jobs = set.union(*(titles(job_type.spec) for job_type in JOB_TYPES.values()))
    assert steps == {step.__name__ for step in STEPS}
    assert {job.__name__ for job in STEP_JOBS.values()} == {f"{step}Job" for step in steps}
    assert {f"{step}Job" for step in steps} | {"ConvertJob", "PipelineJob", "MetadataJob"} <= jobs


def test_the_lists_name_every_type_by_its_tag() -> None:
    for kinds in (STEP_TYPES, {name: job_type.spec for name, job_type in JOB_TYPES.items()}):
        for name, spec in kinds.items():
            schema = TypeAdapter(spec).json_schema()
            models = [schema] if "title" in schema else [schema["$defs"][model] for model in titles(spec)]
            assert {model["properties"]["type"]["const"] for model in models} == {name}


@pytest.mark.parametrize(
    ("output", "field"),
    [({"format": "jxl"}, "format"), ({"format": "auto", "accept": ["jpeg", "jxl"]}, "accept")],
)
def test_a_format_whose_extra_is_not_installed_is_refused(
    monkeypatch: pytest.MonkeyPatch, output: dict[str, object], field: str
) -> None:
    jobs = jobs_adapter.validate_python([{"type": "metadata"}, {"type": "convert", "output": output}])
    preset = Preset(jobs=jobs)
    assert choose_jobs(jobs, None, {}, None) == (jobs, [])
    monkeypatch.setitem(MODULES, "jxl", "not_installed")
    detail = "JXL cannot be written here, because the extra jxl is not installed: ask for another format"
    assert choose_jobs(jobs, None, {}, None)[1] == [Fault(f"jobs[1].output.{field}", detail, "missing_extra")]
    of_preset = f"jobs[1].output.{field} of preset small: {detail}"
    assert choose_jobs(None, None, {"small": preset}, "small")[1] == [Fault("preset", of_preset, "missing_extra")]
    others = jobs_adapter.validate_python([{"type": "convert", "output": {"format": "auto"}}, {"type": "convert"}])
    assert choose_jobs(others, None, {}, None)[1] == []


def test_the_list_of_missing_extras(monkeypatch: pytest.MonkeyPatch) -> None:
    assert missing_extras() == {}
    monkeypatch.setitem(MODULES, "jxl", "not_installed")
    assert missing_extras() == {"jxl": "jxl"}
