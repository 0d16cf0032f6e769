"""Pydantic's errors as faults for the caller: where the fault is, and in plain words what would be right."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails, core_schema

from darkroom.errors import Fault
from darkroom.jobs.asset_ids import ASSET_ID
from darkroom.jobs.foreign_names import name_here
from darkroom.jobs.job_types import JOB_TYPES, STEP_JOBS
from darkroom.jobs.json_text import explain_json_error
from darkroom.jobs.output import Output
from darkroom.jobs.output_formats import OUTPUT_FORMATS
from darkroom.jobs.step_types import FILTER_SPELLINGS, FILTERS, STEP_TYPES
from darkroom.jobs.steps.aspect import ASPECT
from darkroom.jobs.steps.filters.effects import ShareBox
from darkroom.jobs.steps.gravity import FocalPoint
from darkroom.nearest_name import nearest_name

MOST_SUGGESTIONS = 20
"""Faults that get a suggestion. A request can have thousands of wrong names, and each search takes time."""

LONGEST_VALUE = 40
"""Characters of a wrong value that a message repeats; longer values are left out."""


def faults_of(error: ValidationError, root: str = "", fields: Iterable[str] = ()) -> list[Fault]:
    """List every fault with the path where the caller finds it, such as `jobs[0].steps[2].width`.

    `root` is put before each path. Give it for a list that was validated alone, because pydantic has no name for it.
    `fields` are the field names of the validated model itself; an unknown field is compared with them.
    """
    found = []
    for number, fault in enumerate(_without_consequences(error.errors(include_url=False))):
        location = (root, *fault["loc"]) if root else fault["loc"]
        detail = _detail(fault)
        if number < MOST_SUGGESTIONS:
            detail += _suggested(fault, location, fields)
        # A check of a whole list may say in which of its items the fault is.
        place = fault.get("ctx", {}).get("place", "")
        found.append(Fault(field=_path(location) + place, detail=detail, code=fault["type"]))
    return found


def _without_consequences(faults: Sequence[ErrorDetails]) -> list[ErrorDetails]:
    """Pydantic does not count wrong items of a list, so it also calls the list too short. That is left out."""
    within = {fault["loc"][:length] for fault in faults for length in range(len(fault["loc"]))}
    return [fault for fault in faults if fault["type"] != "too_short" or fault["loc"] not in within]


def _suggested(fault: Any, location: tuple[int | str, ...], fields: Iterable[str]) -> str:
    """The suggestion for an unknown field, or for a word that is none of a list."""
    if fault["type"] == "extra_forbidden":
        return _suggestion(str(location[-1]), _known_fields(location[:-1], fields))
    if fault["type"] == "literal_error":
        return _suggestion(fault["input"], _quoted(fault["ctx"]["expected"]))
    return ""


def _suggestion(given: object, known: Iterable[str]) -> str:
    if not isinstance(given, str) or len(given) > LONGEST_VALUE:
        return ""
    names = list(known)
    near = name_here(given, names) or nearest_name(given, names)
    return f"; did you mean {near}?" if near else ""


def _quoted(text: str) -> list[str]:
    """The words between single quotes."""
    return re.findall(r"'([^']+)'", text)


def _known_fields(location: tuple[int | str, ...], fields: Iterable[str]) -> Iterable[str]:
    """The field names of the object at this pydantic location; `fields` are those of the whole."""
    match location:
        case ():
            return fields
        case (*_, "output"):
            return Output.model_fields
        case (*_, "position", "point"):
            return FocalPoint.model_fields
        case (*_, "boxes", int()):
            return ShareBox.model_fields
        case (*_, "steps", int(), "filter", str(name)):
            return FILTER_SPELLINGS[name].model_fields
        case (*_, "steps", int(), str(step_type)):
            of_step: Iterable[str] = STEP_TYPES[step_type].model_fields
            return of_step
        case (*_, "jobs", int(), "filter", str(name)):
            return STEP_JOBS[FILTER_SPELLINGS[name]].model_fields
        case (*_, "jobs", int(), str(job_type)):
            known: Iterable[str] = JOB_TYPES[job_type].spec.model_fields
            return known
    return ()


_LISTS_OF_UNIONS = {"jobs", "steps"}
"""After an index into such a list, pydantic's location has the item's tag, and after `filter` the filter's name."""


_KINDS = {"position": {"gravity", "point"}, "frames": {"name", "number"}, "quality": {"name", "number"}}
"""Fields whose values are of several kinds -> the tags of the kinds. The location has one after the field's name."""


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
        elif part not in _KINDS.get(str(previous), ()):
            path += f".{part}" if path else part
        previous = part
    return path


