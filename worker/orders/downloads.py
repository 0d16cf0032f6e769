"""Downloads originals, before or after their orders are claimed."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor, Future, wait
from contextlib import contextmanager
from contextvars import copy_context
from functools import partial
from pathlib import Path

import structlog

from darkroom.errors import NotFound, OriginalMissing, Unavailable, UploadNotCompleted
from darkroom.record.clock import now
from darkroom.record.photo import PhotoRecord
from darkroom.record.stored import Original
from darkroom.services import Services

log = structlog.get_logger()


class Downloads:
    """Downloads originals. `transfers`: threads that transfer files."""

    def __init__(self, services: Services, transfers: Executor) -> None:
        self._bucket = services.bucket
        self._transfers = transfers

    @contextmanager
    def begin(self, photo: PhotoRecord, path: Path, beside: bool) -> Iterator[Future[Original | None]]:
        """Download the original of an order that is not claimed yet: now or, with `beside`, while the caller goes on.

        The outcome is None if that failed, for whatever reason: then `fetch` tries it again after the claim, because
        only then a failure may be written to the record.
        """
        download: Future[Original | None] = Future()
        if beside:
            download = self._transfers.submit(partial(copy_context().run, self._try, photo, path))
        else:
            download.set_result(self._try(photo, path))
        try:
            yield download
        finally:
            wait([download])  # the caller is about to remove the folder

    def fetch(self, photo: PhotoRecord, order_id: str, path: Path) -> None:
        """Download the original of a claimed order. Raises OriginalMissing, or UploadNotCompleted if it was never
        stored."""
        try:
            self._fetch(photo, path)
        except NotFound as error:
            storing_until = photo.order(order_id).storing_until
            if storing_until is None:
                raise OriginalMissing from error
            if storing_until > now():  # a repeated request is storing it, and this message is an earlier one's
                raise Unavailable("the original is not stored yet") from error
            raise UploadNotCompleted from error

    def _try(self, photo: PhotoRecord, path: Path) -> Original | None:
        try:
            self._fetch(photo, path)
        except Exception as error:  # noqa: BLE001 - whatever it is, it comes again after the claim
            log.info("original.not_fetched", detail=f"{type(error).__name__}: {error}")
            return None
        return photo.original

    def _fetch(self, photo: PhotoRecord, path: Path) -> None:
        if photo.original is None:
            raise NotFound(f"photo {photo.id} has no original")
        self._bucket.fetch(photo.original.key, path)
