"""The round step."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from darkroom.jobs.spec import MAX_SIDE
from darkroom.jobs.steps.step import StepSpec


class Round(StepSpec):
    """Make the corners round, or keep only a circle. What lies outside becomes transparent, with smooth edges. A result
    of a format without alpha gets the `background` of `output` there."""

    example: ClassVar[dict[str, Any]] = {"type": "round", "radius": 0.1, "unit": "share"}
    json_schema: ClassVar[dict[str, Any]] = {
        "anyOf": [
            {"required": ["radius"], "properties": {"radius": {"type": "number"}}},
            {"required": ["circle"], "properties": {"circle": {"const": True}}},
        ]
    }

    type: Literal["round"] = "round"
    radius: float | None = Field(
        None, ge=0, le=MAX_SIDE, description="radius of the corners: at most half of the shorter side"
    )
    unit: Literal["pixels", "share"] = Field(
        "pixels", description="of the radius: pixels, or shares (0 to 0.5) of the shorter side"
    )
    circle: bool = Field(
        False,
        description="whatever the radius is, the largest circle in the middle. For one without margins, make the "
        "picture a square first",
    )

    @model_validator(mode="after")
    def _has_a_shape(self) -> Round:
        if self.radius is None and not self.circle:
            raise PydanticCustomError("round_shape", "give a radius, or circle: true")
        return self
