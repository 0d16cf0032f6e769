"""A direct upload: a file that the caller sends straight to the bucket, with a form from the API."""

from __future__ import annotations

from datetime import datetime, timedelta

from darkroom.errors import DarkroomError, ProcessError
from darkroom.fetch_errors import FetchInProgress
from darkroom.record.clock import now
from darkroom.record.stored import Stored

UPLOAD_MARGIN = timedelta(hours=1)
"""The sweep waits so long after a form has expired: on a slow connection its file may still arrive, and S3's
notification takes time, too."""

MULTIPART_TTL = timedelta(days=1)
"""For a multipart upload, which may be continued after a break. S3 removes older parts (deploy/aws/data.yaml)."""

RECHECK_FACTOR = 5
"""Each check of the sweep is this many times as late after the form's end as the one before."""


class DirectUpload(Stored):
    """A file that the photo waits for, or that was rejected. A photo that has its original has no direct upload.

    `until`: when its form expires. `key`: where the file arrives, if not under the photo's own key. `etag`: the file's
    ETag in S3, if known: another file under the same key becomes another photo. `sweep_at`: when the sweep checks it;
    None: UPLOAD_MARGIN after the form has expired. `attempts`: how often a worker failed to accept it for an unknown
    reason. `keep_file`: the file may be good, so it stays in the bucket after it was rejected. `multipart_id`: S3's id
    of the multipart upload that sends the file. `max_bytes`: the most that its parts may have together.
    """

    filename: str
    until: datetime
    key: str | None = None
    etag: str | None = None
    sweep_at: datetime | None = None
    attempts: int = 0
    keep_file: bool = False
    fetch_attempts: int = 0
    """How often a worker has begun to fetch the file from its URL; only for photos with a `source_url`."""
    fetched_by: str = ""
    """The message whose worker fetches it."""
    fetched_until: datetime | None = None
    """When the time of that worker is over."""
    multipart_id: str | None = None
    max_bytes: int | None = None

    @property
    def check_at(self) -> datetime:
        """When the sweep checks whether the file has arrived."""
        return self.sweep_at or self.until + UPLOAD_MARGIN

    @property
    def overdue(self) -> bool:
        return self.check_at <= now()

    def recheck_later(self) -> None:
        """Postpone the next check: the file is there, and a worker was notified again."""
        at = now()
        self.sweep_at = at + (RECHECK_FACTOR - 1) * (at - self.until)

    def wait_for_fetch(self, seconds: float) -> None:
        """A message has a worker fetch the file. If none has done so after `seconds`, the sweep sends another one."""
        self.until = self.sweep_at = now() + timedelta(seconds=seconds)

    def begin_fetch(self, message_id: str, until: datetime, resend_after: float) -> int:
        """A worker fetches the file, until that time at most. Returns the number of this attempt.

        Raises FetchInProgress when the worker of another message does.
        """
        if self.fetched_by not in ("", message_id) and self.fetched_until and self.fetched_until > now():
            raise FetchInProgress
        self.fetch_attempts += 1
        self.fetched_by, self.fetched_until, self.until = message_id, until, until
        self.sweep_at = until + timedelta(seconds=resend_after)
        return self.fetch_attempts

    def end_fetch(self, delay: float, resend_after: float) -> None:
        """The attempt has failed; its message comes again in `delay` seconds."""
        self.fetched_by, self.fetched_until = "", None
        self.wait_for_fetch(delay + resend_after)

    def fetch_again(self, seconds: float) -> None:
        """Its jobs are queued again, so the file is fetched again, with fresh attempts."""
        self.fetch_attempts = self.attempts = 0
        self.fetched_by, self.fetched_until, self.keep_file = "", None, False
        self.wait_for_fetch(seconds)

    def complete(self, notified_within: float) -> None:
        """All parts were sent. The sweep checks soon that a worker has the file: `notified_within` is in seconds."""
        self.until = now()
        self.sweep_at = self.until + timedelta(seconds=notified_within)

    def count_attempt(self) -> int:
        self.attempts += 1
        return self.attempts

    def reject(self, error: DarkroomError) -> None:
        """The file cannot become a photo. It stays in the bucket when the file itself may not be at fault."""
        self.keep_file = isinstance(error, ProcessError) or error.retryable
        self.sweep_at = None
