"""One message: claim -> fetch -> process -> store -> publish -> announce -> verdict.

One of the ingest queue first becomes a photo (worker/ingest/handler.py); then its order is carried out like any other.
The consumer's loop feeds it, and so can anything else that receives messages. Results are stored
before the record names them, the record is written before anybody is told, and the message is
deleted last: a death between any two steps leaves a message, or an overdue record, that leads
back here.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import structlog

from darkroom.aws.queue import Received
from darkroom.errors import (
    AttemptsExhausted,
    ClaimLost,
    DarkroomError,
    Interrupted,
    LeaseLost,
    NotFound,
    PhotoGone,
    Unavailable,
    UnreadablePhoto,
)
from darkroom.record.messages import OrderMessage, read_order
from darkroom.record.order import Claim
from darkroom.record.photo import PhotoRecord
from darkroom.services import Services
from worker.child.protocol import Failure, JobOutcome, Work
from worker.child.runner import PhotoProcessor
from worker.child.workspace import Workspace
from worker.ingest.handler import Arrival, Ingest, Means
from worker.ingest.notifications import read_body, split_body
from worker.ingest.rules import Drops
from worker.lease import Lease
from worker.orders.publication import Publication
from worker.verdict import Bury, Delete, Leave, Retry, Verdict, backoff, judge

log = structlog.get_logger()


class Handler:
    """Handles one message at a time; owned by one slot, with a child process of its own."""

    def __init__(self, services: Services, drops: Drops) -> None:
        self._services = services
        self._settings = services.settings
        self._workspace = Workspace(self._settings.spool_dir)
        self._processor = PhotoProcessor(self._settings, self._workspace.folder)
        self._ingest = Ingest(services, drops)
        self._interrupted = False

    def interrupt(self) -> None:
        """Give up what is in work; it goes back to the queue. For threads other than the slot's."""
        self._interrupted = True
        self._processor.interrupt()

    def close(self) -> None:
        self._processor.close()
        self._workspace.close()

    def handle(self, received: Received, lease: Lease) -> Verdict:
        """Handle a message to its end and say what shall become of it."""
        if lease.queue.name == self._services.ingest.name:
            return self._take_in(received, lease)
        try:
            message = read_order(received.body)
        except DarkroomError as error:
            return self._refuse(received, lease, error)
        return self._carry_out(message, received, lease)

    def _carry_out(self, message: OrderMessage, received: Received, lease: Lease) -> Verdict:
        """Handle the message of an order to its end."""
        with structlog.contextvars.bound_contextvars(
            photo=message.photo, order=message.order, owner=message.owner, trace=message.trace
        ):
            started = time.monotonic()
            lease.on_loss(self._processor.interrupt)
            try:
                verdict = self._handle(message, received, lease)
            finally:
                lease.on_loss(None)
            seconds = round(time.monotonic() - started, 3)
            log.info("order.settled", verdict=str(verdict), receives=received.receives, seconds=seconds)
            return verdict

    def _handle(self, message: OrderMessage, received: Received, lease: Lease) -> Verdict:
        settings, claim = self._settings, None
        try:
            self._check(lease)  # it may have waited too long for its renewals
            photo, claim = self._services.table.update(
                message.photo,
                lambda record: record.claim(
                    message.order, settings.max_attempts, settings.time_limit, settings.resend_after, received.id
                ),
            )
            if claim.exhausted:
                raise AttemptsExhausted(_history(photo, claim))
            if claim.jobs:  # else only the message, or an event, was left over
                photo = self._work(photo, claim, lease)
            self._report(photo, message, received, claim)
            return Delete()
        except DarkroomError as error:
            return self._give_up(message, received, claim, error)
        except Exception as error:
            log.exception("order.unexpected_error")
            return self._give_up(message, received, claim, _unexpected(error))

    # --- files that came past the API ---------------------------------------------------------------------------

    def _take_in(self, received: Received, lease: Lease) -> Verdict:
        """Handle a message of the ingest queue: the file becomes a photo, and its order is carried out."""
        lease.on_loss(self._processor.interrupt)
        try:
            arrivals = read_body(received.body)
            if not isinstance(arrivals, list):
                return self._arrive(arrivals, received, lease)
            if len(arrivals) == 1:
                return self._arrive(arrivals[0], received, lease)
            for body in split_body(received.body) if arrivals else []:  # each has its own end then
                lease.queue.send(body, group="s3", deduplication_id=received.id)
            return Delete()
        except DarkroomError as error:
            return self._refuse(received, lease, error)
        except Exception as error:
            log.exception("ingest.unexpected_error")
            return self._refuse(received, lease, _unexpected(error))
        finally:
            lease.on_loss(None)

    def _arrive(self, arrival: Arrival, received: Received, lease: Lease) -> Verdict:
        def check() -> None:
            self._check(lease)

        means = Means(self._workspace.files, lambda path: self._processor.look(path, check), check)
        photo = self._ingest.take(arrival, means, received.receives)
        if photo is None:
            return Delete()
        order = photo.orders[min(photo.orders)]
        # However late it comes, it knows of the first generation only.
        message = OrderMessage.of(photo, order.id).model_copy(update={"generation": 1})
        if not self._services.photos.fifo:
            # The message stands for the order: that is what may have to be buried.
            return self._carry_out(message, replace(received, body=message.model_dump_json()), lease)
        if not photo.unfinished:
            self._services.outbox.announce(photo, message)
        elif not order.claim_count:  # else somebody has sent it
            self._services.outbox.send_order(photo, order.id)
        return Delete()

    # --- the work -----------------------------------------------------------------------------------------------

    def _work(self, photo: PhotoRecord, claim: Claim, lease: Lease) -> PhotoRecord:
        """Do a claim's jobs and publish what comes of them.

        Raises DarkroomError when an unforeseen error leaves a job unfinished; all others are published then.
        """
        with (
            self._workspace.files() as directory,
            Publication(self._services, photo, claim) as publication,
        ):
            work = Work(directory / "original", claim.jobs, directory)
            unforeseen: Failure | None = None
            for outcome in self._fetch_and_process(photo, work, lease):
                self._check(lease)
                if isinstance(outcome.result, Failure) and outcome.result.error.retryable:
                    unforeseen = outcome.result
                    log.error("job.unexpected_error", job=outcome.job, detail=unforeseen.detail, trace=unforeseen.trace)
                else:
                    publication.add(outcome)
            publication.publish()
            if unforeseen:
                raise unforeseen.error
            return publication.photo

    def _fetch_and_process(self, photo: PhotoRecord, work: Work, lease: Lease) -> Iterator[JobOutcome]:
        try:
            if photo.original is None:
                raise NotFound
            self._services.bucket.fetch(photo.original.key, work.original)
            self._check(lease)
        except NotFound:
            missing = UnreadablePhoto("the original is missing from the bucket")
            yield from (JobOutcome(job_id, Failure(missing.code, missing.detail)) for job_id in work.jobs)
        else:
            yield from self._processor.process(work, lambda: self._check(lease))

    def _check(self, lease: Lease) -> None:
        """Stop when the work is no longer ours, or not to be finished here."""
        if lease.lost:
            raise LeaseLost
        if self._interrupted:
            raise Interrupted

    def _report(self, photo: PhotoRecord, message: OrderMessage, received: Received, claim: Claim) -> None:
        """What is left once the record says how everything ended. A death in between leads back here."""
        order = photo.orders.get(message.order)
        if order and order.dead_letter:
            self._services.photos.bury(received, order.dead_letter.code, order.dead_letter.detail, order.fence)
        self._services.outbox.announce(photo, message)
        if received.receives > 1 or claim.claim_count > 1:  # an earlier holder may have stored results before it died
            self._services.cleanup.remove_unpublished(message.photo)

    # --- when it did not end well -------------------------------------------------------------------------------

    def _give_up(self, message: OrderMessage, received: Received, claim: Claim | None, error: DarkroomError) -> Verdict:
        """Judge an attempt that failed, and write down what follows from it."""
        verdict = self._judge(error, claim, received)
        log.warning("order.attempt_failed", verdict=str(verdict), code=error.code, detail=error.detail)
        try:
            if isinstance(error, PhotoGone):
                # Deleted or expired: whatever a late worker left there is removed once more.
                self._services.bucket.remove_photo(message.photo)
            elif isinstance(verdict, Retry) and claim and claim.jobs:
                self._postpone(message, claim, error, verdict)
            elif isinstance(verdict, Bury):
                self._bury(message, received, claim, error)
        except PhotoGone:
            return Delete()
        except ClaimLost:  # in the meantime: the message is somebody else's, too
            return Leave()
        except Exception as fault:
            # It could not be written down: the message comes back, and it is tried again then.
            log.warning("order.not_written_down", exc_info=not isinstance(fault, DarkroomError), detail=str(fault))
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
            self._report(photo, message, received, claim)
        else:
            self._services.photos.bury(received, error.code, error.detail)

    def _refuse(self, received: Received, lease: Lease, error: DarkroomError) -> Verdict:
        """What becomes of a message that we cannot read."""
        verdict = self._judge(error, None, received)
        say = log.error if isinstance(verdict, Bury) else log.warning
        say("message.refused", message=received.id, verdict=str(verdict), code=error.code, detail=error.detail)
        if isinstance(verdict, Bury):
            try:
                lease.queue.bury(received, error.code, error.detail)
            except Unavailable as fault:
                return self._judge(fault, None, received)
        return verdict


def _unexpected(error: Exception) -> DarkroomError:
    if isinstance(error, OSError):  # a full disk, say: not the photo's fault
        return Unavailable(f"the worker cannot work: {type(error).__name__}: {error}")
    return DarkroomError(f"{type(error).__name__}: {error}")


def _history(photo: PhotoRecord, claim: Claim) -> str:
    errors = [error for job in photo.order(claim.order).unfinished_jobs for error in job.errors]
    last = f"the last error was: {errors[-1].detail}" if errors else "the worker died each time, without a word"
    return f"tried {claim.attempt} times; {last}"
