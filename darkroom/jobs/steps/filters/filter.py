"""The base of all filters."""

from __future__ import annotations

from typing import Literal

from darkroom.jobs.steps.step import StepSpec


class Filter(StepSpec):
    """Base of all filters."""

    type: Literal["filter"] = "filter"
    filter: str

    @property
    def label(self) -> str:
        return self.filter
