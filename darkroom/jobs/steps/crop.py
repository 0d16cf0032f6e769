"""The crop step."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, PlainSerializer, model_validator
from pydantic_core import PydanticCustomError

from darkroom.jobs.steps.aspect import ASPECT, Aspect
from darkroom.jobs.steps.gravity import Position
from darkroom.jobs.steps.step import StepSpec

FARTHEST = 1_000_000
"""The highest number of a column or row that a crop may name."""


def _whole(value: float) -> int | float:
    return int(value) if value.is_integer() else value


Length = Annotated[float, Field(ge=0, le=FARTHEST), PlainSerializer(_whole)]
"""Pixels or a share. Records and answers show whole numbers without a fraction."""


def _wrong(detail: str) -> PydanticCustomError:
    """The error of fields that do not go together."""
    return PydanticCustomError("crop_fields", "{detail}", {"detail": detail})


def _given(*names: str) -> dict[str, Any]:
    """The JSON schema of objects that have these fields."""
    return {"required": list(names), "properties": {name: {"not": {"type": "null"}} for name in names}}


_WHOLE = {"type": ["integer", "null"], "maximum": FARTHEST}
_NUMBER = {"type": "number", "minimum": 0, "maximum": FARTHEST}


class Crop(StepSpec):
    """Cut out a part: from a corner (`left`, `top`), or where `position` says. `extract` of sharp.

    A side that is not given reaches to the border, or follows the aspect ratio. By `position`, a part that would be
    larger than the picture becomes as large as it can. From a corner, a part in pixels that is not within the picture
    is an error. One in shares ends at the border; with an aspect ratio it becomes smaller and keeps it.
    """

    example: ClassVar[dict[str, Any]] = {"type": "crop", "aspect": "16:9", "position": "north"}
    json_schema: ClassVar[dict[str, Any]] = {  # what the validator below checks
        "anyOf": [
            *({"required": [name], "properties": {name: _NUMBER}} for name in ("left", "top", "width", "height")),
            {"required": ["aspect"], "properties": {"aspect": {"type": "string", "pattern": ASPECT}}},
        ],
        "allOf": [
            {"not": _given("left", "position")},
            {"not": _given("top", "position")},
            {"not": _given("width", "height", "aspect")},
            {
                "if": {"required": ["unit"], "properties": {"unit": {"const": "share"}}},
                "then": {
                    "properties": {
                        **{name: {"minimum": 0, "exclusiveMaximum": 1} for name in ("left", "top")},
                        **{name: {"exclusiveMinimum": 0, "maximum": 1} for name in ("width", "height")},
                    }
                },
                "else": {
                    "properties": {
                        **dict.fromkeys(("left", "top"), _WHOLE | {"minimum": 0}),
                        **dict.fromkeys(("width", "height"), _WHOLE | {"minimum": 1}),
                    }
                },
            },
        ],
    }

    type: Literal["crop"] = "crop"
    left: Length | None = Field(None, description="first column of the part; 0 if only `top` is given")
    top: Length | None = Field(None, description="first row of the part; 0 if only `left` is given")
    width: Length | None = Field(None, description="width of the part")
    height: Length | None = Field(None, description="height of the part")
    unit: Literal["pixels", "share"] = Field(
        "pixels", description="of the four numbers: whole pixels, or shares (0 to 1) of the picture's width and height"
    )
    aspect: Aspect | None = Field(
        None, description="width:height of the part. With one side, the other follows. Without, the part is the largest"
    )
    position: Position | None = Field(
        None, description="where the part lies if neither `left` nor `top` is given; by default in the centre"
    )

    @model_validator(mode="after")
    def _is_consistent(self) -> Crop:
        sides = {"width": self.width, "height": self.height}
        corner = {"left": self.left, "top": self.top}
        if self.has_corner and self.position is not None:
            raise _wrong("give left and top, or position, and not both")
        if self.aspect and None not in sides.values():
            raise _wrong("give aspect with at most one of width and height")
        if not self.aspect and not self.has_corner and not any(sides.values()):
            raise _wrong("give width, height or aspect")
        for name, value in (sides | corner).items():
            if value is not None:
                self._check_number(name, value)
        return self

    def _check_number(self, name: str, value: float) -> None:
        if self.unit == "pixels" and not value.is_integer():
            raise _wrong(f'{name} must be a whole number of pixels; for shares, add "unit": "share"')
        if name in ("width", "height") and value == 0:
            raise _wrong(f"{name} must be more than 0")
        if self.unit == "share" and (value > 1 or (value == 1 and name in ("left", "top"))):
            raise _wrong(f"{name} must be a share {'of at most' if name in ('width', 'height') else 'below'} 1")

    @property
    def has_corner(self) -> bool:
        """Whether the part lies where `left` and `top` say."""
        return self.left is not None or self.top is not None
