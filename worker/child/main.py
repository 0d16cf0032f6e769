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
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

from darkroom.errors import DarkroomError, Unavailable
from darkroom.jobs.output import RESULT_FORMATS
from darkroom.sniff import set_pixel_limit, sniff
from worker.child import sandbox
from worker.child.protocol import (
    NOT_PERMITTED,
    OUT_OF_MEMORY,
    Failure,
    JobOutcome,
    Look,
    LookOutcome,
    ProducedFile,
    Work,
    job_outcome_adapter,
    look_outcome_adapter,
)
from worker.child.sandbox import SandboxLimits
from worker.photo.decode import open_photo
from worker.photo.pipeline import PipelineResult, produce

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


def serve(pipe: Connection, max_pixels: int, limits: SandboxLimits) -> None:
    """Answer one question after another, each within its seconds, until the worker closes the pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is meant for the worker
    sandbox.enter(limits)
    set_pixel_limit(max_pixels)
    while True:
        try:
            question: Work | Look
            question, time_limit = pipe.recv()
        except EOFError:
            return
        try:
            sandbox.allow_cpu_time(time_limit)
            if isinstance(question, Look):
                pipe.send_bytes(look_outcome_adapter.dump_json(look(question, max_pixels, limits)))
            else:
                for outcome in do(question, max_pixels, limits):
                    pipe.send_bytes(job_outcome_adapter.dump_json(outcome))
        except MemoryError:
            os._exit(OUT_OF_MEMORY)
        except PermissionError:
            os._exit(NOT_PERMITTED)
        except BrokenPipeError:
            return


def look(question: Look, max_pixels: int, limits: SandboxLimits) -> LookOutcome:
    """Raises MemoryError, and PermissionError if the sandbox refused something."""
    try:
        return LookOutcome(sniff(question.original, max_pixels))
    except Exception as error:  # noqa: BLE001 - readers of headers raise errors of any kind
        return LookOutcome(_failure(error, limits))


def do(work: Work, max_pixels: int, limits: SandboxLimits) -> Iterator[JobOutcome]:
    """Decode once, then do each job. A failed job is an outcome, too.

    Raises MemoryError, and PermissionError if the sandbox refused something.
    """
    try:
        photo = open_photo(work.original, max_pixels)
    except Exception as error:  # noqa: BLE001 - decoders raise errors of any kind
        failure = _failure(error, limits)
        yield from (JobOutcome(job_id, failure) for job_id in work.jobs)
        return
    for job_id, job in work.jobs.items():
        try:
            result = produce(photo, job, work.directory / job_id, max_pixels)
            yield JobOutcome(job_id, _described(result, photo.seconds))
        except Exception as error:  # noqa: BLE001 - a bug in one job must not stop the others
            yield JobOutcome(job_id, _failure(error, limits))


def _described(result: PipelineResult, decode_seconds: float) -> ProducedFile:
    """What the parent has to know about a result, to check and to store it."""
    with result.path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return ProducedFile(
        path=result.path,
        format=result.format,
        extension=RESULT_FORMATS[result.format].extension,
        content_type=RESULT_FORMATS[result.format].content_type,
        width=result.width,
        height=result.height,
        size=result.path.stat().st_size,
        sha256=digest,
        seconds={"decode": decode_seconds} | result.seconds,
    )


def _failure(error: Exception, limits: SandboxLimits) -> Failure:
    if isinstance(error, MemoryError) or _is_refused(error, limits.folder):
        raise error
    # An error that blames the photo is believed unless next to no memory was left.
    near = NEARLY_NOTHING if isinstance(error, DarkroomError) else HALF
    if _OUT_OF_MEMORY.search(str(error)) or sandbox.is_short_of_memory(limits, near):
        raise MemoryError from error
    if isinstance(error, DarkroomError):
        return Failure(error.code, error.detail)
    if isinstance(error, OSError) and error.errno:
        return Failure(Unavailable.code, f"the worker's disk: {error}")
    return Failure(DarkroomError.code, f"{type(error).__name__}: {error}", traceback.format_exc())


def _is_refused(error: Exception, folder: Path) -> bool:
    """Whether the sandbox refused something: seccomp answers EPERM, Landlock EACCES.

    EACCES inside the child's own folder does not come from the sandbox: the folder belongs to another user, or was
    removed and made again.
    """
    if not isinstance(error, OSError) or error.errno not in (errno.EPERM, errno.EACCES):
        return False
    named = isinstance(error.filename, str | bytes | os.PathLike)
    in_folder = named and Path(os.fsdecode(error.filename)).resolve().is_relative_to(folder.resolve())
    return error.errno == errno.EPERM or not in_folder
