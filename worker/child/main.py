"""The child's side: look into a file, or do the jobs of an order, and answer as worker/child/protocol.py says.

No other module imports this one: the fork server loads it for the children.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import signal
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from multiprocessing.connection import Connection
from typing import BinaryIO

from darkroom import making
from darkroom.errors import DarkroomError, PhotoError, Unavailable
from darkroom.jobs.job_types import Job
from darkroom.photo_warnings import bounded
from darkroom.sniff import accept_extra_inputs, set_pixel_limit, sniff
from worker.child import sandbox
from worker.child.limits import ChildLimits
from worker.child.protocol import (
    NOT_PERMITTED,
    OUT_OF_MEMORY,
    Description,
    Failure,
    JobAnswer,
    Look,
    LookOutcome,
    job_answer_adapter,
    look_outcome_adapter,
    receive_question,
    write_progress,
)
from worker.photo.animation.animation_limits import AnimationLimits
from worker.photo.job_ends import PipelineResult
from worker.photo.pipeline import produce

_OUT_OF_MEMORY = re.compile(
    r"out of memory|memory allocation error(?!: security limit)|cannot allocate memory"
    r"|unexpected C\+\+ exception"  # libheif: bad_alloc
    r"|encoding error 1\b",  # libwebp: VP8_ENC_ERROR_OUT_OF_MEMORY
    re.IGNORECASE,
)
"""What some libraries report when they get no memory. Others report a damaged photo or a failed write instead, so a
failure in a child that was short of memory counts as a lack of memory."""

NEARLY_NOTHING, HALF = 0.1, 0.5
"""Shares of the memory cap. A child that had less left was short of memory."""


def serve(pipe: Connection, limits: ChildLimits) -> None:
    """Answer one question after another until the worker closes the pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is meant for the worker
    set_pixel_limit(limits.max_pixels)
    accept_extra_inputs(limits.extra_inputs)
    sandbox.enter(limits, pipe)
    while True:
        try:
            question, descriptors = receive_question(pipe)
        except EOFError:
            return
        try:
            if isinstance(question, Look):
                with os.fdopen(descriptors[0], "rb") as original:
                    pipe.send_bytes(look_outcome_adapter.dump_json(look(original, limits)))
            else:
                for answer in do(question.jobs, descriptors, limits, question.assets):
                    pipe.send_bytes(job_answer_adapter.dump_json(answer))
                sandbox.end_order()
        except MemoryError:
            os._exit(OUT_OF_MEMORY)
        except PermissionError:
            os._exit(NOT_PERMITTED)
        except BrokenPipeError:
            return


def look(original: BinaryIO, limits: ChildLimits) -> LookOutcome:
    """Raises MemoryError, and PermissionError if the sandbox refused something."""
    try:
        return LookOutcome(sniff(original, limits.max_pixels))
    except Exception as error:  # noqa: BLE001 - readers of headers raise errors of any kind
        return LookOutcome(_failure(error, limits))


def do(
    jobs: Mapping[str, Job], descriptors: Sequence[int], limits: ChildLimits, assets: Sequence[str] = ()
) -> Iterator[JobAnswer]:
    """Do the jobs, and answer each as soon as it ends. A failed job is answered, too. Closes the descriptors.

    `descriptors`: those of the original, of the results of the jobs, of the file for the progress, and of the assets
    with these ids.

    Raises MemoryError, and PermissionError if the sandbox refused something.
    """
    with ExitStack() as files:
        original = files.enter_context(os.fdopen(descriptors[0], "rb"))
        results = {
            job_id: files.enter_context(os.fdopen(descriptor, "wb"))
            for job_id, descriptor in zip(jobs, descriptors[1 : 1 + len(jobs)], strict=True)
        }
        progress = files.enter_context(os.fdopen(descriptors[1 + len(jobs)], "wb", buffering=0)).fileno()
        asset_files = {
            asset_id: files.enter_context(os.fdopen(descriptor, "rb"))
            for asset_id, descriptor in zip(assets, descriptors[2 + len(jobs) :], strict=True)
        }
        animations = AnimationLimits(limits.max_frames, limits.max_animation_pixels)
        tell = partial(write_progress, progress)
        for end in produce(original, jobs, results, limits.max_pixels, limits.memory, asset_files, animations, tell):
            try:
                if isinstance(end.result, Exception):
                    raise end.result
                with results[end.job] as file:
                    file.flush()
                    answer = JobAnswer(end.job, _described(end.result, file))
            except Exception as error:  # noqa: BLE001 - decoders raise errors of any kind, and a disk may be full
                answer = JobAnswer(end.job, _failure(error, limits))
            yield answer


def _described(result: PipelineResult, file: BinaryIO) -> Description:
    """What the parent has to know about a result, to check and to store it."""
    with os.fdopen(file.fileno(), "rb", closefd=False) as written:
        size = written.seek(0, os.SEEK_END)
        written.seek(0)
        digest = hashlib.file_digest(written, "sha256").hexdigest()
    return Description(
        format=result.format,
        width=result.width,
        height=result.height,
        size=size,
        sha256=digest,
        seconds=result.seconds,
        warnings=bounded(result.warnings),
        making=making.bounded(result.making),
        measures=result.measures,
        frames=result.frames,
        duration=result.duration,
    )


def _with_causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error about a photo has words of ours. Those of the library are in its cause."""
    while error:
        yield error
        error = error.__cause__


def _failure(error: Exception, limits: ChildLimits) -> Failure:
    number = error.errno if isinstance(error, OSError) else None
    # seccomp answers EPERM, Landlock EACCES.
    if isinstance(error, MemoryError) or number in (errno.EPERM, errno.EACCES):
        raise error
    # An error that blames the photo is believed unless next to no memory was left.
    near = NEARLY_NOTHING if isinstance(error, DarkroomError) else HALF
    if any(_OUT_OF_MEMORY.search(str(reason)) for reason in _with_causes(error)) or sandbox.is_short_of_memory(
        limits, near
    ):
        raise MemoryError from error
    if isinstance(error, DarkroomError):
        return Failure(error.code, error.detail)
    if number == errno.EFBIG:
        return Failure(
            PhotoError.code,
            f"The result would have more than {limits.max_result_bytes:,} bytes, the most that it may have.",
        )
    if number:
        return Failure(Unavailable.code, f"the worker cannot use its disk: {os.strerror(number)}")
    return Failure(DarkroomError.code, DarkroomError().detail, traceback.format_exc())
