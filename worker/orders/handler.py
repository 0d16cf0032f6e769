"""One message of the photos queue: claim -> fetch -> process -> store -> publish -> announce -> verdict.

Results are stored before the record names them, the record is written before anyone is notified, and the message is
deleted last. So a crash between any two steps leaves a message, or an overdue record, and the work is taken up again.
"""

from __future__ import annotations

import time
from pathlib import Path

import structlog

from darkroom.aws.queue import Received
from darkroom.errors import (
    AttemptsExhausted,
    ClaimLost,
    DarkroomError,
    NotFound,
    OriginalMissing,
    PhotoGone,
    Unavailable,
    UploadNotCompleted,
)
from darkroom.record.clock import now
from darkroom.record.messages import OrderMessage, read_order
from darkroom.record.order import Claim
from darkroom.record.photo import PhotoRecord
from darkroom.services import Services
from worker.child.protocol import Failure
from worker.child.runner import PhotoProcessor, PhotoProcessors
from worker.lease import Lease
from worker.orders.publication import Publication
from worker.refusal import as_darkroom_error, refuse
from worker.verdict import Bury, Delete, Leave, Retry, Verdict, backoff, judge

log = structlog.get_logger()


class OrderHandler:
    """Carries out the messages of the photos queue. Several threads may use it at the same time."""

    def __init__(self, services: Services, processors: PhotoProcessors) -> None:
        self._services = services
        self._settings = services.settings
        self._processors = processors

    def handle(self, received: Received, lease: Lease) -> Verdict:
        """Carry out a message and return its verdict."""
        try:
            message = read_order(received.body)
        except DarkroomError as error:
            return refuse(lease.queue, received, error, self._settings)
        return self.carry_out(message, received, lease)

    def carry_out(self, message: OrderMessage, received: Received, lease: Lease) -> Verdict:
        """Carry out an order and return the verdict on `received`.

        IngestHandler calls this, too: its message is a notification of S3.
        """
        with structlog.contextvars.bound_contextvars(
            photo=message.photo, order=message.order, owner=message.owner, trace=message.trace
        ):
            started = time.monotonic()
            with self._processors.use(lease) as processor:
                verdict = self._attempt(message, received, processor)
            seconds = round(time.monotonic() - started, 3)
            log.info("order.handled", **verdict.fields(), receives=received.receives, seconds=seconds)
            return verdict

    def _attempt(self, message: OrderMessage, received: Received, processor: PhotoProcessor) -> Verdict:
        settings, claim = self._settings, None
        try:
            processor.check()  # the lease may have ended while the message waited for a slot
            photo, claim = self._services.table.update(
                message.photo,
                lambda record: record.claim(
                    message.order, settings.max_attempts, settings.time_limit, settings.resend_after, received.id
                ),
            )
            if claim.exhausted:
                raise AttemptsExhausted(_history(photo, claim))
            if claim.jobs:  # no jobs left: an earlier attempt did them but died before the event or the delete
                photo = self._work(photo, claim, processor)
            self._finish(photo, message, received, claim)
            return Delete()
        except DarkroomError as error:
            return self._give_up(message, received, claim, error)
        except Exception as error:
            log.exception("order.unexpected_error")
            return self._give_up(message, received, claim, as_darkroom_error(error))

    # --- the work -----------------------------------------------------------------------------------------------

    def _work(self, photo: PhotoRecord, claim: Claim, processor: PhotoProcessor) -> PhotoRecord:
        """Do the jobs of a claim and publish their outcomes.

        A job with a retryable error stays unfinished. Raises this error after the other jobs are published.
        """
        with processor.files() as directory, Publication(self._services, photo, claim, processor.check) as publication:
            original = directory / "original"
            try:
                self._fetch(photo, claim.order, original)
            except (OriginalMissing, UploadNotCompleted) as error:
                publication.fail(claim.jobs, error)
                return publication.photo
            processor.check()
            retryable: Failure | None = None
            for outcome in processor.process(original, claim.jobs):
                processor.check()
                if isinstance(outcome.result, Failure) and outcome.result.error.retryable:
                    retryable = outcome.result
                    log.error("job.retryable_error", job=outcome.job, detail=retryable.detail, trace=retryable.trace)
                else:
                    publication.add(outcome)
            publication.publish()
            if retryable:
                raise retryable.error
            return publication.photo

    def _fetch(self, photo: PhotoRecord, order_id: str, path: Path) -> None:
        """Download the original to `path`. Raises OriginalMissing, or UploadNotCompleted if it was never stored."""
        try:
            if photo.original is None:
                raise NotFound
            self._services.bucket.fetch(photo.original.key, path)
        except NotFound as error:
            storing_until = photo.order(order_id).storing_until
            if storing_until is None:
                raise OriginalMissing from error
            if storing_until > now():  # a repeated request is storing it, and this message is an earlier one's
                raise Unavailable("the original is not stored yet") from error
            raise UploadNotCompleted from error

    def _finish(self, photo: PhotoRecord, message: OrderMessage, received: Received, claim: Claim) -> None:
        """Copy a dead letter to its queue, send the event, and remove leftovers. The record holds every outcome.

        After a crash the next receive does it again.
        """
        order = photo.orders.get(message.order)
        if order and order.dead_letter:
            self._services.photos.bury(received, order.dead_letter.code, order.dead_letter.detail, order.fence)
        self._services.outbox.announce(photo, message)
        if received.receives > 1 or claim.claim_count > 1:  # an earlier holder may have stored results before it died
            self._services.cleanup.remove_unpublished(message.photo)

    # --- attempts that failed -----------------------------------------------------------------------------------

    def _give_up(self, message: OrderMessage, received: Received, claim: Claim | None, error: DarkroomError) -> Verdict:
        """Judge a failed attempt, and write the consequences to the record."""
        verdict = self._judge(error, claim, received)
        log.warning("order.attempt_failed", **verdict.fields(), code=error.code, detail=error.detail)
        try:
            if isinstance(error, PhotoGone):
                # The photo was deleted or has expired: remove what a late worker may have stored since.
                self._services.bucket.remove_photo(message.photo)
            elif isinstance(verdict, Retry) and claim and claim.jobs:
                self._postpone(message, claim, error, verdict)
            elif isinstance(verdict, Bury):
                self._bury(message, received, claim, error)
        except PhotoGone:
            return Delete()
        except ClaimLost:  # another worker has claimed the order meanwhile
            return Leave()
        except Exception as fault:
            # The record could not be written. The message comes again, and the next attempt writes it.
            log.warning("order.not_recorded", exc_info=not isinstance(fault, DarkroomError), detail=str(fault))
            return Retry(backoff(received.receives, self._settings))
        return verdict

    def _judge(self, error: DarkroomError, claim: Claim | None, received: Received) -> Verdict:
        if claim and claim.jobs:
            return judge(error, claim.attempt, claim.claim_count, self._settings)
        return judge(error, received.receives, received.receives, self._settings)

    def _postpone(self, message: OrderMessage, claim: Claim, error: DarkroomError, verdict: Retry) -> None:
        resend_after = self._settings.resend_after
        self._services.table.update(
            message.photo,
            lambda record: record.postpone(claim, error, verdict.counts, verdict.delay, resend_after),
        )

    def _bury(self, message: OrderMessage, received: Received, claim: Claim | None, error: DarkroomError) -> None:
        if claim and claim.jobs:
            photo, _ = self._services.table.update(message.photo, lambda record: record.bury(claim, error))
            self._finish(photo, message, received, claim)
        else:
            self._services.photos.bury(received, error.code, error.detail)


def _history(photo: PhotoRecord, claim: Claim) -> str:
    errors = [error for job in photo.order(claim.order).unfinished_jobs for error in job.errors]
    last = f"the last error was: {errors[-1].detail}" if errors else "each time the worker died without a report"
    return f"tried {claim.attempt} times; {last}"
