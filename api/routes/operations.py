"""GET /v1/operations: every job type, step, filter and preset, described by the models that validate requests."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from typing import Any

from flask import Response
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from pydantic.json_schema import JsonSchemaMode

from api.context import context, json_response
from api.openapi import responses
from darkroom.jobs.job_types import JOB_TYPES
from darkroom.jobs.output_formats import OUTPUT_FORMATS, missing_extra
from darkroom.jobs.spec import ALIASES
from darkroom.jobs.step_types import FILTERS, STEP_TYPES
from darkroom.photo_metadata.photo_document import PhotoMetadata
from darkroom.photo_warnings import WARNING_CODES
from darkroom.presets import Preset

operations = APIBlueprint(
    "operations",
    __name__,
    abp_tags=[Tag(name="operations", description="The types of jobs, the steps, filters and presets")],
    abp_responses=responses.COMMON,
)

Schema = dict[str, Any]


class OperationsView(BaseModel):
    """JSON schemas by name. Each is a reference into `$defs`, which they share, or a choice of such references."""

    model_config = ConfigDict(serialize_by_alias=True)

    definitions: dict[str, Schema] = Field(alias="$defs", description="what the schemas below refer to")
    jobs: dict[str, Schema] = Field(description="job type -> schema")
    steps: dict[str, Schema] = Field(description="steps of a pipeline")
    metadata: Schema = Field(description="the result of a metadata job; docs/metadata.md explains its fields")
    filters: dict[str, Schema] = Field(description="each filter as a step; as a job it takes `output` too")
    aliases: dict[str, dict[str, str]] = Field(
        description="other spellings that requests may use: field -> alias -> the value that it stands for"
    )
    missing_extras: dict[str, str] = Field(
        description="formats of results that are refused here, because an extra package is not installed -> its extra"
    )
    presets: dict[str, Preset]
    default_preset: str
    warnings: dict[str, str] = Field(description="code of a warning of a result -> what it means")


@operations.get(
    "/v1/operations",
    operation_id="listOperations",
    summary="Every job type, step, filter and preset",
    responses={200: OperationsView},
)
def list_operations() -> Response:
    ctx = context()
    return json_response(
        OperationsView(
            **_schemas_of_all(),
            missing_extras=missing_extras(),
            presets=dict(ctx.presets),
            default_preset=ctx.settings.default_preset,
            warnings=dict(WARNING_CODES),
        )
    )


@functools.cache
def _schemas_of_all() -> dict[str, Any]:
    """What follows from the code alone. It takes a tenth of a second, so it is made once in a process."""
    kinds: dict[str, Mapping[str, Any]] = {
        "jobs": {name: job_type.spec for name, job_type in JOB_TYPES.items()},
        "steps": STEP_TYPES,
        "filters": FILTERS,
        "metadata": {"": PhotoMetadata},
    }
    models: list[tuple[tuple[str, str], JsonSchemaMode, TypeAdapter[Any]]] = [
        ((kind, name), "validation", TypeAdapter(spec)) for kind, specs in kinds.items() for name, spec in specs.items()
    ]
    schemas, definitions = TypeAdapter.json_schemas(models)
    named = {kind: {name: schemas[(kind, name), "validation"] for name in specs} for kind, specs in kinds.items()}
    return {
        **definitions,
        **named,
        "metadata": named["metadata"][""],
        "aliases": aliases_in(definitions),
    }


def missing_extras() -> dict[str, str]:
    """The formats of results that cannot be written here -> the extra that each needs."""
    return {name: extra for name in OUTPUT_FORMATS if (extra := missing_extra(name))}


def aliases_in(schema: Schema) -> dict[str, dict[str, str]]:
    """The aliases in a JSON schema: field -> alias -> value."""
    found: dict[str, dict[str, str]] = {}
    for field, values in _aliases(schema, ""):
        found[field] = found.get(field, {}) | values
    return found


def _aliases(schema: Any, field: str) -> Iterator[tuple[str, dict[str, str]]]:
    """The aliases in the schema of a field, and of the fields in it."""
    if isinstance(schema, list):
        for one in schema:
            yield from _aliases(one, field)
    elif isinstance(schema, dict):
        if ALIASES in schema:
            yield field, schema[ALIASES]
        for name, one in schema.get("properties", {}).items():
            yield from _aliases(one, name)
        for word in schema.keys() - {"properties"}:
            yield from _aliases(schema[word], field)
