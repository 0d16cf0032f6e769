"""What an order costs: estimated seconds of one reference core, from the photo's header and the jobs alone.

The estimate has two parts. `order_work` says how much work of each kind an order is, such as megapixels to decode and
megapixels to encode. `RATES` says how many seconds a unit of each kind takes. The worker's own plan of an order is more
exact (worker/photo/plan.py); this is a short version of it, which needs neither the file nor Pillow.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass

from darkroom.jobs.job_types import Job, MetadataJob, PictureJob, steps_of
from darkroom.jobs.output import OUTPUT_FORMATS
from darkroom.jobs.sizes import Size, sizes_of
from darkroom.jobs.steps import Resize, StepSpec

Work = Mapping[str, float]
"""How much work of each kind: a key of RATES -> the number of its units."""

RATES: Work = {
    # For each order and for each of its jobs: AWS calls, files, hashes, answers.
    "order": 0.0120,
    "job": 0.0040,
    # For each megapixel that the decoder makes.
    "decode jpeg": 0.0050,
    "decode png": 0.0110,
    "decode webp": 0.0150,
    "decode gif": 0.0080,
    "decode tiff": 0.0080,
    "decode avif": 0.0250,
    "decode heic": 0.0400,
    # For each megabyte of the file.
    "read jpeg": 0.0140,
    "read png": 0.0150,
    "read webp": 0.0200,
    "read gif": 0.0,
    "read tiff": 0.0,
    "read avif": 0.0200,
    "read heic": 0.0200,
    # For each megapixel of the picture that is resized, and of the result.
    "resize from": 0.0030,
    "resize to": 0.0200,
    # For each megapixel that is turned upright, converted to sRGB, or laid on a background.
    "turn": 0.0015,
    "to srgb": 0.0200,
    "pad": 0.0010,
    # For each picture whose crop looks for the best part.
    "entropy": 0.0100,
    "attention": 0.0150,
    # For each megapixel that a filter changes.
    "grayscale": 0.0030,
    "sepia": 0.0120,
    "invert": 0.0030,
    "auto-contrast": 0.0100,
    "posterize": 0.0030,
    "blur": 0.0400,
    "sharpen": 0.0600,
    "brightness": 0.0050,
    "contrast": 0.0080,
    "saturation": 0.0080,
    # For each megapixel of a result.
    "encode jpeg": 0.0150,
    "encode png": 0.1500,
    "encode webp": 0.1200,
    "encode avif": 0.1500,
    # For each job that names dominant colours.
    "colours": 0.0050,
}
"""Kind of work -> seconds of one reference core for one unit. `python -m bench.performance.calibrate_cost` measures
them. The reference core is one core of the machine that docs/performance.md names."""

JPEG_SCALES = (8, 4, 2)
"""A JPEG decoder can make the picture smaller by these factors, which saves most of the time of each pixel."""

COLOUR_SIDE = 64
"""Longest side, in pixels, of the small copy in which dominant colours are counted."""

REUSE = 2
"""A resize begins with an earlier result instead of the decoded photo if that is at least this many times as large."""


@dataclass(frozen=True)
class PhotoHeader:
    """What the estimate knows of a photo: its format as `darkroom/sniff.py` names it, width and height in pixels as
    stored, and the bytes of its file."""

    format: str
    width: int
    height: int
    size: int


def order_seconds(photo: PhotoHeader, jobs: Iterable[Job]) -> float:
    """The estimated seconds of one reference core for these jobs of a photo, in one order."""
    return seconds_of(order_work(photo, jobs))


def seconds_of(work: Work) -> float:
    """The estimated seconds of one reference core."""
    return sum(amount * RATES[kind] for kind, amount in work.items())


def order_work(photo: PhotoHeader, jobs: Iterable[Job]) -> Work:
    """How much work these jobs of a photo are, in one order."""
    jobs = list(jobs)
    decoded = decoded_size(photo, jobs)
    work: defaultdict[str, float] = defaultdict(float)
    work["order"], work["job"] = 1, len(jobs)
    work[f"decode {photo.format}"] = megapixels(decoded)
    work[f"read {photo.format}"] = photo.size / 1e6
    work["colours"] = sum(isinstance(job, MetadataJob) and job.colours > 0 for job in jobs)
    pictures = [job for job in jobs if isinstance(job, PictureJob)]
    pictures.sort(key=lambda job: megapixels(_first_size(photo, job)), reverse=True)
    order = _Order(photo, decoded, work)
    for job in pictures:
        order.add(job)
    return work


def decoded_size(photo: PhotoHeader, jobs: Iterable[Job]) -> Size:
    """The size in which the photo is decoded: a JPEG at the smallest scale that is enough for all jobs."""
    size = photo.width, photo.height
    if photo.format != "jpeg":
        return size
    needed = max((_needed_share(photo, job) for job in jobs), default=1.0)
    scale = next((scale for scale in JPEG_SCALES if needed * scale <= 1), 1)
    return -(-size[0] // scale), -(-size[1] // scale)


def megapixels(size: Size) -> float:
    return size[0] * size[1] / 1e6


def _needed_share(photo: PhotoHeader, job: Job) -> float:
    """The share of the photo's sides that a job needs: 0.5 if a picture of half the width and height is enough."""
    if isinstance(job, MetadataJob):
        return COLOUR_SIDE / max(photo.width, photo.height)
    width, height = _first_size(photo, job)
    return max(width / photo.width, height / photo.height)


