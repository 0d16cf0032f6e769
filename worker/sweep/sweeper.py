"""The sweep: what is overdue in the record is put right, and what a killed worker left on the disk is removed.

One mechanism for every crash that leaves no message: an API that died between record and message,
a message that was lost or purged, a deletion that was not finished. Every worker sweeps now and
then; two that find the same photo at once do no harm, since each change checks what it finds.
"""

from __future__ import annotations

import random
import threading
from datetime import timedelta

import structlog

from darkroom.errors import Conflict, DarkroomError, NotFound, Unavailable
from darkroom.record.clock import now
from darkroom.record.keys import upload_key
from darkroom.record.photo import PhotoRecord
from darkroom.services import Services
from worker.child.workspace import remove_abandoned
from worker.sweep.dead_letter_queue import DeadLetterSweep

log = structlog.get_logger()


class Sweeper:
    def __init__(self, services: Services, stopping: threading.Event) -> None:
        self._services = services
        self._resend_after = services.settings.resend_after
        self._stopping = stopping
        self._dead_letters = DeadLetterSweep(services, stopping)

    def run(self) -> None:
        """Sweep until the worker stops; workers started together do not sweep together."""
        interval = self._services.settings.sweep_interval
        while not self._stopping.wait(random.uniform(0.5, 1.5) * interval):  # noqa: S311 - jitter, not a secret
            self.sweep_all()

    def sweep_all(self) -> None:
        """Sweep once. A part that fails must not hold up the others, nor end the worker."""
        for part in (self.sweep, self.clean_spool, self._dead_letters.sweep):
            try:
                part()
            except DarkroomError as error:
                log.warning("sweep.unavailable", detail=error.detail)
            except Exception:
                log.exception("sweep.unexpected_error")

    def sweep(self) -> None:
        """Look at everything that is due, once."""
        for photo_id in self._services.table.overdue():
            if self._stopping.is_set():
                return
            with structlog.contextvars.bound_contextvars(photo=photo_id):
                try:
                    self.mend(photo_id)
                except (NotFound, Conflict) as error:
                    log.info("sweep.overtaken", detail=error.detail)  # somebody was faster
                except DarkroomError as error:
                    log.warning("sweep.failed", code=error.code, detail=error.detail)
                    self._put_off(photo_id)
                except Exception:
                    log.exception("sweep.unexpected_error")
                    self._put_off(photo_id)

    def _put_off(self, photo_id: str) -> None:
        """One that cannot be mended now must not hide those behind it, however many there are."""
        try:
            self._services.table.postpone(photo_id, now() + timedelta(seconds=self._resend_after))
        except Exception as error:
            log.warning("sweep.not_put_off", detail=str(error), exc_info=not isinstance(error, DarkroomError))

    def clean_spool(self) -> None:
        """Remove what workers left on the disk that were killed."""
        remove_abandoned(self._services.settings.spool_dir)

    def mend(self, photo_id: str) -> None:
        """Put one photo right. Raises NotFound or Conflict when it was put right in the meantime."""
        photo = self._services.table.get(photo_id)
        if photo is None:
            return
        if photo.status == "expired":  # DynamoDB will remove it, some day
            self._services.table.postpone(photo_id, None)
            return
        if photo.deleted_at:
            if not photo.objects_removed:
                self._services.cleanup.remove_deleted(photo)
                log.info("sweep.purged")
            return
        if photo.pending_upload:
            self._look_for_upload(photo, photo.pending_upload.key or upload_key(photo_id))
            return
        if photo.upload and photo.due_at:
            self._tell(photo)
            return
        for order_id in photo.overdue_orders():
            photo = self._resend(photo, order_id)

    def _look_for_upload(self, photo: PhotoRecord, key: str) -> None:
        """A file is overdue. If it is there, nobody was told of it, or it waits in a long queue; else it will not come.

        Told first, written down then: a death in between tells twice.
        """
        if not photo.overdue_upload():
            return
        if self._services.bucket.exists(key):
            self._services.outbox.send_upload(photo)
            self._services.table.update(photo.id, lambda record: record.recheck_upload_later(), known=photo)
            log.warning("sweep.upload_found")
        else:
            self._services.table.update(photo.id, lambda record: record.expire_upload(), known=photo)
            log.info("sweep.upload_expired")

    def _tell(self, photo: PhotoRecord) -> None:
        """A photo was cancelled while it waited for its file, and perhaps nobody was told."""
        self._services.outbox.announce(photo)
        self._services.table.update(photo.id, lambda record: record.mark_notified(), known=photo)
        log.warning("sweep.told")

    def _resend(self, photo: PhotoRecord, order_id: str) -> PhotoRecord:
        """Send an order again. Should its original be missing, the worker that gets it says so."""
        photo, _ = self._services.table.update(
            photo.id, lambda record: record.order(order_id).resend(self._resend_after), known=photo
        )
        try:
            self._services.outbox.send_order(photo, order_id)
        except Unavailable:
            self._services.table.update(
                photo.id, lambda record: record.order(order_id).undo_resend(self._resend_after), known=photo
            )
            raise
        log.warning("sweep.resent", order=order_id, sends=photo.order(order_id).send_count)
        return photo
