"""The resize step."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from darkroom.jobs.spec import Colour, Side
from darkroom.jobs.steps.aspect import Aspect, half_up, ratio
from darkroom.jobs.steps.gravity import Position
from darkroom.jobs.steps.step import StepSpec


class Resize(StepSpec):
    """Change the size. With one side given, the other follows the aspect ratio of the picture, or the one that `aspect`
    names; with `fill` the other side stays."""

    example: ClassVar[dict[str, Any]] = {"type": "resize", "width": 800, "height": 600, "fit": "inside"}
    json_schema: ClassVar[dict[str, Any]] = {  # pydantic's schema cannot say what the validator below checks
        "anyOf": [{"required": [side], "properties": {side: {"type": "integer"}}} for side in ("width", "height")],
        "not": {
            "required": ["width", "height", "aspect"],
            "properties": {"width": {"type": "integer"}, "height": {"type": "integer"}, "aspect": {"type": "string"}},
        },
    }

    type: Literal["resize"] = "resize"
    width: Side | None = None
    height: Side | None = None
    aspect: Aspect | None = Field(
        None, description="width:height of the frame; one of width and height is given, and the other one follows"
    )
    dpr: float = Field(1, ge=0.1, le=5, description="multiplies width and height, for screens of a higher density")
    fit: Literal["cover", "contain", "fill", "inside", "outside"] = Field(
        "cover",
        description="cover crops, contain pads, fill STRETCHES, inside fits within, outside is at least as large",
    )
    position: Position = Field("centre", description="what cover keeps, or where contain puts the photo")
    without_enlargement: bool = Field(False, description="never make the photo larger than it is")
    background: Colour = Field("#000000", description="colour of the padding of contain")
    kernel: Literal["nearest", "box", "linear", "hamming", "cubic", "mitchell", "lanczos2", "lanczos3"] = Field(
        "lanczos3", description="how new pixels are computed; lanczos3 gives the best quality, nearest is the fastest"
    )

    @model_validator(mode="after")
    def _has_a_side(self) -> Resize:
        if self.width is None and self.height is None:
            raise ValueError("give width, height or both")
        if self.aspect and self.width and self.height:
            raise ValueError("give aspect with one of width and height")
        return self

    @property
    def frame(self) -> tuple[int | None, int | None]:
        """Width and height in pixels of the result, as far as they are given: after `aspect` and `dpr`."""
        times = Fraction(str(self.dpr))
        width = None if self.width is None else self.width * times
        height = None if self.height is None else self.height * times
        if self.aspect:
            width, height = width or (height or 0) * ratio(self.aspect), height or (width or 0) / ratio(self.aspect)
        return _side(width), _side(height)


def _side(exact: Fraction | None) -> int | None:
    return None if exact is None else max(1, half_up(exact))
