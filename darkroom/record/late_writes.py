"""Late writes: objects of a photo that are stored although no record needs them.

A PUT cannot be fenced. A worker that was paused during a PUT may store a result after another worker has taken its
order, or after the photo was deleted. So the record remembers until when this is possible. The sweep then lists what
lies under the photo's keys and removes what the record does not need. The photo stays due until this is done.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from darkroom.aws_timeouts import LONGEST_AWS_TIMEOUT, longest_put
from darkroom.errors import Unavailable
from darkroom.record.clock import now
from darkroom.record.stored import Stored

LONGEST_PUT = timedelta(seconds=longest_put(LONGEST_AWS_TIMEOUT))
"""How long after the end of its time a writer can still store an object. It holds for every value of
DARKROOM_AWS_TIMEOUT: the API that deletes a photo may have another value than the worker that writes."""

IMPORT_TIME = timedelta(minutes=10)
"""How long after it read the record the API may begin to store an original, or a worker to copy one. Such a writer has
no claim, so each deletion expects late writes for this time."""


LONGEST_WAIT = timedelta(hours=6)
"""Longest wait after a look that failed."""


class ImportTime:
    """The time in which a writer without a claim may store an original. It begins now, before the record is read.

    It is checked on the wall clock, so it holds also for a process that was suspended together with its machine.
    """

    def __init__(self) -> None:
        self.until = now() + IMPORT_TIME

    def check(self) -> None:
        """Raises Unavailable when the time is over."""
        if self.until <= now():
            raise Unavailable(f"storing the file took longer than {IMPORT_TIME.total_seconds():.0f} s")


class LateWrites(Stored):
    """`until`: the last time at which an object may be stored late. `look_at`: when the sweep looks for such ones."""

    until: datetime
    look_at: datetime

    @property
    def overdue(self) -> bool:
        return self.look_at <= now()

    @classmethod
    def expected(cls, writer_ends: datetime, before: LateWrites | None) -> LateWrites:
        """Those of a writer whose time ends then, and those that were expected before. No planned look is postponed."""
        until = writer_ends + LONGEST_PUT
        if before is None:
            return cls(until=until, look_at=until)
        return cls(until=max(before.until, until), look_at=before.look_at)

    def looked(self, at: datetime) -> LateWrites | None:
        """What is left to do after a look that began at this time: another look, or nothing (None)."""
        return None if at >= self.until else LateWrites(until=self.until, look_at=self.until)

    def failed(self, wait: float) -> LateWrites:
        """What is left to do after a look that failed. The next one comes in `wait` seconds; once no writer is left, in
        as long a time as the looks have failed for."""
        at = now()
        failing_for = min(at - self.until, LONGEST_WAIT)
        return LateWrites(until=self.until, look_at=at + max(timedelta(seconds=wait), failing_for))
