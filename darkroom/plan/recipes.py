"""What each job does to the photo, step by step and with the exact sizes, before anything is shared.

Steps that only move whole pixels (crop, flip, flop, quarter turns, and trim once its part is known) and one resize, in
any order, are one step here: a view of the picture before them. So a crop before a resize is one resample of a part. A
turn is done on the small picture, together with the turn that the photo's orientation asks for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from darkroom.jobs.job_types import Job, MetadataJob, PictureJob
from darkroom.jobs.output import Output, still_format
from darkroom.jobs.sizes import Pixels, Size, Sizes, side_of
from darkroom.jobs.steps.step import StepSpec
from darkroom.jobs.steps.trim import Trim
from darkroom.plan.geometry import Placement
from darkroom.plan.overview import DETAILED, SMALL, Overview

DEFAULT_KERNEL = "lanczos3"


@dataclass(frozen=True)
class ViewStep:
    """Show a part of a picture of the size `before`, perhaps turned and at another size."""

    before: Size
    view: Placement
    kernel: str = DEFAULT_KERNEL

    @property
    def resampled(self) -> Placement:
        """The view, of which the sizes count."""
        return self.view

    @property
    def cuts(self) -> bool:
        return not self.view.shows_all_of(self.before)


@dataclass(frozen=True)
class ContentStep:
    """Show a part of what the view shows. A strategy that looks at it, such as `attention`, chooses the part, which has
    the size `sizes.result`. `then` is the view of this part that the step makes, such as a smaller one."""

    before: Size
    view: Placement
    kernel: str
    strategy: str
    sizes: Sizes
    then: Placement

    @property
    def whole_view(self) -> Placement:
        """What the strategy looks at: the same view before its size changes."""
        width, height = self.view.extent
        return self.view.scaled((side_of(Fraction(width)), side_of(Fraction(height))))

    @property
    def resampled(self) -> Placement:
        """The view that the step would make if the part were in the corner: the sizes are those of any part."""
        return self.view.cropped((0, 0, *self.sizes.result)).showing(self.then)

    @property
    def overview(self) -> Overview:
        """The overview on which the strategy looks for the part to keep."""
        return DETAILED if self.strategy == "face" else SMALL


@dataclass(frozen=True)
class PadStep:
    """Lay the picture on a background, with its left and top pixel at `corner`."""

    after: Size
    corner: Size
    background: str
    label: str


@dataclass(frozen=True)
class ExtendStep:
    """The same with pixels of the picture around it: `copy`, `repeat` or `mirror`."""

    after: Size
    corner: Size
    extend_with: str


@dataclass(frozen=True)
class RotateStep:
    """Turn by an angle that is no multiple of 90 degrees."""

    after: Size
    angle: float
    background: str


@dataclass(frozen=True)
class PlainStep:
    """A step that keeps the size of the picture."""

    spec: StepSpec


@dataclass(frozen=True)
class MeasureStep:
    """Find the part that a trim keeps. What follows is not known before."""

    key: TrimKey
    spec: Trim


AnyStep = ViewStep | ContentStep | PadStep | ExtendStep | RotateStep | PlainStep | MeasureStep

TrimKey = tuple[str, tuple[StepSpec, ...]]
"""What a trim looks at: the colours of the picture, and the steps up to it, with it. Trims of equal keys keep equal
parts."""

Parts = Mapping[TrimKey, Pixels]
"""The parts that trims keep, as far as they are known."""


@dataclass(frozen=True)
class Recipe:
    """A job and its steps. Steps that change nothing are left out; a job that makes no picture has none.

    `photo` is the size of the upright photo. `colours` are those of the job's pictures: `srgb`, `p3`, or `photo`.
    """

    id: str
    job: Job
    photo: Size
    steps: tuple[AnyStep, ...]
    colours: str = "srgb"

    @property
    def first_resample(self) -> ViewStep | ContentStep | None:
        """The step that the job begins with, if that step computes pixels anew or reads only a part of the photo: then
        the job needs no whole picture of full size."""
        first = self.first_view
        if isinstance(first, ViewStep):
            return first if first.view.scales or first.cuts else None
        return first

    @property
    def first_view(self) -> ViewStep | ContentStep | None:
        first = self.steps[0] if self.steps else None
        return first if isinstance(first, ViewStep | ContentStep) else None

    @property
    def unmeasured(self) -> MeasureStep | None:
        """The first trim whose part is not known."""
        return next((step for step in self.steps if isinstance(step, MeasureStep)), None)

    @property
    def shown(self) -> Placement | None:
        """The view of the upright photo that the result is. None if that is not known from the sizes, or if the result
        does not show the photo alone and unchanged: after filters and padding."""
        view = Placement.whole(self.photo)
        for step in self.steps:
            if not isinstance(step, ViewStep):
                return None
            view = view.showing(step.view)
        return view

    @property
    def output(self) -> Output | None:
        return self.job.output if isinstance(self.job, PictureJob) else None

    @property
    def needs_pixels(self) -> bool:
        """Whether the photo must be decoded for it."""
        return not isinstance(self.job, MetadataJob) or self.job.needs_pixels

    @property
    def overview(self) -> Overview | None:
        """The overview of the photo that it needs."""
        if isinstance(self.job, MetadataJob):
            return DETAILED if self.job.measures else SMALL if self.job.colours else None
        return self.first_view.overview if isinstance(self.first_view, ContentStep) else None

    @property
    def fixed_overview(self) -> Overview | None:
        """The overview that it needs, if what is found on it must not depend on the other jobs."""
        return None if self.overview == SMALL and isinstance(self.job, MetadataJob) else self.overview

    @property
    def looks_at(self) -> Placement:
        """What of the photo its overview shows."""
        return self.first_view.whole_view if isinstance(self.first_view, ContentStep) else Placement.whole(self.photo)

    def format(self, stored: str) -> str:
        """The format of the result of a photo that is stored in this format, if it has no transparent pixels."""
        return "json" if self.output is None else still_format(self.output, stored, alpha=False)
