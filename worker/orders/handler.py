"""One message of the photos queue: fetch -> claim -> process -> store -> publish -> verdict.

The photo is fetched before the order is claimed, while other photos are in the child processes. So a claim is as short
as the work, and a worker that dies costs no attempt of the orders that it has not begun with. If a child is free, the
photo is fetched while the record is read and the order is claimed.

Results are stored before the record names them, the record is written before anyone is notified, and the message is
deleted last. The verdict has the events that the worker has to send before it deletes the message. So a crash between
any two steps leaves a message, or an overdue record, and the work is taken up again.
"""

from __future__ import annotations

import time
from concurrent.futures import Executor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import structlog

from darkroom.asset_errors import AssetMissing
from darkroom.aws.queue import Received
from darkroom.errors import (
    AttemptsExhausted,
    ClaimLost,
    DarkroomError,
    NotFound,
    OriginalMissing,
    PhotoGone,
    UploadNotCompleted,
)
from darkroom.jobs.job_types import assets_of
from darkroom.outbox import Announcement
from darkroom.record.messages import OrderMessage, read_order
from darkroom.record.order import Claim
from darkroom.record.photo import PhotoRecord
from darkroom.services import Services
from worker.child.protocol import Failure, JobOutcome
from worker.child.runner import ChildWork, PhotoProcessor, PhotoProcessors
from worker.lease import Lease
from worker.orders.asset_files import AssetFiles
from worker.orders.downloads import Download, Downloads
from worker.orders.publication import Publication
from worker.refusal import as_darkroom_error, refuse
from worker.verdict import Bury, Delete, Leave, Retry, Verdict, backoff, judge

log = structlog.get_logger()


RENEW_AFTER = 10.0
"""Seconds of waiting for a child, after which the time of a claim begins anew."""


@dataclass
class Attempt:
    """The work on one message. `claim` is set when the order is claimed, and again when the claim is renewed."""

    message: OrderMessage
    received: Received
    processor: PhotoProcessor
    claim: Claim | None = None

    def may_write(self) -> None:
        """Raises what `PhotoProcessor.check` raises, and ClaimLost when the time of the claim is over."""
        self.processor.check()
        if self.claim is None:
            raise ClaimLost(f"order {self.message.order} is not claimed")
        self.claim.require_time()