def _first_size(photo: PhotoHeader, job: Job) -> Size:
    """The size of the whole photo after the first resize; its own size if the job does not begin with one."""
    size = photo.width, photo.height
    first = steps_of(job)[0] if isinstance(job, PictureJob) else None
    return sizes_of(size, first).scaled if isinstance(first, Resize) else size


class _Order:
    """Adds up the work of pictures, the largest first. Steps that several jobs begin with count once."""

    def __init__(self, photo: PhotoHeader, decoded: Size, work: defaultdict[str, float]) -> None:
        self._photo = photo
        self._work = work
        self._whole = [decoded]  # pictures of the whole photo, which a resize can begin with
        self._done: set[tuple[Hashable, ...]] = set()

    def add(self, job: PictureJob) -> None:
        size: Size = self._photo.width, self._photo.height
        path: tuple[Hashable, ...] = ()
        for step in steps_of(job):
            before, size = size, _size_after(size, step)
            first = not path
            path += (_recipe(step),)
            if path not in self._done:
                self._done.add(path)
                self._add_step(step, before, size, first)
        own = self._photo.format if self._photo.format in OUTPUT_FORMATS else "jpeg"
        self._work[f"encode {job.output.format or own}"] += megapixels(size)

    def _add_step(self, step: StepSpec, before: Size, after: Size, first: bool) -> None:
        if not isinstance(step, Resize):
            self._work[step.name] += megapixels(after)
            return
        scaled = sizes_of(before, step).scaled
        source = self._source_for(scaled) if first else before
        kept = min(1.0, megapixels(after) / megapixels(scaled))  # `cover` resamples only what it keeps
        self._work["resize from"] += megapixels(source) * kept
        self._work["resize to"] += megapixels(scaled) * kept
        if step.position in ("entropy", "attention"):
            self._work[step.position] += 1
        if first and kept == 1:
            self._whole.append(scaled)

    def _source_for(self, size: Size) -> Size:
        """The smallest picture of the whole photo that is large enough to be resized to this size."""
        enough = [whole for whole in self._whole if min(whole[0] / size[0], whole[1] / size[1]) >= REUSE]
        return min(enough, key=megapixels, default=self._whole[0])


def _size_after(size: Size, step: StepSpec) -> Size:
    return sizes_of(size, step).result if isinstance(step, Resize) else size


def _recipe(step: StepSpec) -> Hashable:
    """Equal for equal steps, whether a step is a job of its own or a part of a pipeline."""
    return tuple(value for name, value in step if name != "output")
