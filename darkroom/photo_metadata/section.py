"""The base of the models, and how a field says where its value comes from."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class MetadataSection(BaseModel):
    """A part of the result. A field that the photo says nothing about is left out."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def from_tags(source: str, description: str, example: Any, *, unit: str | None = None, default: Any = None) -> Any:
    """A field whose value comes from the tags that `source` names, with an example and perhaps a unit."""
    extra: dict[str, Any] = {"source": source} | ({"unit": unit} if unit else {})
    if isinstance(default, list | dict):
        return Field(default_factory=default.copy, description=description, examples=[example], json_schema_extra=extra)
    return Field(default, description=description, examples=[example], json_schema_extra=extra)
