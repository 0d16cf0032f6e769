"""What becomes of a message that cannot be handled: its body is not readable, or its file cannot become a photo."""

from __future__ import annotations

import structlog

from darkroom.aws.queue import Received, WorkQueue
from darkroom.errors import DarkroomError, Unavailable
from darkroom.settings import Settings
from worker.verdict import Bury, Verdict, judge

log = structlog.get_logger()


def refuse(queue: WorkQueue, received: Received, error: DarkroomError, settings: Settings) -> Verdict:
    """Judge a message by its receives, since no record counts its attempts, and bury it if that is the verdict."""
    verdict = judge(error, received.receives, received.receives, settings)
    level = log.error if isinstance(verdict, Bury) else log.warning
    level("message.refused", message=received.id, **verdict.fields(), code=error.code, detail=error.detail)
    if isinstance(verdict, Bury):
        try:
            queue.bury(received, error.code, error.detail)
        except Unavailable as fault:
            return judge(fault, received.receives, received.receives, settings)
    return verdict


def as_darkroom_error(error: Exception) -> DarkroomError:
    """An unexpected error as a DarkroomError, which `judge` needs. The log has the error's own text."""
    if isinstance(error, DarkroomError):
        return error
    if isinstance(error, OSError):  # such as a full disk: not the photo's fault
        return Unavailable(f"the worker cannot work: {error.strerror or 'its disk fails'}")
    return DarkroomError()
