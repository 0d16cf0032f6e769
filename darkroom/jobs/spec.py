"""The base class of all job and step specs, and the types that their fields share."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import reduce
from operator import or_
from typing import Annotated, Any, ClassVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

MAX_SIDE = 16_384
"""Longest side that a caller may ask for, in pixels. A side that follows the aspect ratio may become longer, as long as
the result stays within the allowed number of pixels. WebP's own limit is 16,383 pixels; the encoder reports that."""

CSS_COLOURS = {
    "black": "#000000",
    "white": "#ffffff",
    "gray": "#808080",
    "grey": "#808080",
    "red": "#ff0000",
    "green": "#008000",
    "blue": "#0000ff",
    "yellow": "#ffff00",
    "transparent": "#00000000",
}


def _hex_colour(value: str) -> str:
    """Bring a colour into the form #rrggbb, or #rrggbbaa when it is not opaque."""
    text = CSS_COLOURS.get(value.lower(), value.lower())
    if not re.fullmatch(r"#(?:[0-9a-f]{3,4}|[0-9a-f]{6}|[0-9a-f]{8})", text):
        raise ValueError(f"use #rgb, #rrggbb, #rrggbbaa or one of {', '.join(CSS_COLOURS)}")
    digits = text[1:]
    if len(digits) < 6:
        digits = "".join(digit * 2 for digit in digits)
    return "#" + digits.removesuffix("ff") if len(digits) == 8 else "#" + digits


Colour = Annotated[
    str,
    AfterValidator(_hex_colour),
    Field(
        max_length=16,
        description="#rgb, #rrggbb, #rrggbbaa or a basic colour name",
        examples=["#ffffff"],
        json_schema_extra={
            "pattern": rf"^(#([0-9a-fA-F]{{3,4}}|[0-9a-fA-F]{{6}}|[0-9a-fA-F]{{8}})|{'|'.join(CSS_COLOURS)})$"
        },
    ),
]


def _opaque(value: str) -> str:
    if len(value) > len("#rrggbb"):
        raise ValueError("use an opaque colour: #rgb, #rrggbb or a basic colour name")
    return value


_OPAQUE_NAMES = [name for name in CSS_COLOURS if name != "transparent"]

OpaqueColour = Annotated[
    str,
    AfterValidator(_hex_colour),
    AfterValidator(_opaque),
    Field(
        max_length=16,
        description="#rgb, #rrggbb or a basic colour name",
        examples=["#704214"],
        json_schema_extra={"pattern": rf"^(#([0-9a-fA-F]{{3}}|[0-9a-fA-F]{{6}})|{'|'.join(_OPAQUE_NAMES)})$"},
    ),
]
"""A colour without transparency."""

Share = Annotated[float, Field(ge=0, le=1)]

NAME = r"^[a-z0-9][a-z0-9_-]{0,63}$"
"""What names of presets and of results look like. They stand in addresses and in names of files and folders."""


def _is_name(value: str) -> str:
    if not re.fullmatch(NAME, value):
        raise PydanticCustomError(
            "not_a_name",
            "must have 1 to 64 lower-case letters (a to z), digits, hyphens and underscores, and begin with a letter "
            "or a digit",
        )
    return value


Name = Annotated[str, AfterValidator(_is_name), Field(json_schema_extra={"pattern": NAME})]
Side = Annotated[int, Field(ge=1, le=MAX_SIDE, description="pixels")]


class Spec(BaseModel):
    """Base of all specs. Unknown fields are errors, and a spec is immutable."""

    example: ClassVar[dict[str, Any]] = {}
    """A valid spec as JSON. The spec's JSON schema shows it, and a test runs it."""

    json_schema: ClassVar[dict[str, Any]] = {}
    """More keywords of the JSON schema, for the rules that only a validator checks: pydantic does not derive these."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, json_schema_extra=lambda schema, model: _complete(schema, model)
    )


class StrictSpec(Spec):
    """A spec whose fields take only values of their own JSON type: `true` is not the number 1, and `"80"` not 80.

    JSON has one type of number, so 80.0 is a whole number (JSON Schema 2020-12, 6.1.1).
    """

    model_config = ConfigDict(strict=True)

    @model_validator(mode="before")
    @classmethod
    def _whole_numbers(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        return {
            name: int(value) if isinstance(value, float) and value.is_integer() else value
            for name, value in given.items()
        }


class TaggedSpec(StrictSpec):
    """Base of jobs and steps: `type` (and `filter`, for filters) select the class."""

    type: str


def _complete(schema: dict[str, Any], model: type[Any]) -> None:
    """Add the example and the extra keywords. List the tags as required, although they have defaults in Python."""
    tags = [name for name, field in schema["properties"].items() if _has_one_value(field)]
    if tags:
        schema["required"] = list(dict.fromkeys([*schema.get("required", []), *tags]))
    if model.example:
        schema["examples"] = [model.example]
    for base in reversed(model.__mro__):  # a job of one step has the keywords of the step and those of jobs
        schema |= vars(base).get("json_schema", {})


def _has_one_value(field: dict[str, Any]) -> bool:
    """Whether a field can have only one value, perhaps in several spellings."""
    return "const" in field or len(set(field.get("enum", ())) - set(field.get(ALIASES, ()))) == 1


class Aliases:
    """In `Annotated[Literal["centre", ...], Aliases({"center": "centre"})]`: other spellings that requests may use.

    A spec always holds the value itself, so that equal jobs are equal. The JSON schema lists all spellings, and its
    keyword `x-aliases` says which value each alias stands for.
    """

    def __init__(self, values: Mapping[str, str]) -> None:
        self.values = dict(values)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """The alias is replaced after the check, because pydantic selects a class by `type` or `filter` before it."""
        known = handler(source)["expected"]
        if unknown := set(self.values.values()) - set(known):
            raise TypeError(f"aliases of {', '.join(sorted(unknown))}, which is not among {', '.join(known)}")
        every_spelling = core_schema.literal_schema([*known, *self.values])
        return core_schema.no_info_after_validator_function(lambda given: self.values.get(given, given), every_spelling)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return handler(schema) | {ALIASES: self.values}


ALIASES = "x-aliases"
"""The keyword of a JSON schema that lists the aliases of a field: alias -> value."""


def spellings(field: FieldInfo) -> list[str]:
    """The default of a field, and its aliases."""
    lists = (each.values for each in field.metadata if isinstance(each, Aliases))
    return [field.default, *(alias for values in lists for alias, value in values.items() if value == field.default)]


class OneOf:
    """In `Annotated[Base, OneOf(specs, by="type")]`: pydantic validates as the spec whose tag `by` has the given value.

    Type checkers see `Base`, so a tuple of classes is enough and no union has to be written by hand. A member may be
    such an annotated base itself.
    """

    def __init__(self, specs: Iterable[Any], by: str) -> None:
        self._specs = tuple(specs)
        self._by = by

    def __get_pydantic_core_schema__(self, _base: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        options = Field(discriminator=self._by, json_schema_extra=_drop_nested_mapping)
        return handler.generate_schema(Annotated[reduce(or_, self._specs), options])


def _drop_nested_mapping(schema: dict[str, Any]) -> None:
    """Leave out the mapping of a union that holds another: OpenAPI takes names there, pydantic writes schemas."""
    discriminator = schema.get("discriminator", {})
    if any(not isinstance(target, str) for target in discriminator.get("mapping", {}).values()):
        del schema["discriminator"]
