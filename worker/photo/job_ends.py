"""How jobs end, and what is said of their results."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from darkroom.jobs.sizes import Size
from darkroom.making import NOT_TOLD, EncodingTry, Making
from darkroom.photo_metadata.measures import ShortMeasures
from darkroom.photo_warnings import PhotoWarning
from darkroom.plan.drawing import steps
from darkroom.plan.graph import Apply, Plan
from worker.photo.backends import METADATA, backends
from worker.photo.materials import Materials
from worker.photo.operations.step_functions import STEP_WARNINGS


@dataclass(frozen=True)
class PipelineResult:
    """What was written to the file of a result: one of RESULT_FORMATS.

    `width` and `height` are in pixels, None if the result is not a picture. `frames` and `duration`, in seconds, are
    those of an animation, and None for other results. `seconds` are by step. Work that several jobs share counts for
    the job that is finished first. `warnings` are those of the photo and of the job.
    `measures`: what a metadata job has measured, if it says that events hold it.
    """

    format: str
    width: int | None
    height: int | None
    seconds: dict[str, float]
    warnings: tuple[PhotoWarning, ...] = ()
    making: Making = NOT_TOLD
    measures: ShortMeasures | None = None
    frames: int | None = None
    duration: float | None = None


class Written(NamedTuple):
    """What a job has written to its file: the format, and the size in pixels if it is a picture.

    `warnings` are those of the job. They are added to those of the photo. `fields`, `pixels` and `tries`:
    see Making. `measures`: see PipelineResult.
    """

    format: str
    size: Size | None = None
    warnings: tuple[PhotoWarning, ...] = ()
    fields: tuple[str, ...] = ()
    pixels: str | None = None
    measures: ShortMeasures | None = None
    tries: tuple[EncodingTry, ...] = ()


@dataclass(frozen=True)
class JobEnd:
    """How a job ended: what was written to its file, or the error that prevents it."""

    job: str
    result: PipelineResult | Exception


def step_warnings(plan: Plan, position: int, materials: Materials) -> Iterator[PhotoWarning]:
    """Those of the steps that lead to the result at this position of a plan."""
    for at in plan.needed_for(position):
        operation, size = plan.nodes[at].operation, plan.nodes[at].size
        if isinstance(operation, Apply) and (warnings := STEP_WARNINGS.get(type(operation.spec))):
            yield from warnings(operation.spec, size, materials)


def made(
    plan: Plan, position: int, materials: Materials, format_: str, fields: tuple[str, ...], pixels: str | None
) -> Making:
    """How the result at this position of a plan was made. `fields` and `pixels`: see Making."""
    needed = plan.needed_for(position)
    libraries = {"metadata": METADATA}
    if pixels:
        operations = [plan.nodes[at].operation for at in needed]
        libraries = backends(plan.photo.format, operations, format_)
        libraries |= {"metadata": METADATA} if fields else {}
    crops = [(plan.nodes[at].operation, plan.nodes[at].sources) for at in needed]
    focal_points = tuple(filter(None, map(materials.focal_points.get, crops)))
    return Making(steps(plan, needed), libraries, fields, pixels, focal_points)