_MESSAGES = {
    "extra_forbidden": "unknown field",
    "missing": "is required",
    **dict.fromkeys(("dict_type", "model_type", "model_attributes_type"), "must be an object"),
    **dict.fromkeys(("list_type", "tuple_type"), "must be a list"),
    "too_short": "must have at least {min_length} items",
    "too_long": "must have at most {max_length} items",
    "string_type": "must be a string",
    "string_unicode": "must be text in Unicode",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "string_pattern_mismatch": "does not have the right form",
    **dict.fromkeys(("bool_type", "bool_parsing"), "must be true or false"),
    **dict.fromkeys(("int_type", "int_parsing", "int_parsing_size", "int_from_float"), "must be a whole number"),
    **dict.fromkeys(("float_type", "float_parsing"), "must be a number"),
    **dict.fromkeys(("uuid_type", "uuid_parsing"), "must be a UUID"),
    "finite_number": "must be a finite number",
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "literal_error": "must be {expected}",
}
"""Pydantic's code -> our message. Pydantic's own messages use Python's words for types."""

_FORMS = {
    ASPECT: 'must be a width and a height, such as "16:9" or "1.85:1"',
    ASSET_ID: "must be the id of an asset: 64 digits and small letters from a to f, as POST /v1/assets gives it",
}
"""The pattern of a text -> what to write."""

_OTHER_KINDS = {
    ("frames", "name"): ", or how many frames, such as 20",
    ("frames", "number"): ", 'first' or 'all'",
    ("position", "gravity"): ', or a point such as {"x": 0.3, "y": 0.8}',
    ("quality", "number"): ' or "auto"',
}
"""A field whose values are of several kinds, and the kind that a value was taken for -> the other kinds."""

_OTHER = "is not valid"
"""The message for any other code of pydantic's own."""

_PYDANTICS_OWN = set(get_args(core_schema.ErrorType)) - {"value_error"}


def _detail(fault: Any) -> str:
    code, value = fault["type"], fault["input"]
    context = {name: _plain_number(value) for name, value in fault.get("ctx", {}).items()}
    if code in ("union_tag_invalid", "union_tag_not_found"):
        return _wrong_tag(context["discriminator"].strip("'"), context)
    if code == "json_invalid":
        return explain_json_error(context["error"]) if "error" in context else str(fault["msg"])
    if code == "string_pattern_mismatch" and context["pattern"] in _FORMS:
        return _FORMS[context["pattern"]]
    message = _MESSAGES.get(code)
    if message is None:  # the error of a check of ours: its own message
        return _OTHER if code in _PYDANTICS_OWN else str(fault["msg"]).removeprefix("Value error, ")
    detail = re.sub(r"\b1 (item|character)s\b", r"1 \1", message.format_map(context))
    if code == "model_type" and fault["loc"][-1:] == ("output",):
        detail += f', such as {{"format": "{value if value in [*OUTPUT_FORMATS] else "jpeg"}"}}'
    if code in ("literal_error", "int_type"):
        detail += _OTHER_KINDS.get(fault["loc"][-2:], "")
    if code.startswith(("int_", "float_", "bool_")) and (shown := _as_json(value)):
        detail += f", not {shown}"
    return detail


def _as_json(value: Any) -> str:
    """A wrong value as the caller has written it; empty if it is no text, number, true, false or null, or too long."""
    if not isinstance(value, str | int | float | None) or (isinstance(value, str) and len(value) > LONGEST_VALUE):
        return ""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST_VALUE + len('""') else ""


def _wrong_tag(field: str, context: dict[str, Any]) -> str:
    """The message for a `type` or `filter` that is missing or unknown. It does not repeat a long one."""
    if "tag" not in context:
        return f"`{field}` is required"
    tag, known = str(context["tag"]), _quoted(context["expected_tags"])
    named = f'unknown {field} "{tag}"' if len(tag) <= LONGEST_VALUE else f"unknown {field}"
    if field == "type" and tag in FILTER_SPELLINGS:
        return f'{named}; {tag} is a filter: {{"type": "filter", "filter": "{tag}"}}'
    names = [name for name in known if field == "type" or name in FILTERS]
    return named + (_suggestion(tag, known) or f"; it must be one of {', '.join(names)}")


def _plain_number(value: Any) -> Any:
    """A limit of 100.0 is written as 100."""
    return int(value) if isinstance(value, float) and value.is_integer() else value
