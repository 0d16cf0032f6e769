"""What can be asked for: every job type, step, filter and preset, described by the models that validate."""

from __future__ import annotations

from typing import Any, get_args

from flask import Response
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag
from pydantic import BaseModel, Field, TypeAdapter

from api.context import context, json_answer
from api.openapi import document as openapi
from darkroom.jobs.specs import AnyFilter, FilterJob, MetadataJob, PipelineJob, Resize, ResizeJob
from darkroom.presets import Preset

operations = APIBlueprint(
    "operations",
    __name__,
    abp_tags=[Tag(name="operations", description="What can be asked for")],
    abp_responses=openapi.COMMON,
)

Schema = dict[str, Any]

JOBS = {"resize": ResizeJob, "filter": FilterJob, "pipeline": PipelineJob, "metadata": MetadataJob}
STEPS = {"resize": Resize, "filter": AnyFilter}
FILTERS = {model.model_fields["filter"].default: model for model in get_args(get_args(AnyFilter)[0])}


class OperationsView(BaseModel):
    """JSON schemas by name."""

    jobs: dict[str, Schema] = Field(description="job type -> schema")
    steps: dict[str, Schema] = Field(description="steps of a pipeline")
    filters: dict[str, Schema] = Field(description="each filter as a step; as a job it takes `output` too")
    presets: dict[str, Preset]
    default_preset: str


@operations.get(
    "/v1/operations",
    operation_id="listOperations",
    summary="Every job type, step, filter and preset",
    responses={200: OperationsView},
)
def list_operations() -> Response:
    here = context()
    return json_answer(
        OperationsView(
            jobs=_schemas(JOBS),
            steps=_schemas(STEPS),
            filters=_schemas(FILTERS),
            presets=dict(here.presets),
            default_preset=here.settings.default_preset,
        )
    )


def _schemas(models: dict[str, Any]) -> dict[str, Schema]:
    return {name: TypeAdapter(model).json_schema() for name, model in models.items()}
