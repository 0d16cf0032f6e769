"""A file that did not come through the API becomes a photo: fetch -> look -> copy -> record -> remove the upload.

This serves direct uploads, whose record the API has made, and files dropped into the bucket, whose record is made here.
A caller can use an upload form twice, S3 may notify twice and in any order, and several workers may import one file at
the same time. So each worker copies the version that it read to a key that names this version, and the record's update
decides which copy is the original; the other workers remove their copies. After a crash between any two steps the
message comes again, and the sweep sends a new one for a record that waits for a file that has arrived.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
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
from darkroom.record.direct_upload import DirectUpload
from darkroom.record.keys import INCOMING, UPLOADS, original_key, photo_of_upload, upload_key
from darkroom.record.late_writes import IMPORT_TIME, ImportTime
from darkroom.record.messages import IngestMessage, UploadMessage
from darkroom.record.photo import PhotoRecord
from darkroom.record.stored import Original
from darkroom.services import Services
from darkroom.sniff import Sniffed
from worker.ingest.notifications import Notification
from worker.ingest.rules import Drop, IngestRules

log = structlog.get_logger()

TRIES = 5
"""How often a file is read again if it is replaced during the read."""

GIVEN_UP = "the import of the file failed in every attempt; the service's log has the reason"
"""What the photo's owner reads after unexpected errors."""

Arrival = Notification | IngestMessage | UploadMessage


@dataclass(frozen=True)
class IngestTools:
    """What an import needs of a photo processor (worker/child/runner.py): a folder for `files`, a `look` into a file,
    and a `check` that raises if the work must not go on."""

    files: Callable[[], AbstractContextManager[Path]]
    look: Callable[[Path], Sniffed]
    check: Callable[[], None]


