"""The parts of the OpenAPI document that its library cannot take from a function's signature."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask_openapi3.models.schema import Schema
from flask_openapi3.types import ResponseDict
from pydantic import BaseModel, Field
from pydantic.json_schema import models_json_schema

from api import problems

SCHEMAS = "#/components/schemas/"

_RETRY_AFTER = {"Retry-After": {"description": "seconds after which to ask again", "schema": {"type": "integer"}}}
_LOCATION = {"Location": {"description": "where to follow the work", "schema": {"type": "string"}}}


class PhotoPath(BaseModel):
    photo_id: UUID = Field(description="the photo's id")


class JobPath(PhotoPath):
    job_id: UUID = Field(description="the job's id")


def problem(description: str, *models: type[problems.Problem], retry: bool = False) -> dict[str, Any]:
    """An answer that says what went wrong."""
    told = [ref(problems.Problem), *map(ref, models)]
    content = {problems.MEDIA_TYPE: {"schema": {"anyOf": told} if models else told[0]}}
    return {"description": description, "content": content} | ({"headers": _RETRY_AFTER} if retry else {})


def answer(schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def accepted(schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {
        "description": description,
        "content": {"application/json": {"schema": schema}},
        "headers": _LOCATION | _RETRY_AFTER,
    }


def ref(model: type[BaseModel]) -> dict[str, Any]:
    return {"$ref": SCHEMAS + model.__name__}


def components(*models: type[BaseModel]) -> dict[str, Schema]:
    """Models that stand in no signature, and what they refer to, for the document's components."""
    _, written = models_json_schema([(model, "serialization") for model in models], ref_template=SCHEMAS + "{model}")
    return {name: Schema(**definition) for name, definition in written["$defs"].items()}


def schema(model: type[BaseModel]) -> dict[str, Any]:
    """The model's own schema; what it refers to stands among the document's components."""
    written = model.model_json_schema(ref_template=SCHEMAS + "{model}", mode="serialization")
    written.pop("$defs", None)
    return written


def fields(model: type[BaseModel], examples: dict[str, str]) -> dict[str, dict[str, Any]]:
    """A model's fields as they stand in a form: text, left out rather than null, some of it JSON, with an example."""
    return {name: _as_text(field, examples.get(name)) for name, field in schema(model)["properties"].items()}


def query_parameters(model: type[BaseModel]) -> list[dict[str, Any]]:
    """The same fields in an address; without examples, which a page would send twice."""
    return [
        {"name": name, "in": "query", "description": field.pop("description"), "schema": field}
        for name, field in fields(model, examples={}).items()
    ]


def _as_text(field: dict[str, Any], example: str | None) -> dict[str, Any]:
    # JSON stands here as text: OpenAPI would send each item of a list as a part of its own.
    text = [option for option in field["anyOf"] if option.get("type") in ("string", "boolean")]
    written = text[0] if text else {"type": "string"}
    return written | {"description": field["description"]} | ({} if example is None else {"example": example})


DOWN = "AWS is down or throttled"
COMMON: ResponseDict = {
    "default": problem("Any other error"),
    "401": problem("An API key is needed, and none that is known came along")
    | {"headers": {"WWW-Authenticate": {"description": "`Bearer`", "schema": {"type": "string"}}}},
    "429": problem("More requests or uploads than are allowed", retry=True),
    "503": problem(DOWN, retry=True),
}
NOT_FOUND = problem("There is no such photo, or no longer")
NO_JOB = problem("There is no such photo or job, or no longer")
IN_FLIGHT = "The request with this Idempotency-Key is under way"
REUSED = "the Idempotency-Key came with another request before"
INVALID = problem("Something in the request is wrong; `errors` names each field")
