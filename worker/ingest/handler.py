"""A file that came past the API becomes a photo: fetch -> look -> copy -> record -> remove the upload.

The same for a direct upload, whose record the API has made, and for a file dropped into the bucket, whose record is
made here. A form can be used twice, S3 tells twice and in any order, and several workers may be at one file: each
copies what it has read under a key that names it, and the record's update decides which copy is the original. Whoever
was too late removes its own. A death between any two steps leaves a message that leads back here, and the sweep makes
a new one for a record that waits for a file which is there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import structlog

from darkroom.aws.bucket import Fetched
from darkroom.errors import (
    DarkroomError,
    IngestRefused,
    NotFound,
    ObjectDenied,
    ObjectReplaced,
    PhotoError,
    PhotoGone,
    ProcessError,
    TooLarge,
    Unavailable,
)
from darkroom.filenames import photo_filename, safe_filename
from darkroom.record.clock import now
from darkroom.record.delivery import Callback
from darkroom.record.keys import INCOMING, UPLOADS, original_key, upload_key
from darkroom.record.messages import IngestMessage, UploadMessage
from darkroom.record.photo import PhotoRecord
from darkroom.record.stored import Original
from darkroom.record.upload import DirectUpload
from darkroom.services import Services
from darkroom.sniff import Sniffed
from worker.ingest.notifications import Notification
from worker.ingest.rules import Drop, Drops

log = structlog.get_logger()

TRIES = 5
"""How often a file is read anew that is replaced while it is read."""

GIVEN_UP = "the file could not be taken in, however often it was tried; the service's log says why"
"""What its owner is told when nobody foresaw the error."""

Arrival = Notification | IngestMessage | UploadMessage


@dataclass(frozen=True)
class Means:
    """What a slot does the work with: a folder for `files`, a `look` into one, and a `check` that it is to go on."""

    files: Callable[[], AbstractContextManager[Path]]
    look: Callable[[Path], Sniffed]
    check: Callable[[], None]


class Ingest:
    def __init__(self, services: Services, drops: Drops) -> None:
        self._services = services
        self._settings = services.settings
        self._drops = drops

    def take(self, arrival: Arrival, means: Means, receives: int) -> PhotoRecord | None:
        """The photo that a file has become, whether it will do or not; None when there is nothing more to do.

        `receives`: when it is more than one, somebody has been at it before and may have left something.
        Raises IngestRefused when it cannot become anybody's photo, IngestUnknown when it cannot here, Unavailable when
        that cannot be said now.
        """
        photo = self._waiting(arrival)
        if photo is None:
            return None
        source = photo.upload.key if photo.upload and photo.upload.key else upload_key(photo.id)
        with structlog.contextvars.bound_contextvars(photo=photo.id, owner=photo.owner):
            try:
                taken = self._take(photo, source, means, isinstance(arrival, IngestMessage))
                if taken and receives > 1:
                    self._services.bucket.remove(_other_copies(taken, self._services.bucket.originals(photo.id)))
                return taken
            except NotFound:  # also PhotoGone: deleted in the meantime
                log.info("ingest.gone")
                self._services.bucket.remove_photo(photo.id)
                return None

    # --- which photo --------------------------------------------------------------------------------------------

    def _waiting(self, arrival: Arrival) -> PhotoRecord | None:
        """The record of the photo that a file is for."""
        if isinstance(arrival, UploadMessage):
            return self._services.table.get(arrival.photo)
        if isinstance(arrival, IngestMessage):
            return self._record(self._drops.asked(arrival))
        if arrival.bucket != self._settings.bucket:
            raise IngestRefused(f"{arrival.key} is in bucket {arrival.bucket}; ours is {self._settings.bucket}")
        if arrival.key.startswith(UPLOADS):
            photo = self._services.table.get(arrival.key.removeprefix(UPLOADS))
            if photo is None:
                log.info("ingest.unknown", key=arrival.key)
            return photo
        if arrival.key.startswith(INCOMING):
            drop = self._drops.noticed(arrival)
            if drop is None:
                log.info("ingest.waits", key=arrival.key, detail="it is brought in when its owner asks for it")
            return self._record(drop) if drop else None
        log.info("ingest.not_ours", key=arrival.key)
        return None

    def _record(self, drop: Drop) -> PhotoRecord | None:
        """The record of a dropped file, made now if it is not there. None for a file that is no longer there."""
        if found := self._services.table.get(drop.photo):
            return found
        if drop.etag is not None:
            etag = self._services.bucket.etag(drop.key)
            if etag is None or (etag and etag != (drop.etag or etag)):
                log.info("ingest.overtaken", key=drop.key, detail="replaced; S3 tells of that" if etag else "removed")
                return None
        days = self._settings.retention_days
        photo = PhotoRecord(
            id=drop.photo,
            owner=drop.owner,
            created_at=drop.at,
            upload=DirectUpload(filename=safe_filename(drop.key), until=now(), key=drop.key, etag=drop.etag or None),
            reference=drop.reference,
            metadata=drop.metadata or {},
            callback=Callback(url=drop.callback_url) if drop.callback_url else None,
            expires_at=now() + timedelta(days=days) if days else None,
        )
        photo.add_order(drop.jobs, self._settings.resend_after, drop.trace)
        return self._services.table.create(photo)

    # --- the file -----------------------------------------------------------------------------------------------

    def _take(self, photo: PhotoRecord, source: str, means: Means, asked: bool) -> PhotoRecord | None:
        if photo.deleted_or_expired:
            raise PhotoGone
        if photo.pending_upload:
            try:
                photo = self._take_newest(photo, source, means)
            except _Missing as missing:
                photo = self._services.table.get(photo.id) or photo
                if photo.pending_upload:  # nobody has taken it meanwhile
                    if not asked:
                        log.info("ingest.missing", key=source)
                        return None
                    photo = self._refuse(photo, NotFound(str(missing)))
            except Exception as error:
                if not _counts(error):
                    raise
                photo = self._note_attempt(photo, error)
        else:
            log.info("ingest.late", detail="the photo has its original, or its jobs have ended without one")
        kept = photo.upload is not None and photo.upload.keep_file
        if source == upload_key(photo.id) and not kept:  # whoever dropped a file may want to keep it there
            self._services.bucket.remove([source])
        return photo

    def _take_newest(self, photo: PhotoRecord, source: str, means: Means) -> PhotoRecord:
        """Take the file as it is now: while the photo waits, a later one takes the place of an earlier one."""
        for _ in range(TRIES):
            means.check()
            try:
                return self._take_one(photo, source, means)
            except ObjectReplaced as error:
                log.info("ingest.replaced", detail=error.detail)
        raise Unavailable(f"{source} is replaced faster than it can be read")

    def _take_one(self, photo: PhotoRecord, source: str, means: Means) -> PhotoRecord:
        with means.files() as directory:
            path = directory / "original"
            most = self._settings.max_upload_bytes
            try:
                with _missing(), path.open("wb") as file:
                    fetched = self._services.bucket.fetch_upload(source, file, most)
            except PhotoError as error:  # nobody can read it
                return self._refuse(photo, error)
            if photo.upload and photo.upload.etag not in (None, fetched.etag):
                reason = "was replaced before it was taken in; what is there now is a photo of its own"
                return self._refuse(photo, ObjectReplaced(f"{source} {reason}"))
            try:
                if fetched.size > most:
                    raise TooLarge(f"the photo has more than {most:,} bytes")
                sniffed = means.look(path)
            except (PhotoError, ProcessError, TooLarge) as error:
                self._check_unchanged(source, fetched.etag)
                return self._refuse(photo, error)
        means.check()
        original = _original(photo, fetched, sniffed)
        with _missing():
            self._services.bucket.copy(source, fetched.etag, original.key, sniffed.content_type)
        photo, taken = self._services.table.update(
            photo.id, lambda record: record.accept_upload(original, self._settings.resend_after), known=photo
        )
        if taken:
            log.info("ingest.taken", key=source, size=original.size)
        else:
            log.info("ingest.late", detail="another file was faster, or the jobs have ended")
            self._services.bucket.remove(_other_copies(photo, [original.key]))
        return photo

    def _check_unchanged(self, source: str, etag: str) -> None:
        """Only the file that was looked at may be refused, and removed: the next one may be good."""
        found = self._services.bucket.etag(source)
        if found is None:
            raise _Missing(f"there is no object {source}")
        if found != etag:
            raise ObjectReplaced(f"{source} was replaced while it was looked at")

    def _note_attempt(self, photo: PhotoRecord, error: Exception) -> PhotoRecord:
        """Taking it in failed, and nobody can say whether the next attempt will. They are counted in the record: a
        message is also received when a worker gives it back unread. Raises Unavailable unless it was the last one."""
        photo, attempts = self._services.table.update(
            photo.id, lambda record: record.count_upload_attempt(), known=photo
        )
        log.error("ingest.attempt_failed", attempt=attempts, exc_info=error)
        if attempts < self._settings.max_attempts:
            raise Unavailable(f"attempt {attempts} to take the file in failed") from error
        return self._refuse(photo, error if isinstance(error, ObjectDenied) else DarkroomError(GIVEN_UP))

    def _refuse(self, photo: PhotoRecord, error: DarkroomError) -> PhotoRecord:
        """Nothing can be made of the file: its owner finds that with the jobs."""
        photo, refused = self._services.table.update(photo.id, lambda record: record.reject_upload(error), known=photo)
        log.warning("ingest.refused", code=error.code, detail=error.detail, in_vain=not refused)
        return photo


def _counts(error: Exception) -> bool:
    """A bug, in a child or here, or a right that we have not. A disk that is full is no fault of the file's."""
    if isinstance(error, DarkroomError):
        return type(error) in (DarkroomError, ObjectDenied)
    return not isinstance(error, OSError)


def _original(photo: PhotoRecord, fetched: Fetched, sniffed: Sniffed) -> Original:
    return Original(
        key=original_key(photo.id, fetched.etag),
        filename=photo_filename(photo.upload.filename if photo.upload else "", sniffed.format),
        content_type=sniffed.content_type,
        size=fetched.size,
        sha256=fetched.sha256,
        width=sniffed.width,
        height=sniffed.height,
    )


def _other_copies(photo: PhotoRecord, keys: list[str]) -> list[str]:
    """Those that are not the original. A photo without one may still get one of them."""
    return [] if photo.pending_upload else [key for key in keys if photo.original is None or key != photo.original.key]


class _Missing(Exception):
    """There is no such file, or no longer."""


@contextmanager
def _missing() -> Iterator[None]:
    """Tell an object that is not there from a record that is not there."""
    try:
        yield
    except NotFound as error:
        raise _Missing(error.detail) from error
