"""What the worker asks a child process, what the child answers, and how the answers are checked.

Both sides import this module; neither imports the other's code. Questions travel as pickles, because the child trusts
the worker. Answers travel as JSON and are checked: a photo may have taken over the decoder, and that must not run code
in the process that holds the credentials.
"""

from __future__ import annotations

import os
import pkgutil
import re
import stat
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import BinaryIO, TypeVar

from pydantic import TypeAdapter, ValidationError

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
from darkroom.jobs.job_types import Job
from darkroom.jobs.output import RESULT_FORMATS
from darkroom.sniff import INPUT_FORMATS, Sniffed
from worker.child.sandbox import SandboxLimits

T = TypeVar("T")

CHILD_SIDE = "worker.child.main:serve"
"""The function that a child runs. The worker names it and never loads it, because it loads the photo code."""

OUT_OF_MEMORY = 77
"""Exit status of a child that could not get memory."""

NOT_PERMITTED = 78
"""Exit status of a child in which the sandbox refused something: such a child is not trusted any further."""

LONGEST_ANSWER = 1024 * 1024
"""Bytes. A usual answer has a few hundred, one with a traceback some thousand."""

LONGEST_DETAIL, LONGEST_TRACE = 1000, 20_000
"""Characters. The detail goes into the record, which has 400 KB for all jobs of a photo."""

MOST_STEPS, LONGEST_STEP = 50, 1e6
"""How many steps an answer may time, and how many seconds one may have taken."""

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
"""The expected errors by code; any other error is a bug."""

_STEP = re.compile(r"[a-z0-9-]{1,40}")


# --- questions ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Look:
    """Asks what a file is, by its header."""

    original: Path


@dataclass(frozen=True)
class Work:
    """Asks for jobs on one original. Each result is written into `directory`."""

    original: Path
    jobs: dict[str, Job]
    directory: Path


# --- answers --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ProducedFile:
    """A result on disk. `size` in bytes, `sha256` in hex, `seconds` by step, for decoding and for encoding.

    `width` and `height` are in pixels, None if the result is not a picture.
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

    def open(self) -> BinaryIO:
        """Open the file, but follow no link and wait for no other process. Raises ChildDied."""
        try:
            file = os.fdopen(os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb")
        except OSError as error:
            raise _wrong(f"a file that cannot be opened ({error.strerror})") from error
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode) or found.st_size != self.size:
            file.close()
            raise _wrong("a file that does not match its description")
        return file


@dataclass(frozen=True)
class Failure:
    """Why a job failed. `trace` is set if the error was not an expected one."""

    code: str
    detail: str
    trace: str = ""

    @property
    def error(self) -> DarkroomError:
        return JOB_ERRORS.get(self.code, DarkroomError)(self.detail)

    def shortened(self) -> Failure:
        return replace(self, detail=self.detail[:LONGEST_DETAIL], trace=self.trace[:LONGEST_TRACE])


@dataclass(frozen=True)
class JobOutcome:
    """How one job ended."""

    job: str
    result: ProducedFile | Failure


@dataclass(frozen=True)
class LookOutcome:
    """What a look found."""

    result: Sniffed | Failure


job_outcome_adapter: TypeAdapter[JobOutcome] = TypeAdapter(JobOutcome)
look_outcome_adapter: TypeAdapter[LookOutcome] = TypeAdapter(LookOutcome)


# --- checks of the answers ------------------------------------------------------------------------------------------


def read_job_outcome(data: bytes, work: Work) -> JobOutcome:
    """Check an answer to `work`: one of its jobs, and a result that the job can have. Raises ChildDied."""
    outcome = _validated(job_outcome_adapter, data)
    if outcome.job not in work.jobs:
        raise _wrong("a job that was not asked for")
    if isinstance(outcome.result, Failure):
        return replace(outcome, result=outcome.result.shortened())
    _check_file(outcome.result, work.directory / outcome.job)
    return outcome


def _check_file(file: ProducedFile, target: Path) -> None:
    format_ = RESULT_FORMATS.get(file.format)
    if format_ is None or (file.extension, file.content_type) != (format_.extension, format_.content_type):
        raise _wrong("a format that is not written")
    if file.path != target.with_name(f"{target.name}.{format_.extension}"):
        raise _wrong("a file that belongs to something else")
    if (
        re.fullmatch("[0-9a-f]{64}", file.sha256) is None
        or any(side is not None and not 1 <= side < 2**31 for side in (file.width, file.height))
        or len(file.seconds) > MOST_STEPS
        or not all(_STEP.fullmatch(step) and 0 <= took < LONGEST_STEP for step, took in file.seconds.items())
    ):
        raise _wrong("an impossible result")
    file.open().close()


def read_look_outcome(data: bytes) -> LookOutcome:
    """Check an answer to a look. Raises ChildDied."""
    outcome = _validated(look_outcome_adapter, data)
    result = outcome.result
    if isinstance(result, Failure):
        return replace(outcome, result=result.shortened())
    if result.content_type not in INPUT_FORMATS.values() or result.format != result.content_type.partition("/")[2]:
        raise _wrong("a format that is not read")
    if not all(1 <= side < 2**31 for side in (result.width, result.height)):
        raise _wrong("an impossible size")
    return outcome


def _validated(adapter: TypeAdapter[T], data: bytes) -> T:
    try:
        return adapter.validate_json(data)
    except ValidationError as error:
        raise ChildDied(f"the child process sent an invalid answer: {str(error)[:LONGEST_DETAIL]}") from error


def _wrong(what: str) -> ChildDied:
    return ChildDied(f"the child process answered with {what}")


# --- the start of a child -------------------------------------------------------------------------------------------


def serve_by_name(pipe: Connection, max_pixels: int, limits: SandboxLimits) -> None:
    """Run the child's side. In a child only."""
    pkgutil.resolve_name(CHILD_SIDE)(pipe, max_pixels, limits)
