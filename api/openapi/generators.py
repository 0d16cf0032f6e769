"""JSON schemas from which generators of clients make complete code. They accept what they accepted before."""

from __future__ import annotations

from typing import Any

UNIONS = ("anyOf", "oneOf")


def suit_generators(part: Any) -> None:
    """Change every schema below `part`, in place."""
    if isinstance(part, dict):
        _move_rules(part)
        _write_constants_as_enums(part)
        part = list(part.values())
    if isinstance(part, list):
        for below in part:
            suit_generators(below)


def _move_rules(schema: dict[str, Any]) -> None:
    """Move `anyOf` and `oneOf` that stand beside `properties` into `allOf`.

    They are rules between fields, such as "width or height". Generators take them for the whole schema, and their class
    then lacks all fields that no rule names.
    """
    if not isinstance(schema.get("properties"), dict):
        return
    rules = [*schema.pop("allOf", []), *[{union: schema.pop(union)} for union in UNIONS if union in schema]]
    if rules := [rule for rule in rules if rule]:  # flask-openapi3 drops `if` and `then`, and leaves empty rules
        schema["allOf"] = rules


def _write_constants_as_enums(schema: dict[str, Any]) -> None:
    """Write a constant beside other options, such as "auto" beside a number, as an enum with one value.

    The code that openapi-python-client makes of a constant refuses the values of the other options.
    """
    for union in UNIONS:
        options = schema.get(union, [])
        if sum(option.get("type") != "null" for option in options) > 1:
            for option in options:
                if "const" in option:
                    option["enum"] = [option.pop("const")]
