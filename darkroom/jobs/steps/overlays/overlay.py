"""The base of all overlays: where an overlay lies, and how its colours meet those of the picture."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from darkroom.jobs.spec import MAX_SIDE, Aliases, Share
from darkroom.jobs.steps.gravity import OverlayPosition
from darkroom.jobs.steps.step import StepSpec

Length = Annotated[float, Field(ge=0, le=MAX_SIDE)]
"""Below 1 it is a share of the picture's shorter side, so that upright and wide photos get overlays of the same size.
From 1 on it is in pixels."""

LENGTHS = "below 1: share of the shorter side of the picture; from 1 on: pixels"

Blend = Literal[
    "over",
    "atop",
    "dest-over",
    "dest-out",
    "xor",
    "add",
    "multiply",
    "screen",
    "overlay",
    "darken",
    "lighten",
    "colour-dodge",
    "colour-burn",
    "hard-light",
    "soft-light",
    "difference",
    "exclusion",
    "hue",
    "saturation",
    "colour",
    "luminosity",
]
"""The operators and blend modes of W3C Compositing and Blending Level 1 that change nothing beside the overlay."""

BLEND_ALIASES = Aliases({"color-dodge": "colour-dodge", "color-burn": "colour-burn", "color": "colour"})
"""The names in CSS."""


class Overlay(StepSpec):
    """Base of all overlays."""

    position: OverlayPosition = Field(
        "southeast", description="where the overlay lies, or the point of its middle; it is moved to be inside"
    )
    margin: Length = Field(0.03, description=f"free space to the border of the picture. {LENGTHS}")
    opacity: Share = Field(1.0, description="0 is invisible")
    blend: Annotated[Blend, BLEND_ALIASES] = Field(
        "over", description="operator or blend mode of W3C Compositing and Blending Level 1"
    )
    angle: float = Field(0.0, ge=-180, le=180, description="degrees by which the overlay is turned clockwise")
    tile: bool = Field(False, description="repeat the overlay over the whole picture; position says where one copy is")
    spacing: Length = Field(0.05, description=f"free space between the copies of tile. {LENGTHS}")
