"""The record of a photo: its original, its orders with their jobs, and what the caller gave: reference, metadata and
callback URL.

Pure data and rules; darkroom/aws/table.py stores it. A transition is a method: it checks whether it is allowed, raises
if not, and leaves the record in its new state. The table writes the whole record with a compare-and-swap on `version`:
when another process has written it since it was read, the table reads it again and repeats the transition.

The photo is the root: it holds orders (order.py), which hold jobs (job.py), a direct upload (direct_upload.py), and the
deliveries of its webhooks (delivery.py). Each of these changes only itself; the photo does what needs several of them.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from darkroom.errors import ClaimLost, Conflict, DarkroomError, Fault, InvalidRequest
from darkroom.jobs.job_types import MAX_JOBS, Job
from darkroom.record.clock import now
from darkroom.record.direct_upload import UPLOAD_MARGIN, DirectUpload
from darkroom.record.fetches import PhotoFetches
from darkroom.record.ids import new_id
from darkroom.record.job import JobRecord
from darkroom.record.late_writes import IMPORT_TIME, LateWrites
from darkroom.record.order import Claim, Order
from darkroom.record.state import UNFINISHED_REQUEST
from darkroom.record.step_progress import StepProgress
from darkroom.record.stored import MAX_CONTENT, Original, RecordFull, Result

TOMBSTONE_DAYS = 20
"""A tombstone must outlive every message that may name its photo: 4 days in the queue and 14 in the dead-letter
queue. The other 2 days are a margin."""

MAX_SPECS = 200_000
"""Bytes of the specs of all jobs of a photo, compressed as in its record. Specs with many boxes, points and texts are
long, and an item of 400 KB also needs room for results, errors and deliveries."""


class PhotoRecord(PhotoFetches):
    """A photo and its transitions."""

    # --- what callers ask for -----------------------------------------------------------------------------------

    def add_order(
        self, jobs: Iterable[Job], resend_after: float, trace: str = "", order_id: str | None = None
    ) -> Order:
        """Ask for jobs: the first ones of an upload, or more later. Resumes an `order_id` that exists already.

        Raises Conflict when the photo waits for its file, InvalidRequest for too many or too large jobs.
        """
        if order_id and order_id in self.orders:
            return self.resume_order(order_id, resend_after)
        self._require_file()
        order = self._begin_order(resend_after, trace, order_id)
        order.add((new_id(), spec) for spec in jobs)
        self._check_jobs()
        return order

    def _check_jobs(self) -> None:
        if (count := len(self.jobs)) > MAX_JOBS:
            detail = f"a photo has at most {MAX_JOBS} jobs; with these it would have {count}"
            raise InvalidRequest(f"jobs: {detail}", [Fault("jobs", detail, "too_many_jobs")])
        if (size := self._size_of_specs()) > MAX_SPECS:
            detail = (
                f"all jobs of a photo have at most {MAX_SPECS:,} bytes together, as compressed JSON; with these it "
                f"would be {size:,}. Use fewer boxes, points and texts"
            )
            raise InvalidRequest(f"jobs: {detail}", [Fault("jobs", detail, "jobs_too_large")])

    def _size_of_specs(self) -> int:
        """Bytes of compressed JSON, or 0 if there are few without compression already."""
        specs = b"".join(job.spec.model_dump_json(exclude_none=True).encode() for job in self.jobs.values())
        return len(zlib.compress(specs)) if len(specs) > MAX_SPECS else 0

    def retry(self, job_id: str, resend_after: float, trace: str = "", order_id: str | None = None) -> Order:
        """Run a failed or cancelled job again, in its own new order with fresh attempts.

        Resumes an `order_id` that exists already. Raises NotFound, or Conflict for a job in another status.
        """
        if order_id and order_id in self.orders:
            return self.resume_order(order_id, resend_after)
        before = self.order_of(job_id)
        job = before.jobs[job_id]
        if job.status not in ("failed", "cancelled"):
            raise Conflict(f"job {job_id} is {job.status}; only a failed or cancelled job can be retried")
        self._require_file()
        order = self._begin_order(resend_after, trace, order_id)
        del before.jobs[job_id]
        order.add([(job_id, job.spec)])
        if not before.jobs:
            self._displace_worker(before)
            del self.orders[before.id]
        elif not before.dead_letter_jobs:  # a redrive would have nothing to do
            before.dead_letter = None
        return order

    def redrive(self, order_id: str, resend_after: float, trace: str = "") -> Order:
        """Queue the jobs of a dead letter again, in the same order with fresh attempts. Earlier claims are fenced out.

        Raises PhotoGone, NotFound, or Conflict when the order is not a dead letter.
        """
        self._require_present()
        order = self.order(order_id)
        order.begin_redrive(trace)
        self._restart(order, order.dead_letter_jobs, resend_after)
        return order

    def resume_order(self, order_id: str, resend_after: float, storing: float | None = None) -> Order:
        """Continue with the order that an earlier try of the same request has made.

        `storing`: set if the original is missing: the seconds that this try has to store it. Jobs that failed because
        the order was never sent, or because the original was missing, start again. Otherwise the earlier try may still
        be running: from now on it must not mark the order failed (`Order.fail_unsent`).
        """
        order = self.order(order_id)
        if self.deleted_or_expired:
            return order
        failed = [job for job in order.jobs.values() if job.status == "failed"]
        never_sent = bool(failed) and not (order.claim_count or order.dead_letter or self.upload)
        if failed and (storing or never_sent):
            self._restart(order, failed, resend_after)
        if order.unfinished_jobs and not (never_sent or order.claim_count):
            order.resumed = True
        if storing and order.unfinished_jobs:
            if order.claim_count:
                self._displace_worker(order)
                order.revoke_claim(self._next_fence())
            order.await_original(storing)
        return order

    def cancel(self) -> None:
        """Cancel every job that has not ended. Raises Conflict when all have."""
        unfinished = [job for job in self.jobs.values() if job.unfinished]
        if not unfinished:
            raise Conflict(f"photo {self.id} is {self.status}: no job is left to cancel")
        if self.pending_upload:  # no message exists yet, so the sweep must send the event
            self.pending_upload.sweep_at = now() + UNFINISHED_REQUEST
        for job in unfinished:
            job.cancel()
        for order in self.orders.values():
            self._displace_worker(order)

    def mark_notified(self) -> None:
        """The event of a cancelled direct upload was sent: the sweep does not have to send it."""
        if self.upload and not self.unfinished:
            self.upload.sweep_at = None

    def delete(self) -> None:
        """Turn the record into a tombstone. The caller then removes the objects and calls `note_look`.

        A tombstone stays one, and its objects are to be removed once more.
        """
        at = now()
        if not self.deleted_at:
            self.deleted_at, self.expires_at = at, at + timedelta(days=TOMBSTONE_DAYS)
            self._forget_contents()
            for order in self.orders.values():
                self._displace_worker(order)
            if self.upload:
                self.expect_late_writes(self.upload.until + UPLOAD_MARGIN)
            self.expect_late_writes(at + IMPORT_TIME)
        until = self.late_writes.until if self.late_writes else at
        self.late_writes = LateWrites(until=until, look_at=at + UNFINISHED_REQUEST)

    # --- what a direct upload goes through ----------------------------------------------------------------------

    def accept_upload(self, original: Original, resend_after: float) -> bool:
        """The file has arrived: its jobs can start. Raises PhotoGone.

        True also if the same file is reported a second time. False when it came too late: the photo has another
        original, or no unfinished job.
        """
        self._require_present()
        if not self.pending_upload:
            return self.original is not None and self.original.key == original.key
        self.original, self.upload = original, None
        self._end_fetching()
        for order in self.orders.values():
            order.due_at = now() + timedelta(seconds=resend_after)
        return True

    def complete_upload(self, notified_within: float) -> None:
        """All parts of the multipart upload were sent (`DirectUpload.complete`). Does nothing when a worker was faster.

        Raises PhotoGone.
        """
        self._require_present()
        if self.pending_upload:
            self.pending_upload.complete(notified_within)

    def reject_upload(self, error: DarkroomError) -> bool:
        """The file cannot become a photo: all jobs fail with this error. Raises PhotoGone.

        False when the photo waits for no file.
        """
        self._require_present()
        upload = self.pending_upload
        if upload is None:
            return False
        upload.reject(error)
        for order in self.orders.values():
            for job in order.unfinished_jobs:
                job.fail(error)
        return True

    def count_upload_attempt(self) -> int:
        """A worker failed to accept the file. Returns how often this has happened; 0 when the photo waits for no file.

        Raises PhotoGone.
        """
        self._require_present()
        return self.pending_upload.count_attempt() if self.pending_upload else 0

    def recheck_upload_later(self) -> None:
        """Postpone the next check: the file is there, and a worker was notified again. Raises Conflict when the upload
        is not overdue."""
        self._require_overdue_upload().recheck_later()

    def expire_upload(self) -> None:
        """Expire the photo, because its form was never used. Raises Conflict when the upload is not overdue."""
        self._require_overdue_upload()
        self.expires_at = now()

    # --- what workers and the sweep do --------------------------------------------------------------------------

    def claim(
        self, order_id: str, max_attempts: int, time_limit: float, resend_after: float, message_id: str = ""
    ) -> Claim:
        """Give an order to the worker that received `message_id`; earlier claims are fenced out. Times in seconds.

        Raises PhotoGone, and OrderInProgress when another message of the same order is in progress.
        """
        self._require_present()
        order = self.orders.get(order_id)
        if order is None:  # its jobs were retried in other orders
            return Claim(order=order_id)
        order.require_claimable(message_id)
        self._displace_worker(order)
        if not order.unfinished_jobs:
            return Claim(order=order_id)
        return order.claim(self._next_fence(), max_attempts, time_limit, resend_after, message_id)

    def renew(self, claim: Claim, time_limit: float, resend_after: float) -> Claim:
        """Let the time of a claim begin now (`Order.renew`). Raises PhotoGone, ClaimLost."""
        return self._claimed(claim).renew(claim, time_limit, resend_after)

    def has_work(self, order_id: str, message_id: str) -> bool:
        """Whether an order has jobs left for the worker that received `message_id`. Raises what `claim` raises."""
        self._require_present()
        order = self.orders.get(order_id)
        if order is None:
            return False
        order.require_claimable(message_id)
        return bool(order.unfinished_jobs)

    def publish(
        self,
        claim: Claim,
        outcomes: Mapping[str, Result | DarkroomError],
        last: bool = False,
        progress: StepProgress | None = None,
    ) -> set[str]:
        """End jobs with their results or errors (`Order.publish`). Raises PhotoGone, ClaimLost.

        `last`: the worker has no further job to do, so it will store nothing more. `progress`: how far it is. Raises
        RecordFull when the contents of these results are too long for the record; they then belong into the bucket.
        """
        order = self._claimed(claim)
        published = order.publish(outcomes)
        contents = any(isinstance(outcome, Result) and outcome.content for outcome in outcomes.values())
        if contents and self.content_size > MAX_CONTENT:
            raise RecordFull
        order.progress = None if last else progress
        if last:
            order.release()
        return published

    def postpone(self, claim: Claim, error: DarkroomError, counts: bool, delay: float, resend_after: float) -> None:
        """Set the unfinished jobs to queued (`Order.postpone`). Raises PhotoGone, ClaimLost."""
        self._claimed(claim).postpone(error, counts, delay, resend_after)

    def bury(self, claim: Claim, error: DarkroomError) -> None:
        """Make a dead letter of an order (`Order.bury`). Raises PhotoGone, ClaimLost."""
        self._claimed(claim).bury(error)

    def bury_abandoned(self, order_id: str, send: int, error: DarkroomError) -> None:
        """Make a dead letter of an order whose message SQS itself moved to the dead-letter queue.

        `send`: the number of that message's send, from 1. Raises PhotoGone, NotFound, or Conflict
        (`Order.require_abandoned`).
        """
        self._require_present()
        order = self.order(order_id)
        order.require_abandoned(send)
        self._displace_worker(order)
        order.fence = self._next_fence()
        order.bury(error)

    def expect_late_writes(self, writer_ends: datetime) -> None:
        """Have the sweep look for objects that a writer stores late. `writer_ends`: when the writer's time is over."""
        self.late_writes = LateWrites.expected(writer_ends, self.late_writes)

    def note_look(self, at: datetime) -> None:
        """All objects that the record did not need were removed, in a look that began at this time.

        The record of a deleted or expired photo forgets the results that it holds itself.
        """
        if self.deleted_or_expired:
            self._forget_contents()
        if self.late_writes:
            self.late_writes = self.late_writes.looked(at)

    def note_failed_look(self, wait: float) -> None:
        """The objects could not be removed: look again, in `wait` seconds or later (`LateWrites.failed`)."""
        if self.late_writes:
            self.late_writes = self.late_writes.failed(wait)

    # --- inside -------------------------------------------------------------------------------------------------

    def _forget_contents(self) -> None:
        for job in self.jobs.values():
            job.forget_content()

    def _require_file(self) -> None:
        """Only the first order can be made before the file has arrived, unless a worker fetches it."""
        if self.upload and self.orders and not self.source_url:
            state = "has not arrived yet" if self.unfinished else "is missing; upload the photo again"
            raise Conflict(f"photo {self.id} is {self.status}: its file {state}")

    def _require_overdue_upload(self) -> DirectUpload:
        upload = self.overdue_upload()
        if upload is None:
            raise Conflict(f"photo {self.id} awaits no file, or is not overdue")
        return upload

    def _claimed(self, claim: Claim) -> Order:
        self._require_present()
        order = self.orders.get(claim.order)
        if order is None:
            raise ClaimLost(f"all jobs of order {claim.order} were retried in other orders")
        order.require_fence(claim.fence)
        return order

    def _displace_worker(self, order: Order) -> None:
        """The worker of the last claim loses the order. Expect late writes, unless it has ended its work."""
        if until := order.release():
            self.expect_late_writes(until)

    def _next_fence(self) -> int:
        self.fence_counter += 1
        return self.fence_counter

    def _begin_order(self, resend_after: float, trace: str, order_id: str | None) -> Order:
        """Add an order that has no jobs yet."""
        self._begin_generation()
        self._fetch_again(resend_after)
        order = Order(id=order_id or new_id(), due_at=now() + timedelta(seconds=resend_after), trace=trace)
        self.orders[order.id] = order
        return order

    def _restart(self, order: Order, jobs: list[JobRecord], resend_after: float) -> None:
        self._begin_generation()
        self._fetch_again(resend_after)
        self._displace_worker(order)
        order.restart(jobs, self._next_fence(), resend_after)

    def _begin_generation(self) -> None:
        """Begin a generation, which has its own events, if the photo had ended before these jobs were added."""
        if self.orders and not self.unfinished:
            self.generation += 1
