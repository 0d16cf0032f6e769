"""How far a worker has come with an order that takes long."""

from __future__ import annotations

from pydantic import Field

from darkroom.record.stored import Stored

MOST_STEPS = 10_000_000


class StepProgress(Stored):
    """`step`: what the worker does now, such as `resize`. `done`: steps that are behind it, of the `of` that are known
    so far. With several pages or animations `of` may grow; `done` never shrinks within one attempt."""

    step: str = Field(pattern=r"^[a-z0-9-]{1,40}$")
    done: int = Field(ge=0, le=MOST_STEPS)
    of: int = Field(ge=1, le=MOST_STEPS)
