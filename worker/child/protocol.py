"""What the worker asks a child process, what the child answers, and how the answers are checked.

Both sides import this module; neither imports the other's code. Questions travel as pickles, because the child trusts
the worker. Answers travel as JSON and are checked: a photo may have taken over the decoder, and that must not run code
in the process that holds the credentials.

A child opens no files. The worker opens them, and their descriptors travel with the question.
"""

from __future__ import annotations

import contextlib
import os
import pkgutil
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import BinaryIO, TypeVar

from pydantic import TypeAdapter, ValidationError

from darkroom.asset_errors import AssetMissing, UnreadableAsset
from darkroom.containers.animation import MOST_COUNTED
from darkroom.containers.extra_inputs import EXTRA_INPUTS, format_of
from darkroom.errors import (
    ChildDied,
    DarkroomError,
    NotEnoughMemory,
    NotPermitted,
    OutOfMemory,
    PageMissing,
    PersonalMetadata,
    PhotoError,
    TimeLimitExceeded,
    TooManyFrames,
    TooManyPixels,
    Unavailable,
    UnreadablePhoto,
    UnsupportedPhoto,
)
from darkroom.jobs.asset_ids import MAX_ASSETS
from darkroom.jobs.job_types import MAX_JOBS, Job
from darkroom.jobs.output_formats import RESULT_FORMATS
from darkroom.making import Making, is_allowed
from darkroom.photo_metadata.measures import ShortMeasures
from darkroom.photo_warnings import PhotoWarning, are_allowed
from darkroom.record.step_progress import StepProgress
from darkroom.sniff import INPUT_FORMATS, Sniffed
from worker.child.limits import ChildLimits

T = TypeVar("T")

CHILD_SIDE = "worker.child.main:serve"
"""The function that a child runs. The worker names it and never loads it, because it loads the photo code."""

OUT_OF_MEMORY = 77
"""Exit status of a child that could not get memory."""

NOT_PERMITTED = 78
"""Exit status of a child in which the sandbox refused something: such a child is not trusted any further."""

BYTE = b"\0"
"""What carries the descriptors: they cannot travel alone."""

MOST_DESCRIPTORS = 1 + MAX_JOBS + 1 + MAX_ASSETS
"""The original, a file for each result, one for the progress, and the assets. The kernel sends at most 253 at a time
(SCM_MAX_FD)."""

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
        NotEnoughMemory,
        TooManyFrames,
        PageMissing,
        PersonalMetadata,
        UnreadableAsset,
        AssetMissing,
        TimeLimitExceeded,
        OutOfMemory,
        ChildDied,
        NotPermitted,
        Unavailable,
    )
}
"""The expected errors by code; any other error is a bug."""

LONGEST_DURATION = 1e9
"""Seconds that an animation may be shown. WebP has 24 bits for the milliseconds of each frame."""

_STEP = re.compile(r"[a-z0-9-]{1,40}")


# --- questions ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Look:
    """Asks what a file is, by its header. The original's descriptor comes along."""


@dataclass(frozen=True)
class Work:
    """Asks for jobs on one original. The original's descriptor comes along, then one for the result of each job, one
    for the progress, and then one for each of the assets, which these ids name."""

    jobs: dict[str, Job]
    assets: tuple[str, ...] = ()


def send_question(pipe: Connection, question: Work | Look, descriptors: Sequence[int]) -> None:
    """Send a question, and open files with it. The caller keeps its own descriptors. Raises OSError."""
    with _socket(pipe) as channel:
        socket.send_fds(channel, [BYTE], descriptors)
    pipe.send(question)


def receive_question(pipe: Connection) -> tuple[Work | Look, list[int]]:
    """The next question and its descriptors, which now belong to this process. Raises EOFError."""
    with _socket(pipe) as channel:
        byte, descriptors, _, _ = socket.recv_fds(channel, len(BYTE), MOST_DESCRIPTORS)
    if not byte:
        raise EOFError
    question: Work | Look = pipe.recv()
    return question, descriptors


def _socket(pipe: Connection) -> socket.socket:
    """The socket that a two-way pipe of multiprocessing is."""
    return socket.fromfd(pipe.fileno(), socket.AF_UNIX, socket.SOCK_STREAM)


# --- answers --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Description:
    """What a child says of a result that it has written: one of RESULT_FORMATS, `size` in bytes, `sha256` in hex,
    `seconds` by step, for decoding and for encoding; `warnings` as `photo_warnings.bounded` leaves them; `making`
    within the limits of darkroom/making.py; `measures` of a metadata job that events hold.

    `width` and `height` are in pixels, None if the result is not a picture. `frames` and `duration`, in seconds, are
    those of an animation, and None for other results.
    """

    format: str
    width: int | None
    height: int | None
    size: int
    sha256: str
    seconds: dict[str, float]
    warnings: tuple[PhotoWarning, ...]
    making: Making
    frames: int | None = field(default=None, kw_only=True)
    duration: float | None = field(default=None, kw_only=True)
    measures: ShortMeasures | None = field(default=None, kw_only=True)


