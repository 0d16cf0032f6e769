"""What a child says, checked before it is believed: the decoder in it may have been taken over by a photo."""

from __future__ import annotations

import os
import re
import stat
from dataclasses import replace
from typing import BinaryIO, TypeVar

from pydantic import TypeAdapter, ValidationError

from darkroom.errors import ChildDied
from darkroom.jobs.output import RESULT_FORMATS
from darkroom.sniff import INPUT_FORMATS, Sniffed
from worker.child.main import Failure, Looked, Outcome, Work, looked_adapter, outcome_adapter
from worker.photo.pipeline import ProducedFile

T = TypeVar("T")

LONGEST = 1024 * 1024
"""Bytes of one answer. A few hundred are usual; a traceback has some thousand."""

LONGEST_DETAIL, LONGEST_TRACE = 1000, 20_000
"""Characters. The detail goes into the record, which has 400 KB for all jobs of a photo."""

MOST_STEPS, LONGEST_STEP = 50, 1e6
"""Of those that are timed; the longest in seconds."""

_STEP = re.compile(r"[a-z0-9-]{1,40}")


def read_answer(data: bytes, work: Work) -> Outcome:
    """The outcome of one of the jobs that were asked for, its result in a file as it should be. Raises ChildDied."""
    outcome = _validated(outcome_adapter, data)
    if outcome.job not in work.jobs:
        raise _odd("a job that it was not asked for")
    result = outcome.result
    if isinstance(result, Failure):
        return replace(outcome, result=_shortened(result))
    format_ = RESULT_FORMATS.get(result.format)
    if format_ is None or (result.extension, result.content_type) != (format_.extension, format_.content_type):
        raise _odd("a format that we do not write")
    if result.path != work.directory / f"{outcome.job}.{format_.extension}":
        raise _odd("a file that is not its own")
    if (
        re.fullmatch("[0-9a-f]{64}", result.sha256) is None
        or any(side is not None and not 1 <= side < 2**31 for side in (result.width, result.height))
        or len(result.seconds) > MOST_STEPS
        or not all(_STEP.fullmatch(step) and 0 <= took < LONGEST_STEP for step, took in result.seconds.items())
    ):
        raise _odd("a result that cannot be")
    open_result(result).close()
    return outcome


def read_look(data: bytes) -> Looked:
    """What a look has told, if it can be. Raises ChildDied."""
    looked = _validated(looked_adapter, data)
    if isinstance(looked.result, Sniffed):
        _check_sniffed(looked.result)
        return looked
    return replace(looked, result=_shortened(looked.result))


def _check_sniffed(sniffed: Sniffed) -> None:
    if sniffed.content_type not in INPUT_FORMATS.values() or sniffed.format != sniffed.content_type.partition("/")[2]:
        raise _odd("a format that we do not take")
    if not all(1 <= side < 2**31 for side in (sniffed.width, sniffed.height)):
        raise _odd("a size that cannot be")


def _validated(adapter: TypeAdapter[T], data: bytes) -> T:
    try:
        return adapter.validate_json(data)
    except ValidationError as error:
        raise ChildDied(f"the process that held the pixels spoke nonsense: {str(error)[:LONGEST_DETAIL]}") from error


def _shortened(failure: Failure) -> Failure:
    return replace(failure, detail=failure.detail[:LONGEST_DETAIL], trace=failure.trace[:LONGEST_TRACE])


def open_result(result: ProducedFile) -> BinaryIO:
    """The file of a result, and never another one that a link leads to, nor one that waits for a writer.

    Raises ChildDied.
    """
    try:
        file = os.fdopen(os.open(result.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb")
    except OSError as error:
        raise _odd(f"a file that cannot be opened ({error.strerror})") from error
    found = os.fstat(file.fileno())
    if not stat.S_ISREG(found.st_mode) or found.st_size != result.size:
        file.close()
        raise _odd("a file that is not as it said")
    return file


def _odd(what: str) -> ChildDied:
    return ChildDied(f"the process that held the pixels named {what}")
