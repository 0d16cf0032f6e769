"""The resize step."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from darkroom.jobs.spec import Colour, Side
from darkroom.jobs.steps.gravity import Position
from darkroom.jobs.steps.step import StepSpec


class Resize(StepSpec):
    """Change the size. With one side given, the other follows the aspect ratio; with `fill` the other side stays."""

    example: ClassVar[dict[str, Any]] = {"type": "resize", "width": 800, "height": 600, "fit": "inside"}
    json_schema: ClassVar[dict[str, Any]] = {  # pydantic's schema cannot say what the validator below checks
        "anyOf": [{"required": [side], "properties": {side: {"type": "integer"}}} for side in ("width", "height")]
    }

    type: Literal["resize"] = "resize"
    width: Side | None = None
    height: Side | None = None
    fit: Literal["cover", "contain", "fill", "inside", "outside"] = Field(
        "cover",
        description="cover crops, contain pads, fill STRETCHES, inside fits within, outside is at least as large",
    )
    position: Position = Field("centre", description="what cover keeps, or where contain puts the photo")
    without_enlargement: bool = Field(False, description="never make the photo larger than it is")
    background: Colour = Field("#000000", description="colour of the padding of contain")
    kernel: Literal["nearest", "box", "linear", "hamming", "cubic", "lanczos3"] = Field(
        "lanczos3", description="how new pixels are computed; lanczos3 gives the best quality, nearest is the fastest"
    )

    @model_validator(mode="after")
    def _has_a_side(self) -> Resize:
        if self.width is None and self.height is None:
            raise ValueError("give width, height or both")
        return self
