"""The extend step."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from darkroom.jobs.spec import MAX_SIDE, Colour
from darkroom.jobs.steps.step import StepSpec


class Extend(StepSpec):
    """Add pixels at the sides."""

    example: ClassVar[dict[str, Any]] = {"type": "extend", "top": 10, "bottom": 10, "extend_with": "mirror"}

    type: Literal["extend"] = "extend"
    top: int = Field(0, ge=0, le=MAX_SIDE, description="pixels")
    right: int = Field(0, ge=0, le=MAX_SIDE, description="pixels")
    bottom: int = Field(0, ge=0, le=MAX_SIDE, description="pixels")
    left: int = Field(0, ge=0, le=MAX_SIDE, description="pixels")
    extend_with: Literal["background", "copy", "repeat", "mirror"] = Field(
        "background",
        description="what the new pixels show: the background, the outermost pixels again, the picture again, or its "
        "mirror image",
    )
    background: Colour = Field("#000000", description="colour of the new pixels")
