"""The trim step."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from darkroom.jobs.spec import MAX_SIDE, Colour
from darkroom.jobs.steps.step import StepSpec


class Trim(StepSpec):
    """Cut off borders that have the colour of the background. A picture of one colour stays as it is.

    A pixel belongs to the picture if a channel, after a median of 3 x 3 pixels, differs from the background by more
    than `threshold`, or its alpha does.
    """

    example: ClassVar[dict[str, Any]] = {"type": "trim", "background": "#ffffff", "threshold": 20, "line_art": True}

    type: Literal["trim"] = "trim"
    background: Colour | None = Field(None, description="by default the colour of the top left pixel")
    threshold: float = Field(10, ge=0, le=255, description="levels of 255 by which a pixel may differ")
    line_art: bool = Field(False, description="without the median: single pixels and thin lines count, too")
    margin: int = Field(0, ge=0, le=MAX_SIDE, description="pixels to keep around what is found")
