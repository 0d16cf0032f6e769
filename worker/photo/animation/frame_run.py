"""Do a job on every frame of an animation.

The job has a plan of its own, which is run for each frame. The encoder asks for one frame after the other, so only the
frames that it compares are in memory. What an operation measures in a picture is measured in the first frame
(`Materials.once`).
"""

from __future__ import annotations

import hashlib
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, BinaryIO

from PIL import Image

from darkroom.containers.repair import name_of
from darkroom.errors import UnreadablePhoto
from darkroom.jobs.job_types import PictureJob
from darkroom.photo_warnings import PhotoWarning
from darkroom.plan.graph import Decode, Finish, Plan
from worker.photo.animation.animation_limits import AnimationLimits
from worker.photo.animation.reader import Animation, animation_of
from worker.photo.decode import PhotoFacts, PhotoFile
from worker.photo.decode.recovery import cut_error
from worker.photo.encode.encoding import Encoded, encode_frames, pixel_hash
from worker.photo.encode.frame_sequence import Frames, ShownFrame
from worker.photo.materials import Materials
from worker.photo.operations.plan_operations import OPERATIONS
from worker.photo.step_count import StepCount

_NEVER = 2**62


@dataclass(frozen=True)
class FramesWritten:
    """What was written of an animation, and the seconds that each kind of work took."""

    encoded: Encoded
    warnings: tuple[PhotoWarning, ...]
    seconds: dict[str, float]


def write_animation(
    original: BinaryIO,
    materials: Materials,
    plan: Plan,
    job: PictureJob,
    file: BinaryIO,
    limits: AnimationLimits,
    count: StepCount | None = None,
) -> FramesWritten:
    """Write the animation that a job makes of a photo to its empty file.

    Raises TooManyFrames or TooManyPixels beyond the limits; UnreadablePhoto for a damaged frame. If the job tolerates
    that, the result has the frames before it, unless the first one is damaged.
    """
    photo = materials.photo
    wanted = _NEVER if job.frames == "all" else int(job.frames)
    warnings: tuple[PhotoWarning, ...] = ()
    while True:
        animation = animation_of(PhotoFile(original, photo.max_pixels), min(wanted, limits.frames + 1))
        limits.check("The animation", animation.count, (photo.stored.width, photo.stored.height))
        limits.check("The result", animation.count, _largest(plan))
        if not animation.whole and not warnings:
            warnings = _cut(photo, job, animation.count)
        run = _FrameRun(plan, materials, animation, count or StepCount())
        try:
            return FramesWritten(run.write(job, file), warnings, dict(run.seconds))
        except UnreadablePhoto as error:
            if not 0 < run.read < animation.count:
                raise
            warnings, wanted = _cut(photo, job, run.read, animation.count, error), run.read
            file.seek(0)
            file.truncate()


def _cut(
    photo: PhotoFacts, job: PictureJob, there: int, count: int | None = None, error: UnreadablePhoto | None = None
) -> tuple[PhotoWarning, ...]:
    """The warning about frames that are missing. Raises UnreadablePhoto if the job does not tolerate it."""
    name = name_of(photo.source.format)
    words = f"{there:,} of its {count:,} frames" if count else f"{there:,} frames"
    if job.tolerate != "truncated":
        raise cut_error(name, f"{words} are there") from error
    return (PhotoWarning("frames_missing", f"The {name} is damaged or cut short: {words} are there."),)


def _largest(plan: Plan) -> tuple[int, int]:
    return max((node.size for node in plan.nodes), key=lambda size: size[0] * size[1])


def _is_gray(photo: PhotoFacts) -> bool:
    """Whether its frames were gray, and are sRGB now."""
    return photo.stored.mode in {"1", "L", "LA"} or photo.stored.mode.startswith("I")


class _FrameRun:
    """Runs a plan for one frame after the other. `read` counts the frames that were read."""

    def __init__(self, plan: Plan, materials: Materials, animation: Animation, count: StepCount) -> None:
        self._plan = plan
        self._count = count
        count.begin(animation.count)
        self._freed = plan.freed_after()
        photo = materials.photo
        self._photo = replace(photo, colours=None) if _is_gray(photo) else photo
        self._animation = animation
        self._materials = replace(materials, photo=self._photo)
        self._measured: defaultdict[int, dict[str, Any]] = defaultdict(dict)
        """Position in the plan -> what its operation has measured in the first frame."""
        self._hash = hashlib.sha256()
        self._error: Exception | None = None
        self.read = 0
        self.seconds: defaultdict[str, float] = defaultdict(float)

    def write(self, job: PictureJob, file: BinaryIO) -> Encoded:
        started = time.perf_counter()
        made = self._made()
        first = next(made)
        mode = "RGBA" if first.image.mode == "RGBA" or self._animation.may_clear else "RGB"
        frames = (
            frame if frame.image.mode == mode else ShownFrame(frame.image.convert(mode), frame.duration)
            for frame in chain([first], made)
        )
        animation = Frames(first.image.size, mode, self._animation.count, self._animation.plays, frames)
        try:
            encoded = encode_frames(animation, self._photo, job.output, file, self._pixels)
        except Exception:
            if self._error:  # the encoder asked for a frame, and is not at fault
                raise self._error from None
            raise
        self.seconds["encode"] += time.perf_counter() - started - sum(self.seconds.values())
        return encoded

    def _pixels(self) -> str:
        return self._hash.hexdigest()[:16]

    def _made(self) -> Iterator[ShownFrame]:
        """The frames of the result."""
        try:
            for frame in self._timed(self._animation.frames):
                self._count.step("frame", self.read)
                self.read += 1
                image = self._result(frame.image)
                self._hash.update(pixel_hash(image).encode())
                yield ShownFrame(image, frame.duration)
        except Exception as error:
            self._error = error
            raise

    def _timed(self, frames: Iterator[ShownFrame]) -> Iterator[ShownFrame]:
        while True:
            started = time.perf_counter()
            frame = next(frames, None)
            self.seconds["decode"] += time.perf_counter() - started
            if frame is None:
                return
            yield frame

    def _result(self, frame: Image.Image) -> Image.Image:
        pictures = {0: frame}
        for position, (node, freed) in enumerate(zip(self._plan.nodes, self._freed, strict=True)):
            operation = node.operation
            if isinstance(operation, Finish):
                return pictures[node.sources[0]]
            if not isinstance(operation, Decode):
                started = time.perf_counter()
                materials = replace(self._materials, measured=self._measured[position])
                sources = (pictures[source] for source in node.sources)
                pictures[position] = OPERATIONS[type(operation)](operation, node, materials, *sources)
                self.seconds[operation.label] += time.perf_counter() - started
            for picture in freed:
                pictures.pop(picture, None)
        raise AssertionError("a plan ends with Finish")
