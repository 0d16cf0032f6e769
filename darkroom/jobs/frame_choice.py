"""How many frames of an animation a job takes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from darkroom.containers.animation import MOST_COUNTED

FrameCount = Annotated[int, Field(ge=1, le=MOST_COUNTED)]


def _kind_of_frames(value: object) -> str:
    """`name` or `number`; pydantic then reports faults of that kind only."""
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else "name"


FrameChoice = Annotated[
    Annotated[Literal["first", "all"], Tag("name")] | Annotated[FrameCount, Tag("number")],
    Discriminator(_kind_of_frames),
]


def frames_taken(choice: str | int, frames: int) -> int:
    """How many frames a job with this choice takes of a photo that has `frames`."""
    return {"first": 1, "all": frames}[choice] if isinstance(choice, str) else min(choice, frames)
