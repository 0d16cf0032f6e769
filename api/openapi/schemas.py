"""JSON schemas of models, as routes put them into the OpenAPI document where flask-openapi3 would drop parts."""

from __future__ import annotations

from typing import Any

from flask_openapi3.models.schema import Schema
from pydantic import BaseModel
from pydantic.config import JsonDict
from pydantic.json_schema import models_json_schema

SCHEMAS = "#/components/schemas/"

ANY_FILE = "application/octet-stream"


def ref(model: type[BaseModel]) -> dict[str, Any]:
    """A reference to the model's schema among the document's components."""
    return {"$ref": SCHEMAS + model.__name__}


def components(*models: type[BaseModel]) -> dict[str, Schema]:
    """Schemas of models that no route's signature names, and of the models in their fields."""
    _, written = models_json_schema([(model, "serialization") for model in models], ref_template=SCHEMAS + "{model}")
    return {name: Schema(**definition) for name, definition in written["$defs"].items()}


def inline(model: type[BaseModel]) -> dict[str, Any]:
    """The model's own schema; models in its fields are references."""
    written = model.model_json_schema(ref_template=SCHEMAS + "{model}", mode="serialization")
    written.pop("$defs", None)
    return written


def json_body(model: type[BaseModel]) -> dict[str, Any]:
    """A requestBody with the model's complete schema."""
    return {"required": True, "content": {"application/json": {"schema": inline(model)}}}


def exactly_one(fields: dict[str, dict[str, Any]]) -> JsonDict:
    """For a model's `json_schema_extra`: exactly one of these fields is given, with a value that fits its schema."""
    return {"oneOf": [{"required": [name], "properties": {name: value}} for name, value in fields.items()]}


def file_body() -> dict[str, Any]:
    """The content of a requestBody that is the file itself.

    The document names one media type: generators of clients know no others, and people need not choose one.
    """
    return {ANY_FILE: {"schema": {"type": "string", "format": "binary"}}}


def form_fields(model: type[BaseModel], examples: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """A model's fields as fields of a form: text, left out or empty instead of null, some of them JSON."""
    return {name: _as_text(field, examples.get(name)) for name, field in inline(model)["properties"].items()}


def query_parameters(model: type[BaseModel]) -> list[dict[str, Any]]:
    """The same fields as query parameters, without examples: Swagger UI would send them in form and query."""
    return [
        {"name": name, "in": "query", "description": field.pop("description"), "schema": field}
        for name, field in form_fields(model, examples={}).items()
    ]


def _as_text(field: dict[str, Any], example: Any) -> dict[str, Any]:
    # JSON is text here: by OpenAPI's own rules each item of a list would be a part of its own. It has no
    # contentMediaType: Swagger UI would ask for a file.
    text = [option for option in field["anyOf"] if option.get("type") in ("string", "boolean")]
    written = text[0] if text else {"type": "string"}
    if "pattern" in written:
        written |= {"pattern": f"^$|{written['pattern']}"}
    return written | {"description": field["description"]} | ({} if example is None else {"example": example})