class OrderHandler:
    """Carries out the messages of the photos queue. Several threads may use it at the same time.

    `transfers`: threads that transfer files.
    """

    def __init__(self, services: Services, processors: PhotoProcessors, transfers: Executor) -> None:
        self._services = services
        self._settings = services.settings
        self._processors = processors
        self._transfers = transfers
        self._downloads = Downloads(services, transfers)
        self._assets = AssetFiles(services, processors.assets)

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
                verdict = self._attempt(Attempt(message, received, processor))
            seconds = round(time.monotonic() - started, 3)
            log.info("order.handled", **verdict.fields(), receives=received.receives, seconds=seconds)
            return verdict

    def _attempt(self, attempt: Attempt) -> Verdict:
        try:
            attempt.processor.check()  # the lease may have ended while the message waited for a slot
            with attempt.processor.files() as directory:
                photo = self._carry_on(attempt, directory / "original")
            return Delete(self._finish(photo, attempt))
        except DarkroomError as error:
            return self._give_up(attempt, error)
        except Exception as error:
            log.exception("order.unexpected_error")
            return self._give_up(attempt, as_darkroom_error(error))

    # --- the work -----------------------------------------------------------------------------------------------

    def _carry_on(self, attempt: Attempt, path: Path) -> PhotoRecord:
        """Read the record, and do what is left to do. `path`: the file for the original."""
        message, received = attempt.message, attempt.received
        with ExitStack() as before_child:
            download = before_child.enter_context(self._downloads.open(path, attempt.processor))
            if message.own_original and message.send == received.receives == 1:  # else the order may have ended already
                download.begin_at_once(message.own_original)
            photo = self._services.table.get(message.photo)
            if photo is None:
                raise NotFound(f"there is no photo {message.photo}")
            if photo.has_work(message.order, received.id):
                return self._work(photo, attempt, path, download, before_child)
        # An earlier attempt did the jobs but died before the event or the delete.
        return self._claim(photo, attempt)[0]

    def _work(
        self, photo: PhotoRecord, attempt: Attempt, path: Path, download: Download, before_child: ExitStack
    ) -> PhotoRecord:
        """Claim the order, do its jobs and publish their outcomes.

        A job with a retryable error stays unfinished. Raises this error after the other jobs are published.
        """
        download.begin(photo)
        before_child.enter_context(attempt.processor.claim_permit())
        photo, claim = self._claim(photo, attempt)
        if not claim.jobs:
            return photo
        with Publication(self._services, photo, claim, attempt.may_write, self._transfers) as publication:
            try:
                download.finish(photo, claim.order)
            except (OriginalMissing, UploadNotCompleted) as error:
                publication.fail(claim.jobs, error)
                return publication.photo
            work = self._with_assets(path, claim, attempt, publication)
            failure = self._process(work, claim, attempt, publication, before_child) if work.jobs else None
            publication.publish()
        if failure:
            raise failure.error
        return publication.photo

    def _with_assets(self, original: Path, claim: Claim, attempt: Attempt, publication: Publication) -> ChildWork:
        """The jobs of a claim, with the files of the assets that they name. Jobs whose assets were removed fail."""
        ids = assets_of(*claim.jobs.values())
        files = self._assets.fetch(publication.photo.owner, ids, original.parent, attempt.processor.check)
        jobs = dict(claim.jobs)
        for job_id, job in claim.jobs.items():
            if missing := [asset_id for asset_id in assets_of(job) if asset_id not in files]:
                error = AssetMissing(f"asset {missing[0]} was removed: upload the same file again, and retry the job")
                publication.add(JobOutcome(job_id, Failure(error.code, error.detail)))
                del jobs[job_id]
        return ChildWork(original, jobs, files)

    def _process(
        self, work: ChildWork, claim: Claim, attempt: Attempt, publication: Publication, before_child: ExitStack
    ) -> Failure | None:
        """Do jobs of a claim in a child and end `before_child`. Returns the last retryable failure of a job."""
        processor = attempt.processor
        retryable: Failure | None = None
        with before_child.pop_all() as until_child_is_free:
            waited = until_child_is_free.enter_context(processor.child())
            if waited > RENEW_AFTER:
                self._renew_claim(claim, attempt, publication)
            processor.check()
            reports = publication.reports(processor.check)
            with closing(processor.process(work, reports)) as outcomes:
                for outcome in outcomes:
                    processor.check()
                    if isinstance(outcome.result, Failure) and outcome.result.error.retryable:
                        retryable = outcome.result
                        log.error(
                            "job.retryable_error", job=outcome.job, detail=retryable.detail, trace=retryable.trace
                        )
                    else:
                        publication.add(outcome)
            if not processor.let_results_wait(publication.size):
                publication.store()
        return retryable

    def _claim(self, photo: PhotoRecord, attempt: Attempt) -> tuple[PhotoRecord, Claim]:
        """Claim the order of a photo, whose record was just read. Raises AttemptsExhausted."""
        settings, order, message_id = self._settings, attempt.message.order, attempt.received.id

        def claim_order(record: PhotoRecord) -> Claim:
            attempt.processor.check()  # with a lost lease it would fence out the message's new holder
            return record.claim(order, settings.max_attempts, settings.time_limit, settings.resend_after, message_id)

        photo, claim = self._services.table.update(photo.id, claim_order, known=photo)
        attempt.claim = claim
        if claim.exhausted:
            raise AttemptsExhausted(_history(photo, claim))
        return photo, claim

    def _renew_claim(self, claim: Claim, attempt: Attempt, publication: Publication) -> None:
        """Let the time of the claim begin now. Raises ClaimLost if another worker has the order."""
        settings = self._settings
        publication.photo, attempt.claim = self._services.table.update(
            publication.photo.id,
            lambda record: record.renew(claim, settings.time_limit, settings.resend_after),
            known=publication.photo,
        )

    def _finish(self, photo: PhotoRecord, attempt: Attempt) -> tuple[Announcement, ...]:
        """Copy a dead letter to its queue, and remove leftovers. The record holds every outcome. Returns what has to be
        sent before the message is deleted.

        After a crash the next receive does it again.
        """
        message, received = attempt.message, attempt.received
        claim_count = attempt.claim.claim_count if attempt.claim else 0
        order = photo.orders.get(message.order)
        if order and order.dead_letter:
            self._services.photos.bury(received, order.dead_letter.code, order.dead_letter.detail, order.fence)
        if received.receives > 1 or claim_count > 1:  # an earlier holder may have stored results before it died
            self._services.cleanup.remove_unpublished(message.photo)
        return tuple(self._services.outbox.announcements(photo, message))

    # --- attempts that failed -----------------------------------------------------------------------------------

    def _give_up(self, attempt: Attempt, error: DarkroomError) -> Verdict:
        """Judge a failed attempt, and write the consequences to the record."""
        message, claim = attempt.message, attempt.claim
        verdict = self._judge(error, claim, attempt.received)
        log.warning("order.attempt_failed", **verdict.fields(), code=error.code, detail=error.detail)
        try:
            if isinstance(error, PhotoGone):
                # The photo was deleted or has expired: remove what a late worker may have stored since.
                self._services.bucket.remove_photo(message.photo)
            elif isinstance(verdict, Retry) and claim and claim.jobs:
                self._postpone(message, claim, error, verdict)
            elif isinstance(verdict, Bury):
                return Bury(self._bury(attempt, error))
        except PhotoGone:
            return Delete()
        except ClaimLost:  # another worker has claimed the order meanwhile
            return Leave()
        except Exception as fault:
            # The record could not be written. The message comes again, and the next attempt writes it.
            log.warning("order.not_recorded", exc_info=not isinstance(fault, DarkroomError), detail=str(fault))
            return Retry(backoff(attempt.received.receives, self._settings))
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

    def _bury(self, attempt: Attempt, error: DarkroomError) -> tuple[Announcement, ...]:
        claim, received = attempt.claim, attempt.received
        if claim and claim.jobs:
            photo, _ = self._services.table.update(attempt.message.photo, lambda record: record.bury(claim, error))
            return self._finish(photo, attempt)
        self._services.photos.bury(received, error.code, error.detail)
        return ()


def _history(photo: PhotoRecord, claim: Claim) -> str:
    errors = [error for job in photo.order(claim.order).unfinished_jobs for error in job.errors]
    last = f"the last error was: {errors[-1].detail}" if errors else "each time the worker died without a report"
    return f"tried {claim.attempt} times; {last}"