class Importer:
    """Imports files, for any number of threads."""

    def __init__(self, services: Services, rules: IngestRules) -> None:
        self._services = services
        self._settings = services.settings
        self._rules = rules

    def import_file(self, arrival: Arrival, tools: IngestTools, receives: int) -> PhotoRecord | None:
        """Import a file. Returns its photo, also if the file was refused; None if there is nothing more to do.

        `receives`: if it is more than 1, an earlier attempt may have left copies, or may still copy.
        Raises IngestRefused if the file cannot become a photo, IngestUnknown if this worker does not know its owner or
        preset, and Unavailable if the outcome is open.
        """
        time = ImportTime()

        def check() -> None:
            tools.check()
            time.check()

        photo = self._waiting(arrival)
        if photo is None:
            return None
        source = photo.upload.key if photo.upload and photo.upload.key else upload_key(photo.id)
        with structlog.contextvars.bound_contextvars(photo=photo.id, owner=photo.owner):
            try:
                imported = self._import(photo, source, replace(tools, check=check), isinstance(arrival, IngestMessage))
                if imported and receives > 1:
                    imported = self._remove_other_copies(imported, arrival)
                return imported
            except NotFound:  # also PhotoGone: the photo was deleted since then
                log.info("ingest.photo_gone")
                self._services.bucket.remove_photo(photo.id)
                return None

    def _remove_other_copies(self, photo: PhotoRecord, arrival: Arrival) -> PhotoRecord:
        """Another worker had the message before: remove what it copied, and have the sweep look for what it may still
        copy. Returns the record as it is then."""
        self._services.bucket.remove(_other_copies(photo, self._services.bucket.originals(photo.id)))
        if isinstance(arrival, Notification) and arrival.key.startswith(INCOMING):
            return photo  # the record names the file's version, so every worker copies it to the same key
        ends = now() + IMPORT_TIME
        return self._services.table.update(photo.id, lambda record: record.expect_late_writes(ends), known=photo)[0]

    # --- which photo --------------------------------------------------------------------------------------------

    def _waiting(self, arrival: Arrival) -> PhotoRecord | None:
        """The record of the photo that a file is for."""
        if isinstance(arrival, UploadMessage):
            return self._services.table.get(arrival.photo)
        if isinstance(arrival, IngestMessage):
            return self._record(self._rules.from_request(arrival))
        if arrival.bucket != self._settings.bucket:
            raise IngestRefused(
                f"{arrival.key} is in bucket {arrival.bucket}; this deployment uses {self._settings.bucket}"
            )
        if arrival.key.startswith(UPLOADS):
            photo_id = photo_of_upload(arrival.key)
            photo = self._services.table.get(photo_id) if photo_id else None
            if photo is None:
                log.info("ingest.unknown_upload", key=arrival.key)
            return photo
        if arrival.key.startswith(INCOMING):
            drop = self._rules.from_notification(arrival)
            if drop is None:
                log.info(
                    "ingest.waits_for_request", key=arrival.key, detail="it is imported when its owner asks for it"
                )
            return self._record(drop) if drop else None
        log.info("ingest.key_ignored", key=arrival.key)
        return None

    def _record(self, drop: Drop) -> PhotoRecord | None:
        """The record of a dropped file; if there is none, it is made now. None if the file is gone."""
        if found := self._services.table.get(drop.photo):
            return found
        if drop.etag is not None:
            etag = self._services.bucket.etag(drop.key)
            if etag is None or (etag and etag != (drop.etag or etag)):
                log.info(
                    "ingest.overtaken",
                    key=drop.key,
                    detail="replaced; S3 notifies of the new file" if etag else "removed",
                )
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

    def _import(self, photo: PhotoRecord, source: str, tools: IngestTools, requested: bool) -> PhotoRecord | None:
        if photo.deleted_or_expired:
            raise PhotoGone
        if photo.pending_upload:
            try:
                photo = self._import_newest(photo, source, tools)
            except _Missing as missing:
                photo = self._services.table.get(photo.id) or photo
                if photo.pending_upload:  # no other worker has imported it since then
                    if not requested:
                        log.info("ingest.missing", key=source)
                        return None
                    photo = self._refuse(photo, NotFound(str(missing)))
            except Exception as error:
                if not _counts(error):
                    raise
                photo = self._note_attempt(photo, error)
        else:
            log.info("ingest.too_late", detail="the photo has its original, or its jobs have ended without one")
        kept = photo.upload is not None and photo.upload.keep_file
        if source == upload_key(photo.id) and not kept:  # a dropped file belongs to its owner
            self._services.bucket.remove([source])
        return photo

    def _import_newest(self, photo: PhotoRecord, source: str, tools: IngestTools) -> PhotoRecord:
        """Import the file as it is now: while the photo waits, a later upload replaces an earlier one."""
        for _ in range(TRIES):
            tools.check()
            try:
                return self._import_version(photo, source, tools)
            except ObjectReplaced as error:
                log.info("ingest.replaced", detail=error.detail)
        raise Unavailable(f"{source} was replaced during each of {TRIES} reads")

    def _import_version(self, photo: PhotoRecord, source: str, tools: IngestTools) -> PhotoRecord:
        with tools.files() as directory:
            path = directory / "original"
            most = self._settings.max_upload_bytes
            try:
                with _missing(), path.open("wb") as file:
                    fetched = self._services.bucket.fetch_upload(source, file, most)
            except PhotoError as error:  # S3 cannot give the object to anyone
                return self._refuse(photo, error)
            if photo.upload and photo.upload.etag not in (None, fetched.etag):
                reason = "was replaced before it was imported; the new file becomes another photo"
                return self._refuse(photo, ObjectReplaced(f"{source} {reason}"))
            try:
                if fetched.size > most:
                    raise TooLarge(f"the photo has more than {most:,} bytes")
                sniffed = tools.look(path)
            except (PhotoError, ProcessError, TooLarge) as error:
                self._check_unchanged(source, fetched.etag)
                return self._refuse(photo, error)
        tools.check()
        original = _original(photo, fetched, sniffed)
        with _missing():
            self._services.bucket.copy(source, fetched.etag, original.key, sniffed.content_type, tools.check)
        photo, imported = self._services.table.update(
            photo.id, lambda record: record.accept_upload(original, self._settings.resend_after), known=photo
        )
        if imported:
            log.info("ingest.imported", key=source, size=original.size)
        else:
            log.info("ingest.too_late", detail="another file was imported first, or the jobs have ended")
            self._services.bucket.remove(_other_copies(photo, [original.key]))
        return photo

    def _check_unchanged(self, source: str, etag: str) -> None:
        """Raises ObjectReplaced if the file is no longer the one that was looked at: the new one may be good."""
        found = self._services.bucket.etag(source)
        if found is None:
            raise _Missing(f"there is no object {source}")
        if found != etag:
            raise ObjectReplaced(f"{source} was replaced during the look into it")

    def _note_attempt(self, photo: PhotoRecord, error: Exception) -> PhotoRecord:
        """Count an attempt that failed for an unexpected reason, and refuse the file after the last one.

        The record counts them, because the receives of the message also count workers that gave it back unread. Raises
        Unavailable unless this was the last attempt.
        """
        photo, attempts = self._services.table.update(
            photo.id, lambda record: record.count_upload_attempt(), known=photo
        )
        log.error("ingest.attempt_failed", attempt=attempts, exc_info=error)
        if attempts < self._settings.max_attempts:
            raise Unavailable(f"attempt {attempts} to import the file failed") from error
        return self._refuse(photo, error if isinstance(error, ObjectDenied) else DarkroomError(GIVEN_UP))

    def _refuse(self, photo: PhotoRecord, error: DarkroomError) -> PhotoRecord:
        """The file cannot become the original: all jobs of the photo fail with the error."""
        photo, refused = self._services.table.update(photo.id, lambda record: record.reject_upload(error), known=photo)
        log.warning("ingest.refused", code=error.code, detail=error.detail, recorded=refused)
        return photo


def _counts(error: Exception) -> bool:
    """Whether an error counts as an attempt: a bug does, and so does a denied access. A full disk does not."""
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
        frames=sniffed.frames,
    )


def _other_copies(photo: PhotoRecord, keys: list[str]) -> list[str]:
    """The keys that are not the original. None of them while the photo waits for its original."""
    return [] if photo.pending_upload else [key for key in keys if photo.original is None or key != photo.original.key]


class _Missing(Exception):
    """The file does not exist or was deleted."""


@contextmanager
def _missing() -> Iterator[None]:
    """Turn NotFound into _Missing, so that a missing object differs from a missing record."""
    try:
        yield
    except NotFound as error:
        raise _Missing(error.detail) from error
