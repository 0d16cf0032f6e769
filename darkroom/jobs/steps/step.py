"""The base of all steps."""

from __future__ import annotations

from collections.abc import Mapping

from darkroom.jobs.asset_ids import assets_in
from darkroom.jobs.spec import TaggedSpec


class StepSpec(TaggedSpec):
    """Base of all steps."""

    @property
    def label(self) -> str:
        """What timings, plans and file names call the step."""
        return self.type

    @property
    def fixed_work(self) -> Mapping[str, float]:
        """What the step costs besides, however large the picture is: kind of work (darkroom/cost.py) -> units."""
        return {}

    @property
    def asset_ids(self) -> tuple[str, ...]:
        """The ids of the assets that the step works with: its fields of type `PictureId` or `LutId`."""
        return tuple(use.id for use in assets_in(self))
