"""The parts of the OpenAPI document that its library cannot take from a function's signature."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask_openapi3.models.schema import Schema
from flask_openapi3.types import ResponseDict
from pydantic import BaseModel, Field
from pydantic.config import JsonDict
from pydantic.json_schema import models_json_schema

from api.http import problems
from api.http.tracing import HEADER as REQUEST_ID
from api.http.tracing import SANE
from darkroom.jobs.job_types import jobs_adapter

SCHEMAS = "#/components/schemas/"

AS_WRITTEN = "x-as-written"
"""What an operation has here goes into the document as it is; the library drops part of JSON Schema elsewhere."""

Headers = dict[str, dict[str, Any]]


def header(name: str, description: str, schema: dict[str, Any], always: bool = False) -> Headers:
    """A header of an answer; `always`: an answer without it would be a fault."""
    return {name: {"description": description, "schema": schema} | ({"required": True} if always else {})}


def retry_after(always: bool = False) -> Headers:
    return header("Retry-After", "seconds after which to ask again", {"type": "integer", "minimum": 1}, always)


def location(always: bool = False, description: str = "where to follow the work") -> Headers:
    return header("Location", description, {"type": "string", "format": "uri-reference"}, always)


REPLAYED = header(
    "Idempotent-Replayed",
    "`true`: the answer that an earlier request with the same Idempotency-Key had",
    {"type": "string", "const": "true"},
)


class PhotoPath(BaseModel):
    photo_id: UUID = Field(description="the photo's id")


class JobPath(PhotoPath):
    job_id: UUID = Field(description="the job's id")


def problem(description: str, *models: type[problems.Problem], headers: Headers | None = None) -> dict[str, Any]:
    """An answer that says what went wrong."""
    told = [ref(problems.Problem), *map(ref, models)]
    content = {problems.MEDIA_TYPE: {"schema": {"anyOf": told} if models else told[0]}}
    return {"description": description, "content": content, "headers": headers or {}}


def answer(schema: dict[str, Any], description: str, headers: Headers | None = None) -> dict[str, Any]:
    content = {"application/json": {"schema": schema}}
    return {"description": description, "content": content, "headers": headers or {}}


def accepted(schema: dict[str, Any], description: str, headers: Headers | None = None) -> dict[str, Any]:
    """Work was queued. Nothing is left to come back for where a repeated request finds it done."""
    return answer(schema, description, location(always=True) | retry_after() | (headers or {}))


def progress(model: type[BaseModel]) -> dict[str, Any]:
    """A look at work that may be under way."""
    return answer(ref(model), "As it is now", retry_after())


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


def json_body(model: type[BaseModel]) -> dict[str, Any]:
    """A body in full, where the library would drop parts of its schema."""
    return {"required": True, "content": {"application/json": {"schema": schema(model)}}}


def fields(model: type[BaseModel], examples: dict[str, str]) -> dict[str, dict[str, Any]]:
    """A model's fields as they stand in a form: text, left out rather than null, some of it JSON, with an example."""
    return {name: _as_text(field, examples.get(name)) for name, field in schema(model)["properties"].items()}


def exactly_one(given: dict[str, dict[str, Any]]) -> JsonDict:
    """Say in a model's schema that one of these fields is given, as such a value, and none of the others."""
    return {"oneOf": [{"required": [name], "properties": {name: value}} for name, value in given.items()]}


def query_parameters(model: type[BaseModel]) -> list[dict[str, Any]]:
    """The same fields in an address; without examples, which a page would send twice."""
    return [
        {"name": name, "in": "query", "description": field.pop("description"), "schema": field}
        for name, field in fields(model, examples={}).items()
    ]


def _as_text(field: dict[str, Any], example: str | None) -> dict[str, Any]:
    # JSON stands here as text: OpenAPI would send each item of a list as a part of its own.
    text = [option for option in field["anyOf"] if option.get("type") in ("string", "boolean")]
    as_json = {"type": "string", "contentMediaType": "application/json", "contentSchema": field["anyOf"][0]}
    written = text[0] if text else as_json
    return written | {"description": field["description"]} | ({} if example is None else {"example": example})


def complete(document: dict[str, Any]) -> None:
    """Write what the library would drop and what holds for every answer; put answers in the order of their statuses."""
    document["components"]["headers"] = {
        REQUEST_ID: {
            "description": "the request's id in the logs: yours, if it is a sane one, or one of ours",
            "required": True,
            "schema": {"type": "string", "pattern": f"^{SANE}$"},
        }
    }
    schemas = document["components"]["schemas"]
    for name, definition in jobs_adapter.json_schema()["$defs"].items():
        if "examples" in definition:
            schemas[name]["examples"] = definition["examples"]
    for operation in (operation for methods in document["paths"].values() for operation in methods.values()):
        operation |= operation.pop(AS_WRITTEN, {})
        operation["responses"] = dict(sorted(operation["responses"].items()))
        for described in operation["responses"].values():
            described.setdefault("headers", {})[REQUEST_ID] = {"$ref": f"#/components/headers/{REQUEST_ID}"}


DOWN = "AWS is down or throttled"
FAULT = problem("A fault of ours; the logs have it under the request's id")
OPEN: ResponseDict = {
    "400": problem("The request is no sound HTTP"),
    "414": problem("The address is too long"),
    "431": problem("The headers are too long, or too many"),
    "500": FAULT,
}
"""What any request may be answered, one without a key too."""

COMMON: ResponseDict = OPEN | {
    "401": problem(
        "An API key is needed, and none that is known came along",
        headers=header("WWW-Authenticate", "`Bearer`", {"type": "string", "const": "Bearer"}, always=True),
    ),
    "429": problem("More requests or uploads than are allowed", headers=retry_after(always=True)),
    "503": problem(DOWN, headers=retry_after(always=True)),
}
NOT_FOUND = problem("There is no such photo, or no longer")
NO_JOB = problem("There is no such photo or job, or no longer")
IN_FLIGHT = "The request with this Idempotency-Key is under way; then Retry-After says when to ask for its answer"
REUSED = "the Idempotency-Key came with another request before"
INVALID = problem("Something in the request is wrong; `errors` names each field")
BAD_KEY = "The request is no sound HTTP, or its Idempotency-Key is none"
TOO_LARGE = problem("The body is larger than is allowed")
NOT_JSON = problem("The body is not sent as application/json")
