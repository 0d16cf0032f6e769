"""The text step."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, field_validator

from darkroom.jobs.spec import Aliases, Colour
from darkroom.jobs.steps.overlays.overlay import LENGTHS, Overlay
from darkroom.nearest_name import nearest_name

LONGEST_TEXT = 500
"""Characters of a text, before its placeholders are filled in."""

PLACEHOLDERS: Mapping[str, str] = {
    "date": "day on which the photo was taken: 2024-05-17",
    "time": "time of day at which it was taken: 18:30",
    "year": "year in which it was taken",
    "camera": "make and model of the camera",
    "lens": "model of the lens",
    "focal_length": "focal length: 35 mm",
    "aperture": "f-number: f/2.8",
    "shutter": "exposure time: 1/250 s",
    "iso": "sensitivity: ISO 200",
    "title": "title",
    "caption": "caption",
    "artist": "who made the photo",
    "copyright": "copyright notice",
    "credit": "credit line",
    "city": "city that the photo shows",
    "country": "country that the photo shows",
}
"""Every placeholder of a text -> what of the photo's metadata stands in its place."""

PLACEHOLDER = re.compile(r"\{\{|\}\}|\{([a-z_]+)\}")
"""A placeholder, or two braces that stand for one."""

UNWRITABLE = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\ufffe\uffff]")
"""Control characters but the line break, and code points that are no characters."""


class Text(Overlay):
    """Write on the photo. Lines break where the text has line breaks, and between words where `width` ends."""

    example: ClassVar[dict[str, Any]] = {
        "type": "text",
        "text": "© {year} Ann Example\nAll rights reserved",
        "size": 0.06,
        "colour": "#ffffff",
        "stroke_width": 0.06,
        "position": "south",
    }

    type: Literal["text"] = "text"
    text: str = Field(
        min_length=1,
        max_length=LONGEST_TEXT,
        json_schema_extra={"pattern": r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff]*$"},
        description=f"may have line breaks and placeholders: {', '.join(f'{{{name}}}' for name in PLACEHOLDERS)}",
    )
    font: Literal["sans", "serif", "mono"] = Field("sans", description="Liberation Sans, Serif or Mono")
    weight: Literal["regular", "bold"] = "regular"
    size: float = Field(0.05, ge=0.005, le=4096, description=f"height of a line of text. {LENGTHS}")
    colour: Colour = "#ffffff"
    stroke_width: float = Field(
        0.0, ge=0, le=0.5, description="width of the outline around each letter, as a share of the size"
    )
    stroke_colour: Colour = "#000000"
    box: Colour | None = Field(None, description="colour of a box behind the text")
    box_padding: float = Field(
        0.4, ge=0, le=4, description="space between the text and the edge of its box, as a share of the size"
    )
    align: Annotated[Literal["left", "centre", "right"], Aliases({"center": "centre"})] | None = Field(
        None, description="of the lines among themselves; default: the side of the picture where the text lies"
    )
    width: float = Field(
        1.0, ge=0.01, le=1, description="share of the picture's width, without margins, where lines end"
    )
    line_height: float = Field(1.2, ge=0.5, le=4, description="distance of lines as a multiple of the size")

    @field_validator("text")
    @classmethod
    def _known_placeholders(cls, text: str) -> str:
        text = re.sub("\r\n|[\r\u2028\u2029]", "\n", text).replace("\t", " ")
        if UNWRITABLE.search(text):
            raise ValueError("has a control character; only line breaks and tabs are allowed")
        for found in PLACEHOLDER.finditer(text):
            if found[1] and found[1] not in PLACEHOLDERS:
                near = nearest_name(found[1], PLACEHOLDERS)
                hint = f"did you mean {{{near}}}?" if near else f"it may be one of {', '.join(PLACEHOLDERS)}."
                raise ValueError(f"unknown placeholder {{{found[1]}}}; {hint} Double the braces to write them")
        return text
