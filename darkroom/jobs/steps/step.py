"""The base of all steps."""

from __future__ import annotations

from darkroom.jobs.spec import TaggedSpec


class StepSpec(TaggedSpec):
    """Base of all steps."""

    @property
    def name(self) -> str:
        """The name of the step in timings and file names."""
        return self.type
