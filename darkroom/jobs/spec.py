"""The base class of all job and step specs, and the types that their fields share."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

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
Share = Annotated[float, Field(ge=0, le=1)]
Side = Annotated[int, Field(ge=1, le=MAX_SIDE, description="pixels")]


def require_tags(schema: dict[str, Any]) -> None:
    """List `type` and `filter` as required: they select the model, although they have defaults in Python."""
    tags = [name for name, field in schema["properties"].items() if "const" in field]
    if tags:
        schema["required"] = list(dict.fromkeys([*schema.get("required", []), *tags]))


class Spec(BaseModel):
    """Base of all specs. Unknown fields are errors, and a spec is immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra=require_tags)
