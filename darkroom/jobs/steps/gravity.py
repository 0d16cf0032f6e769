"""Where a crop or an overlay lies in a picture."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Tag

from darkroom.jobs.spec import Aliases, Share, StrictSpec

Direction = Literal[
    "centre",
    "north",
    "northeast",
    "east",
    "southeast",
    "south",
    "southwest",
    "west",
    "northwest",
]

Gravity = Literal[Direction, "entropy", "attention", "face"]

GRAVITY_ALIASES = Aliases(
    {
        "center": "centre",
        "top": "north",
        "right top": "northeast",
        "right": "east",
        "right bottom": "southeast",
        "bottom": "south",
        "left bottom": "southwest",
        "left": "west",
        "left top": "northwest",
    }
)
"""The names of positions in sharp (lib/resize.js) that are not its names of gravities."""


class FocalPoint(StrictSpec):
    """The point that stays in view when a photo is cropped, or the middle of an overlay, in shares of the sides."""

    x: Share
    y: Share


def _kind_of_position(value: object) -> str:
    """`point` or `gravity`; pydantic then reports faults of that kind only."""
    return "point" if isinstance(value, dict | FocalPoint) else "gravity"


Position = Annotated[
    Annotated[Gravity, GRAVITY_ALIASES, Tag("gravity")] | Annotated[FocalPoint, Tag("point")],
    Discriminator(_kind_of_position),
]

OverlayPosition = Annotated[
    Annotated[Direction, GRAVITY_ALIASES, Tag("gravity")] | Annotated[FocalPoint, Tag("point")],
    Discriminator(_kind_of_position),
]
"""An overlay is placed without a look at the picture."""
