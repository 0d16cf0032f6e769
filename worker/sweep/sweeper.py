"""The sweep: it repairs what is overdue in the records, and removes files of killed workers from the disk.

It is the one mechanism for all crashes that leave no message: the API died between record and message, a message was
lost or purged, a deletion was not finished, a worker stored an object late. Every worker sweeps from time to time. Two
workers may find the same photo at the same time: each change is conditional on the record's state.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterable
from datetime import timedelta

import structlog

from darkroom.aws.failures import ask_hanging_services_once
from darkroom.aws.items import ASSETS, BATCHES, SHARDS
from darkroom.aws.sweep_turns import SweepTurns
from darkroom.errors import Conflict, DarkroomError, NotFound, Unavailable
from darkroom.record.clock import now
from darkroom.record.keys import upload_key
from darkroom.record.photo import PhotoRecord
from darkroom.services import Services
from worker.child.workspace import remove_leftovers
from worker.sweep.dead_letter_queue import DeadLetterSweep

log = structlog.get_logger()


class Sweeper:
    """Sweeps until `stopping` is set."""

    def __init__(self, services: Services, stopping: threading.Event) -> None:
        self._services = services
        self._resend_after = services.settings.resend_after
        self._retry_after = min(services.settings.resend_after, services.settings.sweep_interval)
        self._stopping = stopping
        self._turns = SweepTurns(services.settings, services.clients)
        self._dead_letters = DeadLetterSweep(services, stopping)

    def run(self) -> None:
        """Sweep at random intervals, so that workers that start together do not sweep together."""
        interval = self._services.settings.sweep_interval
        while not self._stopping.wait(random.uniform(0.5, 1.5) * interval):  # noqa: S311 - jitter, not a secret
            self.sweep_all()

    def sweep_all(self) -> None:
        """Sweep once. A failure of one part must not stop the others or the worker.

        The overdue photos come last: there may be many, and they may take all the time that a Lambda function has.
        """
        for part in (self.clean_spool, self._dead_letters.sweep, self.sweep):
            try:
                part()
            except DarkroomError as error:
                log.warning("sweep.unavailable", detail=error.detail)
            except Exception:
                log.exception("sweep.unexpected_error")

    def sweep(self) -> None:
        """Repair every overdue photo, except where another worker has looked lately."""
        ask_hanging_services_once()
        if self._turns.take_whole():
            overdue, complete = self._services.table.overdue_in_whole_index()
            self._turns.note_size(large=not complete)
            if complete:
                self._repair_each(overdue)
                return
        if self._turns.large:
            for shards in self._turns.take_groups():
                self.sweep_shards(shards)
                if self._stopping.is_set():
                    return

    def sweep_shards(self, shards: Iterable[int] = range(SHARDS)) -> None:
        """Repair every overdue photo of these shards of the index."""
        self._repair_each(self._services.table.overdue(shards))

    def _repair_each(self, overdue: Iterable[str]) -> None:
        for record in overdue:
            if self._stopping.is_set():
                return
            kind, repair, name = self._repair_of(record)
            with structlog.contextvars.bound_contextvars(**{kind: name}):
                try:
                    repair(name)
                except (NotFound, Conflict) as error:
                    log.info("sweep.overtaken", detail=error.detail)  # another worker was faster
                except DarkroomError as error:
                    log.warning("sweep.failed", code=error.code, detail=error.detail)
                    outage = isinstance(error, Unavailable)
                    self._postpone(record, self._retry_after if outage else self._resend_after)
                except Exception:
                    log.exception("sweep.unexpected_error")
                    self._postpone(record, self._resend_after)

    def _repair_of(self, record: str) -> tuple[str, Callable[[str], None], str]:
        """What repairs an overdue record (`Table.overdue`): the kind of its name, the method, and the name."""
        if record.startswith(ASSETS):
            return "owner", self.repair_assets, record.removeprefix(ASSETS)
        if record.startswith(BATCHES):
            return "batch", self.repair_batch, record.removeprefix(BATCHES)
        return "photo", self.repair, record

    def _postpone(self, record: str, seconds: float) -> None:
        """Postpone a record that cannot be repaired now, so that it does not hide the records behind it.

        During an outage this is short, so that the record is repaired soon after it.
        """
        try:
            self._services.table.postpone(record, now() + timedelta(seconds=seconds))
        except Exception as error:
            log.warning("sweep.not_postponed", detail=str(error), exc_info=not isinstance(error, DarkroomError))

    def clean_spool(self) -> None:
        """Remove files of killed workers from the disk."""
        remove_leftovers(self._services.settings.spool_dir)

    def repair(self, photo_id: str) -> None:
        """Repair one photo. Raises NotFound or Conflict if another worker has repaired it first."""
        photo = self._services.table.get(photo_id)
        if photo is None:
            return
        if not photo.deleted_or_expired:
            photo = self._continue_work(photo)
        if photo.late_writes and photo.late_writes.overdue:
            photo = self._clean_up(photo)
        if photo.indexed_too_early:
            # The index has an earlier time than the record, or a photo that has expired since.
            self._services.table.postpone(photo_id, photo.due_at, photo.version)

    def repair_assets(self, owner: str) -> None:
        """Remove the objects of uploads that were not finished, and of assets that were removed."""
        assets = self._services.assets.get(owner)
        if keys := assets.overdue:
            self._services.cleanup.remove_assets(owner, keys)
            log.info("sweep.assets_cleaned_up", objects=len(keys))

    def repair_batch(self, batch_id: str) -> None:
        """Look whether a batch has ended, because the process that should have looked may have died."""
        if not self._services.batch_ends.repair(batch_id):
            self._services.table.postpone(f"{BATCHES}{batch_id}", None)  # it has expired

    def _continue_work(self, photo: PhotoRecord) -> PhotoRecord:
        """Repair what keeps a photo's jobs from ending. Returns its record as it is then."""
        if photo.pending_upload:
            return self._look_for_upload(photo, photo.pending_upload.key or upload_key(photo.id))
        if photo.upload and photo.upload.sweep_at:
            return self._notify(photo)
        for order_id in photo.overdue_orders():
            photo = self._confirm_original(photo, order_id)
            if photo.order(order_id).overdue:
                photo = self._resend(photo, order_id)
        return photo

    def _clean_up(self, photo: PhotoRecord) -> PhotoRecord:
        """Remove what was stored late. If this fails, the photo stays due. Returns its record as it is then."""
        try:
            photo = self._services.cleanup.clean_up(photo)
        except Unavailable as error:
            log.warning("sweep.clean_up_failed", detail=error.detail)
            return self._services.table.update(photo.id, lambda record: record.note_failed_look(self._resend_after))[0]
        log.info("sweep.cleaned_up", photo_status=photo.status)
        return photo

    def _look_for_upload(self, photo: PhotoRecord, key: str) -> PhotoRecord:
        """A direct upload is overdue. If its file has arrived, send its message: the first one was lost, or waits in a
        long queue. If not, a worker fetches it, if the photo was given by its URL; otherwise the upload has expired.

        The message is sent before the record is written, so a crash in between causes a second message.
        """
        if not photo.overdue_upload():
            return photo
        found = self._services.bucket.exists(key)
        if not found and photo.upload and photo.upload.multipart_id:
            self._services.multipart.abort(photo)
            found = self._services.bucket.exists(key)  # now its parts can no longer be put together
        if found or photo.pending_fetch:
            send = self._services.outbox.send_upload if found else self._services.outbox.send_fetch
            send(photo)
            photo, _ = self._services.table.update(photo.id, lambda record: record.recheck_upload_later(), known=photo)
            log.warning("sweep.upload_found" if found else "sweep.fetch_resent")
        else:
            photo, _ = self._services.table.update(photo.id, lambda record: record.expire_upload(), known=photo)
            log.info("sweep.upload_expired")
        return photo

    def _notify(self, photo: PhotoRecord) -> PhotoRecord:
        """A photo was cancelled while it waited for its file, and its events may not have been sent."""
        self._services.outbox.announce(photo)
        photo, _ = self._services.table.update(photo.id, lambda record: record.mark_notified(), known=photo)
        log.warning("sweep.notified")
        return photo

    def _confirm_original(self, photo: PhotoRecord, order_id: str) -> PhotoRecord:
        """If the original of an order is stored, its message is most likely on the queue, and need not be sent yet."""
        if photo.original is None or not photo.order(order_id).original_unconfirmed:
            return photo
        if not self._services.bucket.exists(photo.original.key):
            return photo
        return self._services.table.update(
            photo.id, lambda record: record.order(order_id).confirm_original(self._resend_after), known=photo
        )[0]

    def _resend(self, photo: PhotoRecord, order_id: str) -> PhotoRecord:
        """Send the message of an order again. If the original is missing, the worker that receives it finds that."""
        photo, _ = self._services.table.update(
            photo.id, lambda record: record.order(order_id).resend(self._resend_after), known=photo
        )
        try:
            self._services.outbox.send_order(photo, order_id)
        except Unavailable:
            self._services.table.update(
                photo.id, lambda record: record.order(order_id).undo_resend(self._retry_after), known=photo
            )
            raise
        log.warning("sweep.resent", order=order_id, sends=photo.order(order_id).send_count)
        return photo
