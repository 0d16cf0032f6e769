"""A photo that was given by its URL: a worker downloads the file and stores it where direct uploads arrive.

receive -> count the attempt in the record -> download -> store -> delete. S3 then notifies the ingest queue, and the
importer goes on as with every direct upload. If a worker dies before the file is stored, the message comes again. If
it dies after that, or if S3's notification is lost, the sweep finds the file (worker/sweep/sweeper.py).
"""

from __future__ import annotations

import ssl
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import BinaryIO, cast

import structlog

from darkroom.aws.queue import Received
from darkroom.errors import DarkroomError, LeaseLost, NotFound, PhotoGone
from darkroom.fetch_errors import FetchFailed, FetchInProgress, FetchRefused
from darkroom.outbox import Outbox
from darkroom.record.keys import upload_key
from darkroom.record.late_writes import ImportTime
from darkroom.record.messages import FetchMessage
from darkroom.record.photo import PhotoRecord
from darkroom.services import Services
from worker.ingest.download import download
from worker.lease import Lease
from worker.refusal import as_darkroom_error
from worker.verdict import Bury, Delete, Retry, Verdict, backoff, judge
from worker.webhooks.fair_share import FairShare

log = structlog.get_logger()

ANY_TYPE = "application/octet-stream"
"""What the stored file is called until the importer has looked into it: the source's own word does not count."""

STORING = 60.0
"""Seconds for which the photo counts as being fetched after the time for the download: the file is being stored."""


def is_fetch(received: Received) -> bool:
    """Whether a message of the ingest queue is about a photo by URL. An unreadable one is not."""
    return '"kind":"fetch"' in received.body[:200]


def put_off(received: Received, outbox: Outbox, seconds: int) -> Verdict:
    """Send a message again with a delay: hiding it instead would add to its count of receives. Raises Unavailable."""
    outbox.ingest.send(received.body, received.group or "fetch", deduplication_id=received.id, delay=seconds)
    return Delete()


class Fetcher:
    """Fetches photos, in any number of threads."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._settings = services.settings
        self._tls = ssl.create_default_context()
        self._fair_share = FairShare()

    def handle(self, message: FetchMessage, received: Received, lease: Lease) -> Verdict:
        """Carry out a message and return its verdict. This raises nothing."""
        try:
            return self._take_turn(message, received, lease)
        except DarkroomError as error:
            log.warning("fetch.postponed", message=received.id, code=error.code, detail=error.detail)
            known = error
        except Exception as error:
            log.exception("fetch.unexpected_error", message=received.id)
            known = as_darkroom_error(error)
        # The record counts the attempts, and the last one ends the fetch. So the message itself is never buried.
        verdict = judge(known, 1, received.receives, self._settings)
        return Retry(backoff(received.receives, self._settings)) if isinstance(verdict, Bury) else verdict

    def _take_turn(self, message: FetchMessage, received: Received, lease: Lease) -> Verdict:
        began = time.monotonic()
        with structlog.contextvars.bound_contextvars(photo=message.photo, owner=message.owner), ExitStack() as ends:
            if wait := self._fair_share.take(message.owner, began):
                return put_off(received, self._services.outbox, wait)
            ends.callback(lambda: self._fair_share.done(message.owner, began, time.monotonic()))
            return self._handle(message, received, lease)

    def _handle(self, message: FetchMessage, received: Received, lease: Lease) -> Verdict:
        photo = self._services.table.get(message.photo)
        if photo is None or photo.deleted_or_expired:
            return Delete()
        if not photo.pending_fetch:
            # Its jobs may have ended without a file, and the worker may have died before it sent the events.
            return Delete(tuple(self._services.outbox.announcements(photo)) if photo.original is None else ())
        seconds = min(self._settings.fetch_timeout, self._settings.time_limit)
        try:
            photo, attempt = self._services.table.update(
                photo.id,
                lambda record: record.begin_fetch(received.id, seconds + STORING, self._settings.resend_after),
                known=photo,
            )
            if not attempt:
                return Delete()
            try:
                if attempt > self._settings.max_attempts:  # the worker died in each of them
                    raise FetchFailed("each worker that fetched the photo died")
                self._fetch(photo, seconds, lease)
            except (FetchFailed, FetchRefused) as error:
                return self._fail(photo, error, attempt)
        except FetchInProgress:
            log.info("fetch.dropped", reason="the worker of another message fetches the photo")
        except (PhotoGone, NotFound):
            log.info("fetch.photo_gone")
        return Delete()

    def _fetch(self, photo: PhotoRecord, seconds: float, lease: Lease) -> None:
        assert photo.source_url is not None
        storing = ImportTime()

        def check() -> None:
            storing.check()
            if lease.lost:
                raise LeaseLost("the lease of the message was lost")

        with tempfile.TemporaryFile(dir=self._settings.spool_dir) as temporary:
            file, began = cast(BinaryIO, temporary), time.monotonic()
            sha256 = download(
                photo.source_url,
                file,
                self._settings.max_upload_bytes,
                seconds,
                self._settings.fetch_private_hosts,
                self._tls,
                check,
            )
            file.flush()
            self._services.bucket.put(upload_key(photo.id), file, ANY_TYPE, sha256, check)
            log.info("fetch.stored", size=file.tell(), seconds=round(time.monotonic() - began, 3))

    def _fail(self, photo: PhotoRecord, error: DarkroomError, attempt: int) -> Verdict:
        """Note why an attempt has failed. The photo gets another one, or its jobs fail with the reason."""
        change: Callable[[PhotoRecord], object]
        delay: int | None = None
        if not error.retryable:
            log.warning("fetch.refused", code=error.code, detail=error.detail)
            change = lambda record: record.reject_upload(error)  # noqa: E731
        elif attempt >= self._settings.max_attempts:
            log.error("fetch.buried", attempt=attempt, detail=error.detail)
            change = lambda record: record.bury_fetch(error)  # noqa: E731
        else:
            wait = delay = backoff(attempt, self._settings)
            log.warning("fetch.failed", attempt=attempt, detail=error.detail, next_in=delay)
            change = lambda record: record.note_failed_fetch(error, wait, self._settings.resend_after)  # noqa: E731
        photo, _ = self._services.table.update(photo.id, change, known=photo)
        if delay is not None:
            return Retry(delay)
        return Delete(tuple(self._services.outbox.announcements(photo)))
