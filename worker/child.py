"""The child's side of worker/pool.py: do the jobs of an order, one outcome after another.

What a child says is read as JSON by the parent: a decoder that was taken over must not be able to
run code in the process that holds the credentials.
"""

from __future__ import annotations

import os
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
    OutOfMemory,
    PhotoError,
    TimeLimitExceeded,
    TooManyPixels,
    Unavailable,
    UnreadablePhoto,
    UnsupportedPhoto,
)
from darkroom.jobs import Job
from darkroom.sniff import set_pixel_limit
from worker.photo.decode import open_photo
from worker.photo.pipeline import Result, produce

OUT_OF_MEMORY = 77
"""Exit status of a child that got no more memory; it dies rather than go on with what is left."""

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
        Unavailable,
    )
}
"""What was foreseen, by code; anything else is a bug."""


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
    result: Result | Failure


outcome_adapter: TypeAdapter[Outcome] = TypeAdapter(Outcome)


def serve(pipe: Connection, max_pixels: int) -> None:
    """The child's whole life: take work until the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent
    set_pixel_limit(max_pixels)
    while True:
        try:
            work: Work = pipe.recv()
        except EOFError:
            return
        try:
            for outcome in do(work, max_pixels):
                pipe.send_bytes(outcome_adapter.dump_json(outcome))
        except MemoryError:
            os._exit(OUT_OF_MEMORY)
        except BrokenPipeError:
            return


def do(work: Work, max_pixels: int) -> Iterator[Outcome]:
    """Decode once, then do each job; a failure is an outcome like any other. MemoryError passes."""
    try:
        photo = open_photo(work.original, max_pixels)
    except Exception as error:  # noqa: BLE001 - all that a decoder can throw
        failure = _failure(error)
        yield from (Outcome(job_id, failure) for job_id in work.jobs)
        return
    for job_id, job in work.jobs.items():
        try:
            result = produce(photo, job, work.directory / job_id, max_pixels)
            yield Outcome(job_id, replace(result, seconds={"decode": photo.seconds} | result.seconds))
        except Exception as error:  # noqa: BLE001 - one job's bug is not the other jobs' problem
            yield Outcome(job_id, _failure(error))


def _failure(error: Exception) -> Failure:
    if isinstance(error, MemoryError):
        raise error
    if isinstance(error, DarkroomError):
        return Failure(error.code, error.detail)
    if isinstance(error, OSError) and error.errno:
        return Failure(Unavailable.code, f"the worker's disk: {error}")
    return Failure(DarkroomError.code, f"{type(error).__name__}: {error}", traceback.format_exc())
