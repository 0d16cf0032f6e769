"""Pydantic's errors as faults for the caller: where the fault is, and in plain words what would be right."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from darkroom.errors import Fault


def faults_of(error: ValidationError, root: str = "") -> list[Fault]:
    """List every fault with the path where the caller finds it, such as `jobs[0].steps[2].width`.

    `root` stands before each path. Give it for a list that was validated alone: pydantic knows no name for it.
    """
    return [
        Fault(field=_path((root, *fault["loc"]) if root else fault["loc"]), detail=_detail(fault), code=fault["type"])
        for fault in error.errors(include_url=False)
    ]


_LISTS_OF_UNIONS = {"jobs", "steps"}
"""After an index into such a list, pydantic's location has the item's tag, and after `filter` the filter's name."""


_KINDS_OF_POSITION = {"gravity", "point"}
"""The tags of `Position`. The location has one after the field's name."""


def _path(location: tuple[int | str, ...]) -> str:
    """Write a pydantic location as a path, without the names of union members in it."""
    path = ""
    parts = iter(location)
    previous: int | str = ""
    for part in parts:
        if isinstance(part, int):
            path += f"[{part}]"
            if previous in _LISTS_OF_UNIONS and next(parts, None) == "filter":
                next(parts, None)
        elif not (previous == "position" and part in _KINDS_OF_POSITION):
            path += f".{part}" if path else part
        previous = part
    return path


_MESSAGES = {
    "extra_forbidden": "unknown field",
    "missing": "is required",
    **dict.fromkeys(("dict_type", "model_type", "model_attributes_type"), "must be an object"),
    "list_type": "must be a list",
    "too_short": "must have at least {min_length} item(s)",
    "too_long": "must have at most {max_length} items",
    "string_type": "must be a string",
    "string_too_short": "must have at least {min_length} character(s)",
    "string_too_long": "must have at most {max_length} characters",
    "string_pattern_mismatch": "must match the pattern {pattern}",
    **dict.fromkeys(("bool_type", "bool_parsing"), "must be true or false"),
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), "must be a whole number"),
    **dict.fromkeys(("float_type", "float_parsing"), "must be a number"),
    "finite_number": "must be a finite number",
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "literal_error": "must be {expected}",
}
"""Pydantic's code -> our message. Pydantic's own messages use Python's words for types."""


def _detail(fault: Any) -> str:
    context = {name: _plain_number(value) for name, value in fault.get("ctx", {}).items()}
    if fault["type"] in ("union_tag_invalid", "union_tag_not_found"):
        tag = context["discriminator"].strip("'")
        known = context.get("expected_tags")
        return f"`{tag}` must be one of {known}, not {context['tag']!r}" if known else f"`{tag}` is required"
    if message := _MESSAGES.get(fault["type"]):
        return message.format_map(context)
    return str(fault["msg"]).removeprefix("Value error, ")


def _plain_number(value: Any) -> Any:
    """A limit of 100.0 is written as 100."""
    return int(value) if isinstance(value, float) and value.is_integer() else value
