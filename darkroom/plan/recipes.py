"""What each job does to the photo, step by step and with the exact sizes, before anything is shared."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TypeVar

from darkroom.errors import TooManyPixels
from darkroom.jobs.job_types import Job, MetadataJob, PictureJob, steps_of
from darkroom.jobs.output import Output
from darkroom.jobs.output_formats import KEPT_FORMATS
from darkroom.jobs.sizes import Size, Sizes, sizes_of
from darkroom.jobs.step_types import STEPS
from darkroom.jobs.steps.resize import Resize
from darkroom.jobs.steps.step import StepSpec
from darkroom.plan.geometry import GRAVITY, Part, kept_part
from darkroom.plan.overview import DETAILED, SMALL, Overview

S = TypeVar("S", bound=StepSpec)


@dataclass(frozen=True)
class ResizeStep:
    """A resize of a picture of the size `before`."""

    spec: Resize
    before: Size
    sizes: Sizes

    @property
    def scales(self) -> bool:
        """Whether pixels are computed anew."""
        return self.sizes.scaled != self.before

    @property
    def cuts(self) -> bool:
        return self.spec.fit == "cover" and self.sizes.result != self.sizes.scaled

    @property
    def pads(self) -> bool:
        return self.spec.fit == "contain" and self.sizes.result != self.sizes.scaled

    @property
    def enlarges(self) -> bool:
        return any(after > before for after, before in zip(self.sizes.scaled, self.before, strict=True))

    @property
    def strategy(self) -> str | None:
        """The position if it is one that looks at the photo's content: `entropy` or `attention`."""
        position = self.spec.position
        return position if self.cuts and isinstance(position, str) and position not in GRAVITY else None

    @property
    def overview(self) -> Overview:
        """The overview on which the strategy looks for the part to keep."""
        return SMALL


@dataclass(frozen=True)
class PlainStep:
    """A step that keeps the size of the picture."""

    spec: StepSpec


@dataclass(frozen=True)
class Recipe:
    """A job and its steps. Steps that change nothing are left out; a job that makes no picture has none.

    `photo` is the size of the upright photo.
    """

    id: str
    job: Job
    photo: Size
    steps: tuple[ResizeStep | PlainStep, ...]

    @property
    def first_resize(self) -> ResizeStep | None:
        """The resize that the job begins with, if it computes pixels anew: the job needs no picture of full size."""
        first = self.steps[0] if self.steps else None
        return first if isinstance(first, ResizeStep) and (first.scales or first.cuts) else None

    @property
    def shown_part(self) -> Part | None:
        """The part of the upright photo that the result shows, in the photo's pixels. None if that is not known from
        the sizes, or if the result does not show the photo alone and unchanged: after filters and padding."""
        left, top, x_ratio, y_ratio = Fraction(0), Fraction(0), Fraction(1), Fraction(1)
        size = self.photo
        for step in self.steps:
            if not isinstance(step, ResizeStep) or step.pads or step.strategy:
                return None
            kept = kept_part(step.before, step.sizes, step.spec.position) if step.cuts else (0, 0, *step.before)
            left, top = left + kept[0] * x_ratio, top + kept[1] * y_ratio
            size = step.sizes.result
            x_ratio *= Fraction(kept[2] - kept[0]) / size[0]
            y_ratio *= Fraction(kept[3] - kept[1]) / size[1]
        return left, top, left + size[0] * x_ratio, top + size[1] * y_ratio

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
        return self.first_resize.overview if self.first_resize and self.first_resize.strategy else None

    @property
    def fixed_overview(self) -> Overview | None:
        """The overview that it needs, if what is found on it must not depend on the other jobs."""
        return None if self.overview == SMALL and isinstance(self.job, MetadataJob) else self.overview

    def format(self, stored: str) -> str:
        """The format of the result of a photo that is stored in this format. A photo with alpha may become a PNG."""
        if self.output is None:
            return "json"
        return self.output.format or (stored if stored in KEPT_FORMATS else "jpeg")


def recipe_of(job_id: str, job: Job, photo: Size, max_pixels: float) -> Recipe:
    """The recipe for an upright photo of this size. Raises TooManyPixels if a picture on the way would have more than
    `max_pixels` (width x height)."""
    steps: list[ResizeStep | PlainStep] = []
    size = photo
    for step in steps_of(job) if isinstance(job, PictureJob) else []:
        if not isinstance(step, Resize):
            steps.append(PlainStep(_plain(step)))
            continue
        resize = ResizeStep(_plain(step), size, sizes_of(size, step))
        size = resize.sizes.result
        if size[0] * size[1] > max_pixels:
            raise TooManyPixels(
                f"The result would have {size[0] * size[1]:,} pixels ({size[0]} x {size[1]}); "
                f"at most {max_pixels:,} are allowed."
            )
        if resize.scales or resize.cuts or resize.pads:
            steps.append(resize)
    return Recipe(job_id, job, photo, tuple(steps))


def _plain(step: S) -> S:
    """The step without the other fields of a job that consists of it: equal steps are then equal objects."""
    spec = next(spec for spec in type(step).__mro__ if spec in STEPS)
    return spec.model_construct(**{name: getattr(step, name) for name in spec.model_fields})  # type: ignore[return-value]
