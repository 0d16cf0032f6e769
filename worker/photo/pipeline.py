"""The front door: one decoded photo and one job in, one result file out."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from darkroom.jobs.output import RESULT_FORMATS
from darkroom.jobs.specs import Filter, Job, MetadataJob, PictureJob, Resize, Step, steps_of
from worker.photo.decode import Photo
from worker.photo.encode import encode
from worker.photo.filters import FILTERS
from worker.photo.metadata import metadata
from worker.photo.resize import resize

STEPS: dict[type[Resize] | type[Filter], Callable[..., Image.Image]] = {
    Resize: resize,
    **{spec: lambda image, step, _max_pixels, apply=apply: apply(image, step) for spec, apply in FILTERS.items()},
}
"""Every step's spec -> (image, spec, max_pixels) -> image."""


@dataclass(frozen=True)
class PipelineResult:
    """A result on disk. `size` in bytes, `sha256` in hex, `seconds` by step and for encoding.

    Width and height are pixels, None where the result is no picture.
    """

    path: Path
    format: str
    extension: str
    content_type: str
    width: int | None
    height: int | None
    size: int
    sha256: str
    seconds: dict[str, float]


def produce(photo: Photo, job: Job, target: Path, max_pixels: int) -> PipelineResult:
    """Carry out one job and write its result to `target` plus an extension, in a directory that exists.

    Raises PhotoError when the photo cannot become what is asked for: a result of more than `max_pixels`
    (width x height), or one that its format cannot hold.
    """
    if isinstance(job, MetadataJob):
        return _describe(photo, job, target, max_pixels)
    return _develop(photo, job, target, max_pixels)


def _develop(photo: Photo, job: PictureJob, target: Path, max_pixels: int) -> PipelineResult:
    seconds: dict[str, float] = {}
    image = photo.image
    for step in steps_of(job):
        started = time.perf_counter()
        image = apply(image, step, max_pixels)
        name = step.filter if isinstance(step, Filter) else step.type
        seconds[name] = seconds.get(name, 0.0) + time.perf_counter() - started
    started = time.perf_counter()
    encoded = encode(image, photo, job.output, target)
    seconds["encode"] = time.perf_counter() - started
    return _produced(encoded.path, encoded.format, (encoded.width, encoded.height), seconds)


def apply(image: Image.Image, step: Step, max_pixels: int) -> Image.Image:
    """Apply one step; a job that is its own only step is found by the step's class that it extends."""
    spec = next(spec for spec in type(step).__mro__ if spec in STEPS)
    return STEPS[spec](image, step, max_pixels)


def _describe(photo: Photo, job: MetadataJob, target: Path, max_pixels: int) -> PipelineResult:
    started = time.perf_counter()
    path = target.with_name(f"{target.name}.json")
    text = json.dumps(metadata(photo, job, max_pixels), allow_nan=False, ensure_ascii=False, indent=2)
    path.write_text(text + "\n", encoding="utf-8")
    return _produced(path, "json", (None, None), {"metadata": time.perf_counter() - started})


def _produced(path: Path, name: str, size: tuple[int | None, int | None], seconds: dict[str, float]) -> PipelineResult:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return PipelineResult(
        path=path,
        format=name,
        extension=RESULT_FORMATS[name].extension,
        content_type=RESULT_FORMATS[name].content_type,
        width=size[0],
        height=size[1],
        size=path.stat().st_size,
        sha256=digest,
        seconds=seconds,
    )