@dataclass(frozen=True)
class ProducedFile(Description):
    """A result in the file that the worker made for it."""

    path: Path

    @property
    def extension(self) -> str:
        return RESULT_FORMATS[self.format].extension

    @property
    def content_type(self) -> str:
        return RESULT_FORMATS[self.format].content_type

    def open(self) -> BinaryIO:
        """Open the file. Raises ChildDied if its size is not the described one."""
        file = self.path.open("rb")
        if os.fstat(file.fileno()).st_size != self.size:
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

    def checked(self) -> Failure:
        """With a code that exists, and texts of limited length."""
        return Failure(self.error.code, self.detail[:LONGEST_DETAIL], self.trace[:LONGEST_TRACE])


@dataclass(frozen=True)
class JobAnswer:
    """What a child answers about one job."""

    job: str
    result: Description | Failure


@dataclass(frozen=True)
class JobOutcome:
    """How one job ended, once the child's answer is checked. `company`: the ids of all jobs that the child did
    together; empty if it was this one alone."""

    job: str
    result: ProducedFile | Failure
    company: tuple[str, ...] = ()


@dataclass(frozen=True)
class LookOutcome:
    """What a look found."""

    result: Sniffed | Failure


job_answer_adapter: TypeAdapter[JobAnswer] = TypeAdapter(JobAnswer)
look_outcome_adapter: TypeAdapter[LookOutcome] = TypeAdapter(LookOutcome)


# --- progress -------------------------------------------------------------------------------------------------------

PROGRESS_SIZE = 128
"""Bytes of the file in which a child notes its step. The worker reads it when no answer has come for a while, so a
step of a short order costs the child a write and the worker nothing."""


def write_progress(file: int, step: str, done: int, of: int) -> None:
    with contextlib.suppress(OSError):  # the disk is full: no job fails for that
        os.lseek(file, 0, os.SEEK_SET)
        os.write(file, f'{{"step":"{step}","done":{done},"of":{of}}}'.ljust(PROGRESS_SIZE).encode())


def read_progress(path: Path) -> StepProgress | None:
    """The step that the child does; None if it has noted none, or something else."""
    try:
        with path.open("rb") as file:
            return StepProgress.model_validate_json(file.read(PROGRESS_SIZE))
    except (OSError, ValidationError):
        return None


# --- checks of the answers ------------------------------------------------------------------------------------------


def read_job_outcome(data: bytes, unanswered: dict[str, Path]) -> JobOutcome:
    """Check an answer about one of the jobs that have these files, and remove the job from them. Raises ChildDied."""
    answer = _validated(job_answer_adapter, data)
    path = unanswered.pop(answer.job, None)
    if path is None:
        raise _wrong("a job that was not asked for, or was answered before")
    if isinstance(answer.result, Failure):
        return JobOutcome(answer.job, answer.result.checked())
    _check(answer.result)
    file = ProducedFile(**vars(answer.result), path=path)
    file.open().close()
    return JobOutcome(answer.job, file)


def _check(result: Description) -> None:
    if result.format not in RESULT_FORMATS:
        raise _wrong("a format that is not written")
    if (
        re.fullmatch("[0-9a-f]{64}", result.sha256) is None
        or any(side is not None and not 1 <= side < 2**31 for side in (result.width, result.height))
        or not (result.frames is None or 2 <= result.frames <= MOST_COUNTED)
        or not (result.duration is None or 0 <= result.duration < LONGEST_DURATION)
        or len(result.seconds) > MOST_STEPS
        or not are_allowed(result.warnings)
        or not is_allowed(result.making)
        or not all(_STEP.fullmatch(step) and 0 <= took < LONGEST_STEP for step, took in result.seconds.items())
    ):
        raise _wrong("an impossible result")


def read_look_outcome(data: bytes) -> LookOutcome:
    """Check an answer to a look. Raises ChildDied."""
    outcome = _validated(look_outcome_adapter, data)
    result = outcome.result
    if isinstance(result, Failure):
        return replace(outcome, result=result.checked())
    if result.content_type not in (*INPUT_FORMATS.values(), *EXTRA_INPUTS.values()) or result.format != format_of(
        result.content_type
    ):
        raise _wrong("a format that is not read")
    if not all(1 <= side < 2**31 for side in (result.width, result.height)) or not 1 <= result.frames <= MOST_COUNTED:
        raise _wrong("an impossible size")
    return outcome


def _validated(adapter: TypeAdapter[T], data: bytes) -> T:
    try:
        return adapter.validate_json(data)
    except ValidationError as error:
        raise _wrong("something that is not an answer") from error


def _wrong(what: str) -> ChildDied:
    return ChildDied(f"the child process answered with {what}")


# --- the start of a child -------------------------------------------------------------------------------------------


def serve_by_name(pipe: Connection, limits: ChildLimits) -> None:
    """Run the child's side. In a child only."""
    pkgutil.resolve_name(CHILD_SIDE)(pipe, limits)
