"""Downloads originals, before or after their orders are claimed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, wait
from contextlib import contextmanager
from contextvars import copy_context
from functools import partial
from pathlib import Path
from typing import Protocol

import structlog

from darkroom.aws.bucket import Bucket
from darkroom.errors import Interrupted, NotFound, OriginalMissing, Unavailable, UploadNotCompleted
from darkroom.record.clock import now
from darkroom.record.photo import PhotoRecord
from darkroom.services import Services

log = structlog.get_logger()


class Stoppable(Protocol):
    """What a download asks of its photo processor (worker/child/runner.py)."""

    @property
    def child_is_free(self) -> bool: ...

    def check(self) -> None: ...

    def check_begin(self) -> None: ...


class Downloads:
    """Downloads originals. `transfers`: threads that transfer files."""

    def __init__(self, services: Services, transfers: Executor) -> None:
        self._bucket = services.bucket
        self._transfers = transfers

    @contextmanager
    def open(self, path: Path, processor: Stoppable) -> Iterator[Download]:
        """The download of one original to `path`. It ends early when the block ends or the work must not go on."""
        download = Download(self._bucket, self._transfers, path, processor)
        try:
            yield download
        finally:
            download.end()


class Download:
    """The download of one original. It may begin before the order is claimed, and even before its record is read.

    What such an early download fetched counts only if the record, when it is claimed, names the same object. If an
    early download fails, whatever the reason is, `finish` tries it again after the claim, because only then a failure
    may be written to the record.
    """

    def __init__(self, bucket: Bucket, transfers: Executor, path: Path, processor: Stoppable) -> None:
        self._bucket = bucket
        self._transfers = transfers
        self._path = path
        self._processor = processor
        self._block_ended = threading.Event()
        self._early: Future[str | None] | None = None
        """Returns the key of the object that is in the file now; None if the download failed."""

    def begin_at_once(self, key: str) -> None:
        """Begin to download in another thread, if a child is free for the photo. Otherwise the record comes first,
        because the photo has to wait anyway, and an order that needs no work costs no request to S3."""
        if self._processor.child_is_free:
            self._begin(key)

    def begin(self, photo: PhotoRecord) -> None:
        """Download the original of an order that is not claimed yet: now or, if a child is free, while the caller
        claims the order."""
        if self._early or photo.original is None:
            return
        if self._processor.child_is_free:
            self._begin(photo.original.key)
        else:
            self._early = Future()
            self._early.set_result(self._try(photo.original.key, self._processor.check_begin))

    def finish(self, photo: PhotoRecord, order_id: str) -> None:
        """Have the original of a claimed order in the file. Raises OriginalMissing, UploadNotCompleted if it was never
        stored, and what `Stoppable.check` raises."""
        fetched = self._early.result() if self._early else None
        if fetched and photo.original and fetched == photo.original.key:
            return
        try:
            self._fetch(photo.original.key if photo.original else None, self._processor.check)
        except NotFound as error:
            storing_until = photo.order(order_id).storing_until
            if storing_until is None:
                raise OriginalMissing from error
            if storing_until > now():  # a repeated request is storing it, and this message is an earlier one's
                raise Unavailable("the original is not stored yet") from error
            raise UploadNotCompleted from error

    def end(self) -> None:
        """End the download, and wait until it writes no more: the caller is about to remove the folder."""
        self._block_ended.set()
        if self._early and not self._early.cancel():  # it has begun
            wait([self._early])

    def _begin(self, key: str) -> None:
        def check() -> None:
            self._processor.check()
            if self._block_ended.is_set():
                raise Interrupted

        self._early = self._transfers.submit(partial(copy_context().run, self._try, key, check))

    def _try(self, key: str, check: Callable[[], None]) -> str | None:
        try:
            self._fetch(key, check)
        except Exception as error:  # noqa: BLE001 - whatever it is, it comes again after the claim
            log.info("original.not_fetched", detail=f"{type(error).__name__}: {error}")
            return None
        return key

    def _fetch(self, key: str | None, check: Callable[[], None]) -> None:
        check()
        if key is None:
            raise NotFound("the photo has no original")
        self._bucket.fetch(key, self._path, check)
