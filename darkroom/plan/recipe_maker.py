"""Make the recipe of a job: put its steps together, and compute the exact sizes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from darkroom.errors import TooManyPixels
from darkroom.jobs.job_types import Job, PictureJob, steps_of
from darkroom.jobs.sizes import Size, Sizes, crop_size, extended_size, pixels_of, rotated_size, sizes_of
from darkroom.jobs.step_types import STEPS
from darkroom.jobs.steps.crop import Crop
from darkroom.jobs.steps.extend import Extend
from darkroom.jobs.steps.gravity import FocalPoint, Position
from darkroom.jobs.steps.resize import Resize
from darkroom.jobs.steps.rotate import Flip, Flop, Rotate
from darkroom.jobs.steps.step import StepSpec
from darkroom.jobs.steps.trim import Trim
from darkroom.plan.geometry import FLIP, FLOP, GRAVITY, QUARTER_TURNS, Placement, kept_part, pad_corner
from darkroom.plan.recipes import (
    DEFAULT_KERNEL,
    AnyStep,
    ContentStep,
    ExtendStep,
    MeasureStep,
    PadStep,
    Parts,
    PlainStep,
    Recipe,
    RotateStep,
    TrimKey,
    ViewStep,
)

S = TypeVar("S", bound=StepSpec)


def recipe_of(
    job_id: str, job: Job, photo: Size, max_pixels: float, colours: str = "srgb", parts: Parts | None = None
) -> Recipe:
    """The recipe for an upright photo of this size.

    `colours` are those of the job's pictures. `parts` are what trims keep; the recipe ends with the first trim that is
    not among them. Without `parts`, trims are measured, and are taken to cut nothing off. Raises TooManyPixels if a
    picture on the way would have more than `max_pixels` (width x height), and PhotoError if a crop from a corner is not
    within the picture.
    """
    maker = _RecipeMaker(photo, max_pixels, colours, parts)
    specs = [plain(step) for step in steps_of(job)] if isinstance(job, PictureJob) else []
    return Recipe(job_id, job, photo, tuple(maker.steps_for(specs)), colours)


class _RecipeMaker:
    """Turns specs into steps. The view that is not yet a step grows with each spec that can be a part of it."""

    def __init__(self, photo: Size, max_pixels: float, colours: str, parts: Parts | None) -> None:
        self._max_pixels = max_pixels
        self._colours = colours
        self._parts = parts
        self._steps: list[AnyStep] = []
        self._before = photo
        self._view = Placement.whole(photo)
        self._kernel = DEFAULT_KERNEL

    def steps_for(self, specs: Sequence[StepSpec]) -> list[AnyStep]:
        for at, spec in enumerate(specs):
            match spec:
                case Resize():
                    self._resize(spec)
                case Crop():
                    self._crop(spec)
                case Flip():
                    self._view = self._view.turned(FLIP)
                case Flop():
                    self._view = self._view.turned(FLOP)
                case Rotate():
                    self._rotate(spec)
                case Extend():
                    self._extend(spec)
                case Trim():
                    if not self._trim(spec, (self._colours, tuple(specs[: at + 1]))):
                        return self._steps
                case _:
                    self._end_view()
                    self._steps.append(PlainStep(spec))
        self._end_view()
        return self._steps

    # --- the view ---------------------------------------------------------------------------------------------------

    def _begin_view(self, before: Size) -> None:
        self._before = before
        self._view = Placement.whole(before)
        self._kernel = DEFAULT_KERNEL

    def _end_view(self) -> None:
        view, whole = self._view, Placement.whole(self._before)
        last = self._steps[-1] if self._steps else None
        if view == whole:
            return
        if isinstance(last, ContentStep) and last.then == whole and not (last.view.scales and view.scales):
            kernel = self._kernel if view.scales else last.kernel
            self._steps[-1] = replace(last, kernel=kernel, then=view)
        else:
            self._steps.append(ViewStep(self._before, view, self._kernel))
        self._begin_view(view.shown)

    def _add(self, step: PadStep | ExtendStep | RotateStep) -> None:
        self._steps.append(step)
        self._begin_view(step.after)

    # --- specs ------------------------------------------------------------------------------------------------------

    def _resize(self, spec: Resize) -> None:
        sizes = sizes_of(self._view.shown, spec)
        self._check(sizes.result)
        if sizes.scaled != self._view.shown:
            if self._view.scales:
                self._end_view()
            self._view, self._kernel = self._view.scaled(sizes.scaled), spec.kernel
        if sizes.result == sizes.scaled:
            return
        if spec.fit == "contain":
            self._end_view()
            self._add(PadStep(sizes.result, pad_corner(sizes, spec.position), spec.background, "resize"))
        else:
            self._cut(sizes, spec.position)

    def _crop(self, spec: Crop) -> None:
        shown = self._view.shown
        if spec.has_corner:
            self._view = self._view.cropped(pixels_of(shown, spec))
            return
        size = crop_size(shown, spec)
        if size != shown:
            self._cut(Sizes(shown, size), spec.position or "centre")

    def _cut(self, sizes: Sizes, position: Position) -> None:
        """Keep a part of the shown picture, which is scaled already."""
        if isinstance(position, FocalPoint) or position in GRAVITY:
            self._view = self._view.cropped(kept_part(sizes, position))
        else:
            if isinstance(self._steps[-1] if self._steps else None, ContentStep):
                self._end_view()
            then = Placement.whole(sizes.result)
            self._steps.append(ContentStep(self._before, self._view, self._kernel, position, sizes, then))
            self._begin_view(sizes.result)

    def _rotate(self, spec: Rotate) -> None:
        quarter_turn = spec.quarter_turn
        if quarter_turn is not None:
            self._view = self._view.turned(QUARTER_TURNS[quarter_turn])
            return
        self._end_view()
        size = rotated_size(self._before, spec.angle)
        self._check(size)
        self._add(RotateStep(size, spec.angle, spec.background))

    def _extend(self, spec: Extend) -> None:
        size = extended_size(self._view.shown, spec)
        if size == self._view.shown:
            return
        self._check(size)
        self._end_view()
        corner = spec.left, spec.top
        if spec.extend_with == "background":
            self._add(PadStep(size, corner, spec.background, "extend"))
        else:
            self._add(ExtendStep(size, corner, spec.extend_with))

    def _trim(self, spec: Trim, key: TrimKey) -> bool:
        """Whether its part is known, or taken to be the whole picture."""
        if self._parts is not None and key in self._parts:
            self._view = self._view.cropped(self._parts[key])
            return True
        self._end_view()
        self._steps.append(MeasureStep(key, spec))
        return self._parts is None

    def _check(self, size: Size) -> None:
        if size[0] * size[1] > self._max_pixels:
            raise TooManyPixels(
                f"The result would have {size[0] * size[1]:,} pixels ({size[0]} x {size[1]}); "
                f"at most {self._max_pixels:,} are allowed."
            )


def plain(step: S) -> S:
    """The step without the other fields of a job that consists of it: equal steps are then equal objects."""
    spec = next(spec for spec in type(step).__mro__ if spec in STEPS)
    return spec.model_construct(**{name: getattr(step, name) for name in spec.model_fields})  # type: ignore[return-value]
