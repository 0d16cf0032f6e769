"""The steps that turn and mirror a picture."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from darkroom.jobs.spec import Colour
from darkroom.jobs.steps.step import StepSpec


class Rotate(StepSpec):
    """Turn clockwise. By multiples of 90 degrees the pixels stay as they are. By other angles the picture becomes so
    large that nothing is cut off, and its corners get the background."""

    example: ClassVar[dict[str, Any]] = {"type": "rotate", "angle": 30, "background": "#336699"}

    type: Literal["rotate"] = "rotate"
    angle: float = Field(ge=-360, le=360, description="degrees clockwise; negative ones turn the other way")
    background: Colour = Field("#000000", description="colour of the corners")

    @property
    def quarter_turn(self) -> int | None:
        """0, 90, 180 or 270 if the angle is a multiple of 90 degrees."""
        return int(self.angle) % 360 if self.angle % 90 == 0 else None


class Flip(StepSpec):
    """Mirror the picture from top to bottom."""

    example: ClassVar[dict[str, Any]] = {"type": "flip"}

    type: Literal["flip"] = "flip"


class Flop(StepSpec):
    """Mirror the picture from left to right."""

    example: ClassVar[dict[str, Any]] = {"type": "flop"}

    type: Literal["flop"] = "flop"
