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

from darkroom.errors import Interrupted, NotFound, OriginalMissing, Unavailable, UploadNotCompleted
from darkroom.record.clock import now
from darkroom.record.photo import PhotoRecord
from darkroom.record.stored import Original
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
    def begin(self, photo: PhotoRecord, path: Path, processor: Stoppable) -> Iterator[Future[Original | None]]:
        """Download the original of an order that is not claimed yet: now or, if a child is free, while the caller
        claims the order. The download ends early when the block ends, or when the work must not go on.

        The outcome is None if that failed, whatever the reason is: then `fetch` tries it again after the claim, because
        only then a failure may be written to the record.
        """
        block_ended = threading.Event()

        def check() -> None:
            processor.check()
            if block_ended.is_set():
                raise Interrupted

        download: Future[Original | None] = Future()
        if processor.child_is_free:
            download = self._transfers.submit(partial(copy_context().run, self._try, photo, path, check))
        else:
            download.set_result(self._try(photo, path, processor.check_begin))
        try:
            yield download
        finally:
            block_ended.set()
            if not download.cancel():  # it has begun
                wait([download])  # the caller is about to remove the folder

    def fetch(self, photo: PhotoRecord, order_id: str, path: Path, check: Callable[[], None]) -> None:
        """Download the original of a claimed order. Raises OriginalMissing, UploadNotCompleted if it was never stored,
        and what `check` raises."""
        try:
            self._fetch(photo, path, check)
        except NotFound as error:
            storing_until = photo.order(order_id).storing_until
            if storing_until is None:
                raise OriginalMissing from error
            if storing_until > now():  # a repeated request is storing it, and this message is an earlier one's
                raise Unavailable("the original is not stored yet") from error
            raise UploadNotCompleted from error

    def _try(self, photo: PhotoRecord, path: Path, check: Callable[[], None]) -> Original | None:
        try:
            self._fetch(photo, path, check)
        except Exception as error:  # noqa: BLE001 - whatever it is, it comes again after the claim
            log.info("original.not_fetched", detail=f"{type(error).__name__}: {error}")
            return None
        return photo.original

    def _fetch(self, photo: PhotoRecord, path: Path, check: Callable[[], None]) -> None:
        check()
        if photo.original is None:
            raise NotFound(f"photo {photo.id} has no original")
        self._bucket.fetch(photo.original.key, path, check)
