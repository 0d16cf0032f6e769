"""What a photo's record is made of: the original, jobs and their results, orders and claims, callbacks.

Data, and what concerns one of them alone; the changes that a photo goes through are in darkroom/record/photo.py.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict

from darkroom.errors import DarkroomError
from darkroom.jobs.specs import Job

JobStatus = Literal["queued", "processing", "succeeded", "failed", "cancelled"]

UNFINISHED = ("queued", "processing")

MAX_ERRORS = 5
MAX_EARLIER_ERRORS = 1
MAX_ERROR_BYTES = 300
"""What is kept of a job's errors, since its last redrive and from before it: 50 jobs, each with that many, must fit
an item of 400 KB."""


UPLOAD_MARGIN = timedelta(hours=1)
"""A file that was on its way when its form ended may still arrive, over a slow line too, and S3's word of it take some
time."""


def shortened(detail: str) -> str:
    return detail.encode(errors="replace")[:MAX_ERROR_BYTES].decode(errors="ignore")


class Data(BaseModel):
    model_config = ConfigDict(extra="forbid", validate_assignment=False)


class Original(Data):
    """The uploaded file. Width and height are in pixels as stored, before EXIF orientation."""

    key: str
    filename: str
    content_type: str
    size: int
    sha256: str
    width: int
    height: int


class DirectUpload(Data):
    """A file that is still to come, past the API, or of which nothing could be made. A photo with an original has none.

    `until`: when its form ends. `key`: where it arrives, if not under the photo's own key. `etag`: which file it is, if
    S3 told of one: another one under the same key is another photo. `due_at`: when the sweep shall look after it, if it
    has done so before, or tell that it was cancelled. `attempts`: how often taking it in failed, nobody knows why.
    `kept`: it was refused for no fault of its own, so it stays where it is.
    """

    filename: str
    until: datetime
    key: str | None = None
    etag: str | None = None
    due_at: datetime | None = None
    attempts: int = 0
    kept: bool = False

    @property
    def next_look(self) -> datetime:
        return self.due_at or self.until + UPLOAD_MARGIN


class Result(Data):
    """A file that a job left in the bucket, and its receipt. Sizes in bytes and pixels, times in seconds."""

    key: str
    filename: str
    content_type: str
    size: int
    sha256: str
    width: int | None = None
    height: int | None = None
    seconds: dict[str, float] = {}
    versions: dict[str, str] = {}


class AttemptError(Data):
    """What went wrong in one attempt."""

    attempt: int
    code: str
    detail: str
    at: datetime
    redrive: int = 0
    """After which redrive of the job: attempts begin anew with each."""

    @classmethod
    def of(cls, error: DarkroomError, attempt: int, at: datetime) -> AttemptError:
        return cls(attempt=attempt, code=error.code, detail=shortened(error.detail), at=at)


class JobRecord(Data):
    id: str
    order: str
    spec: Job
    status: JobStatus = "queued"
    attempts: int = 0
    errors: list[AttemptError] = []
    redrives: int = 0
    result: Result | None = None
    queued_at: datetime
    ended_at: datetime | None = None

    @property
    def unfinished(self) -> bool:
        return self.status in UNFINISHED

    def end(self, status: JobStatus, at: datetime) -> None:
        self.status, self.ended_at = status, at

    def fail(self, error: DarkroomError, at: datetime) -> None:
        self.add_error(error, at)
        self.end("failed", at)

    def add_error(self, error: DarkroomError, at: datetime) -> None:
        """Note what ended an attempt, the last few of them; an attempt that did not count is made again."""
        earlier = [one for one in self.errors if one.redrive != self.redrives]
        kept = [one for one in self.errors if one.redrive == self.redrives and one.attempt != self.attempts]
        noted = AttemptError.of(error, self.attempts, at).model_copy(update={"redrive": self.redrives})
        self.errors = earlier[-MAX_EARLIER_ERRORS:] + [*kept, noted][-MAX_ERRORS:]


class DeadLetter(Data):
    """Why an order was buried, and the jobs that this ended."""

    code: str
    detail: str
    at: datetime
    jobs: list[str] = []


class Redrive(Data):
    """An order's return from the dead letters: what had buried it, after how many attempts and sends."""

    at: datetime
    code: str
    detail: str
    attempts: int
    sends: int


class Order(Data):
    """Jobs that travel in one message.

    `claim` is the number that its holder has, `holder` the message it came with, `claims` how often it was claimed.
    `due_at`: when the sweep shall look after it. `shared`: several requests have gone on with it, and one of them may
    have been told that it is taken.
    """

    id: str
    claim: int = 0
    holder: str = ""
    claims: int = 0
    given_back: int = 0
    sends: int = 1
    due_at: datetime
    shared: bool = False
    trace: str = ""
    dead: DeadLetter | None = None
    redrives: list[Redrive] = []

    @property
    def attempts(self) -> int:
        return self.claims - self.given_back

    @property
    def sends_since_redrive(self) -> int:
        return self.sends - (self.redrives[-1].sends if self.redrives else 0)


class Delivery(Data):
    """What became of telling the callback that one generation has ended.

    `next_at`: when it is tried again; while an attempt is under way, when it is should nothing come of that.
    `holder`: the message that the latest attempt was or is made for. It alone leads to the next one.
    """

    attempts: int = 0
    next_at: datetime | None = None
    holder: str | None = None
    delivered_at: datetime | None = None
    given_up_at: datetime | None = None
    last_error: str | None = None

    @property
    def ended(self) -> bool:
        return bool(self.delivered_at or self.given_up_at)


class Callback(Data):
    """Where to tell that the photo has ended, and what became of that, by generation."""

    url: str
    deliveries: dict[int, Delivery] = {}


class Claim(BaseModel):
    """A worker's right to an order, as of the receive that raised its number.

    Without jobs there is nothing left to do. `tries` counts all claims of the order, `attempt` those that were not
    given back. When it is `exhausted` there was no attempt left, and the order is to be buried.
    """

    model_config = ConfigDict(frozen=True)

    order: str
    jobs: dict[str, Job] = {}
    number: int = 0
    attempt: int = 0
    tries: int = 0
    exhausted: bool = False
