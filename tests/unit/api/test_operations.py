from __future__ import annotations

from pydantic import TypeAdapter

from darkroom.jobs.job_types import JOB_TYPES, STEP_JOBS
from darkroom.jobs.step_types import STEP_TYPES, STEPS


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
