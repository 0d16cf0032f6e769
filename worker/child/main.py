"""The child's side of worker/child/process.py: look into a file, or do the jobs of an order, one outcome after another.

What a child says is read as JSON by the parent: a decoder that was taken over must not be able to
run code in the process that holds the credentials.
"""

from __future__ import annotations

import errno
import os
import re
import signal
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path

from pydantic import TypeAdapter

from darkroom.errors import (
    ChildDied,
    DarkroomError,
    NotPermitted,
    OutOfMemory,
    PhotoError,
    TimeLimitExceeded,
    TooManyPixels,
    Unavailable,
    UnreadablePhoto,
    UnsupportedPhoto,
)
from darkroom.jobs.specs import Job
from darkroom.sniff import Sniffed, set_pixel_limit, sniff
from worker.child import sandbox
from worker.photo.decode import open_photo
from worker.photo.pipeline import ProducedFile, produce

OUT_OF_MEMORY = 77
"""Exit status of a child that got no more memory; it dies rather than go on with what is left."""

NOT_PERMITTED = 78
"""Exit status of a child in which something tried what the sandbox refuses: it is not trusted any further."""

JOB_ERRORS = {
    error.code: error
    for error in (
        PhotoError,
        UnreadablePhoto,
        UnsupportedPhoto,
        TooManyPixels,
        TimeLimitExceeded,
        OutOfMemory,
        ChildDied,
        NotPermitted,
        Unavailable,
    )
}
"""What was foreseen, by code; anything else is a bug."""


@dataclass(frozen=True)
class Look:
    """What a child is asked of a file that nobody has looked into yet: what it is, by its header."""

    original: Path


@dataclass(frozen=True)
class Work:
    """What a child is asked for: jobs on one original, each result as a file in `directory`."""

    original: Path
    jobs: dict[str, Job]
    directory: Path


@dataclass(frozen=True)
class Failure:
    """Why a job did not succeed. `trace` is set when nobody expected it."""

    code: str
    detail: str
    trace: str = ""

    @property
    def error(self) -> DarkroomError:
        return JOB_ERRORS.get(self.code, DarkroomError)(self.detail)


@dataclass(frozen=True)
class Outcome:
    """How one job ended."""

    job: str
    result: ProducedFile | Failure


@dataclass(frozen=True)
class Looked:
    """What a look has told."""

    result: Sniffed | Failure


looked_adapter: TypeAdapter[Looked] = TypeAdapter(Looked)
outcome_adapter: TypeAdapter[Outcome] = TypeAdapter(Outcome)

_OUT_OF_MEMORY = re.compile(
    r"out of memory|memory allocation error(?!: security limit)|cannot allocate memory"
    r"|unexpected C\+\+ exception"  # libheif: bad_alloc
    r"|encoding error 1\b",  # libwebp: VP8_ENC_ERROR_OUT_OF_MEMORY
    re.IGNORECASE,
)
"""What libraries say when they get no memory. Others call the photo damaged then, or the result unwritable, or fail in
ways that nobody foresaw: a child that failed when it was short of memory is taken to have failed for that."""

NEARLY_NOTHING, HALF = 0.1, 0.5
"""Shares of the cap. With less left a child counts as short of memory."""


def serve(pipe: Connection, max_pixels: int, limits: sandbox.Limits) -> None:
    """The child's whole life: take work, and the seconds that it may last, until the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent
    sandbox.enter(limits)
    set_pixel_limit(max_pixels)
    while True:
        try:
            asked: Work | Look
            asked, time_limit = pipe.recv()
        except EOFError:
            return
        try:
            sandbox.allow_cpu_time(time_limit)
            if isinstance(asked, Look):
                pipe.send_bytes(looked_adapter.dump_json(look(asked, max_pixels, limits)))
            else:
                for outcome in do(asked, max_pixels, limits):
                    pipe.send_bytes(outcome_adapter.dump_json(outcome))
        except MemoryError:
            os._exit(OUT_OF_MEMORY)
        except PermissionError:
            os._exit(NOT_PERMITTED)
        except BrokenPipeError:
            return


def look(asked: Look, max_pixels: int, limits: sandbox.Limits) -> Looked:
    """Raises MemoryError, and PermissionError when the sandbox refused something."""
    try:
        return Looked(sniff(asked.original, max_pixels))
    except Exception as error:  # noqa: BLE001 - all that a reader of headers can throw
        return Looked(_failure(error, limits))


def do(work: Work, max_pixels: int, limits: sandbox.Limits) -> Iterator[Outcome]:
    """Decode once, then do each job; a failure is an outcome like any other.

    Raises MemoryError, and PermissionError when the sandbox refused something.
    """
    try:
        photo = open_photo(work.original, max_pixels)
    except Exception as error:  # noqa: BLE001 - all that a decoder can throw
        failure = _failure(error, limits)
        yield from (Outcome(job_id, failure) for job_id in work.jobs)
        return
    for job_id, job in work.jobs.items():
        try:
            result = produce(photo, job, work.directory / job_id, max_pixels)
            yield Outcome(job_id, replace(result, seconds={"decode": photo.seconds} | result.seconds))
        except Exception as error:  # noqa: BLE001 - one job's bug is not the other jobs' problem
            yield Outcome(job_id, _failure(error, limits))


def _failure(error: Exception, limits: sandbox.Limits) -> Failure:
    if isinstance(error, MemoryError) or _is_refused(error, limits.folder):
        raise error
    # What says itself that it is the photo's fault is believed unless there was next to nothing left.
    near = NEARLY_NOTHING if isinstance(error, DarkroomError) else HALF
    if _OUT_OF_MEMORY.search(str(error)) or sandbox.is_short_of_memory(limits, near):
        raise MemoryError from error
    if isinstance(error, DarkroomError):
        return Failure(error.code, error.detail)
    if isinstance(error, OSError) and error.errno:
        return Failure(Unavailable.code, f"the worker's disk: {error}")
    return Failure(DarkroomError.code, f"{type(error).__name__}: {error}", traceback.format_exc())


def _is_refused(error: Exception, folder: Path) -> bool:
    """Whether the sandbox said no: seccomp by EPERM, Landlock by EACCES.

    In its folder a child may do everything: "permission denied" there is a matter of the disk, of a folder that belongs
    to somebody else or was made anew, and no misdeed.
    """
    if not isinstance(error, OSError) or error.errno not in (errno.EPERM, errno.EACCES):
        return False
    named = isinstance(error.filename, str | bytes | os.PathLike)
    in_folder = named and Path(os.fsdecode(error.filename)).resolve().is_relative_to(folder.resolve())
    return error.errno == errno.EPERM or not in_folder
