"""The base of all steps."""

from __future__ import annotations

from darkroom.jobs.spec import TaggedSpec


class StepSpec(TaggedSpec):
    """Base of all steps."""

    @property
    def label(self) -> str:
        """What timings, plans and file names call the step."""
        return self.type
