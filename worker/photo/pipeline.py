"""The entry point of worker/photo: one decoded photo and one job in, the file of a result out."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

from PIL import Image

from darkroom.jobs.job_types import Job, MetadataJob, PictureJob, steps_of
from darkroom.jobs.steps import Resize, StepSpec
from worker.photo.decode import DecodedPhoto
from worker.photo.encode import encode
from worker.photo.filters import FILTER_FUNCTIONS
from worker.photo.metadata import metadata
from worker.photo.resize import resize


@dataclass(frozen=True)
class PipelineResult:
    """What was written to the file of a result: one of RESULT_FORMATS. `seconds` by step and for encoding.

    `width` and `height` are in pixels, None if the result is not a picture.
    """

    format: str
    width: int | None
    height: int | None
    seconds: dict[str, float]


def produce(photo: DecodedPhoto, job: Job, file: BinaryIO, max_pixels: int) -> PipelineResult:
    """Do one job and write its result to an empty file.

    Raises PhotoError when the photo cannot become what the job asks for: the result would have more than `max_pixels`
    (width x height), or its format cannot hold it.
    """
    return JOB_FUNCTIONS[job.type](photo, job, file, max_pixels)


def _picture(photo: DecodedPhoto, job: PictureJob, file: BinaryIO, max_pixels: int) -> PipelineResult:
    seconds: dict[str, float] = {}
    image = photo.image
    for step in steps_of(job):
        started = time.perf_counter()
        image = _apply(image, step, max_pixels)
        seconds[step.name] = seconds.get(step.name, 0.0) + time.perf_counter() - started
    started = time.perf_counter()
    encoded = encode(image, photo, job.output, file)
    seconds["encode"] = time.perf_counter() - started
    return PipelineResult(encoded.format, encoded.width, encoded.height, seconds)


def _apply(image: Image.Image, step: StepSpec, max_pixels: int) -> Image.Image:
    """Apply one step. The class of a job with one step, such as ResizeJob, is a subclass of the step's class."""
    spec = next(spec for spec in type(step).__mro__ if spec in STEP_FUNCTIONS)
    return STEP_FUNCTIONS[spec](image, step, max_pixels)


def _metadata(photo: DecodedPhoto, job: MetadataJob, file: BinaryIO, max_pixels: int) -> PipelineResult:
    started = time.perf_counter()
    found = metadata(photo, job, max_pixels)
    return _json_result(found, file, {"metadata": time.perf_counter() - started})


def _json_result(value: dict[str, Any], file: BinaryIO, seconds: dict[str, float]) -> PipelineResult:
    text = json.dumps(value, allow_nan=False, ensure_ascii=False, indent=2)
    file.write(f"{text}\n".encode())
    return PipelineResult("json", None, None, seconds)


JOB_FUNCTIONS: Mapping[str, Callable[[DecodedPhoto, Any, BinaryIO, int], PipelineResult]] = {
    "resize": _picture,
    "filter": _picture,
    "pipeline": _picture,
    "metadata": _metadata,
}
"""Every job type -> function(photo, job, file, max_pixels)."""


def _unlimited(function: Callable[..., Image.Image]) -> Callable[..., Image.Image]:
    """Make a filter fit STEP_FUNCTIONS. It needs no limit of pixels, because it does not change the size."""
    return lambda image, spec, _max_pixels: function(image, spec)


STEP_FUNCTIONS: dict[type[StepSpec], Callable[..., Image.Image]] = {
    Resize: resize,
    **{spec: _unlimited(function) for spec, function in FILTER_FUNCTIONS.items()},
}
"""Every step: spec class -> function(image, step, max_pixels), which returns a new image."""
