"""The record of a photo: what is known of it, and every change that its jobs can go through.

Pure data and rules; darkroom/aws/table.py stores it. A change is a method: it checks whether it
is allowed, raises if not, and leaves the record in its new state. The table writes the whole
record back under the condition that nobody else has written it since it was read, and
otherwise reads it again and repeats the change, so each method may rely on what it sees.

An order's `claim` number is the fence: each receive raises it, and only the holder of the newest
number may publish, give back or bury. It is counted for the whole photo, so that two orders which a
job went through never write under the same key.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from uuid import UUID, uuid5

import uuid_utils
from pydantic import BaseModel, ConfigDict

from darkroom.errors import (
    ClaimLost,
    Conflict,
    DarkroomError,
    Fault,
    InvalidRequest,
    NotFound,
    OrderInWork,
    PhotoGone,
    ProcessError,
)
from darkroom.jobs.specs import MAX_JOBS, Job
from darkroom.record.messages import Message, WebhookMessage
from darkroom.record.order import (
    Callback,
    Claim,
    DeadLetter,
    Delivery,
    DirectUpload,
    JobRecord,
    JobStatus,
    Order,
    Original,
    Redrive,
    Result,
    shortened,
)

PhotoStatus = Literal[
    "awaiting_upload", "processing", "succeeded", "failed", "cancelled", "expired", "deleted"
]  # fmt: skip

TOMBSTONE_DAYS = 20
"""A tombstone outlives every message that may still name its photo: 4 days in the queue, 14 in the dead letters."""

MAX_REDRIVES = 2
"""How many of an order's redrives are remembered."""

MAX_DELIVERIES = 10
"""Generations whose webhooks are remembered. Those of older ones that did not arrive yet are dropped."""

RESEND_FACTOR = 5
"""Each further wait of the sweep is so many times as long: in a long backlog a few cheap duplicates, never a flood."""

UNFINISHED_REQUEST = timedelta(minutes=5)
"""After so long the sweep does what a cancellation or a deletion has left undone."""


def new_id() -> str:
    """A UUIDv7: sorts by the time it was made."""
    return str(uuid_utils.uuid7())


def now() -> datetime:
    return datetime.now(UTC)


class PhotoRecord(BaseModel):
    """Everything that is known of a photo."""

    model_config = ConfigDict(extra="forbid")

    id: str
    owner: str
    created_at: datetime
    original: Original | None = None
    upload: DirectUpload | None = None
    reference: str | None = None
    metadata: dict[str, Any] = {}
    batch: str | None = None
    twins: str | None = None
    """The key of the item by which uploads of the same photo find this one (darkroom/aws/dedupe.py)."""
    callback: Callback | None = None
    generation: int = 1
    claims: int = 0
    jobs: dict[str, JobRecord] = {}
    orders: dict[str, Order] = {}
    expires_at: datetime | None = None
    deleted_at: datetime | None = None
    purged: bool = False
    version: int = 0

    # --- what it says of itself ---------------------------------------------------------------------------------

    @property
    def status(self) -> PhotoStatus:
        if self.deleted_at:
            return "deleted"
        if self.expires_at and self.expires_at <= now():
            return "expired"
        if self.unfinished:
            return "processing" if self.original else "awaiting_upload"
        statuses = set(self.counts)
        # "succeeded" promises that everything asked for is there.
        return "failed" if "failed" in statuses else "cancelled" if "cancelled" in statuses else "succeeded"

    @property
    def counts(self) -> dict[JobStatus, int]:
        return dict(Counter(job.status for job in self.jobs.values()))

    @property
    def unfinished(self) -> bool:
        return any(job.unfinished for job in self.jobs.values())

    @property
    def awaited_upload(self) -> DirectUpload | None:
        """The file that is still to come; None when there is one, or when nobody waits for it any more."""
        return self.upload if self.unfinished else None

    @property
    def gone(self) -> bool:
        return self.status in ("deleted", "expired")

    @property
    def due_at(self) -> datetime | None:
        """When the sweep shall look at this photo; None when there is nothing to look after."""
        if self.deleted_at:
            return None if self.purged else self.deleted_at + UNFINISHED_REQUEST
        if self.status == "expired":
            return None
        if self.upload:
            return self.upload.next_look if self.unfinished else self.upload.due_at
        orders = {job.order for job in self.jobs.values() if job.unfinished}
        return min((self.orders[order].due_at for order in orders), default=None)

    @property
    def dead_at(self) -> datetime | None:
        """When the photo's first order that is still dead was buried."""
        return min((order.dead.at for order in self.orders.values() if order.dead), default=None)

    def jobs_of(self, order: str, unfinished: bool = False) -> list[JobRecord]:
        return [job for job in self.jobs.values() if job.order == order and (job.unfinished or not unfinished)]

    def dead_jobs(self, order_id: str) -> list[JobRecord]:
        """The jobs that an order's burial ended; one that was retried since belongs to another order."""
        order = self.orders.get(order_id)
        dead = order.dead.jobs if order and order.dead else []
        return [job for job in self.jobs_of(order_id) if job.id in dead]

    def job(self, job_id: str) -> JobRecord:
        try:
            return self.jobs[job_id]
        except KeyError:
            raise NotFound(f"photo {self.id} has no job {job_id}") from None

    def may_name(self, key: str, job_id: str, claim: int) -> bool:
        """Whether this record names a stored result, or whoever stored it may still publish it."""
        job = self.jobs.get(job_id)
        if job is None:
            return False
        if job.unfinished:
            return self.orders[job.order].claim == claim
        return job.result is not None and job.result.key == key

    def message(self, order_id: str) -> Message:
        """The message that asks for what is unfinished of an order, or that tells of it when nothing is."""
        jobs = self.jobs_of(order_id, unfinished=True) or self.jobs_of(order_id)
        pixels = self.original.width * self.original.height if self.original else 0
        return Message(
            photo=self.id,
            owner=self.owner,
            order=order_id,
            jobs=[job.id for job in jobs],
            cost=round(pixels / 1e6 * len(jobs), 2),
            trace=self.orders[order_id].trace,
            generation=self.generation,
            send=self.orders[order_id].sends,
        )

    def deduplication_id(self, order_id: str) -> str:
        return f"{self.id}-{order_id}-{self.orders[order_id].sends}"

    def webhook(self, generation: int | None = None) -> Delivery | None:
        """What became of a generation's webhook so far; None when there is none to deliver."""
        generation = generation or self.generation
        if self.callback is None or self.gone or generation <= self.generation - MAX_DELIVERIES:
            return None
        return self.callback.deliveries.get(generation, Delivery())

    def webhook_message(self, generation: int, not_before: datetime | None = None) -> WebhookMessage:
        """A new message that asks for telling the callback that a generation has ended: now, or at that time."""
        return WebhookMessage(
            kind="webhook",
            photo=self.id,
            owner=self.owner,
            generation=generation,
            not_before=not_before or now(),
            id=new_id(),
        )

    def event_id(self, kind: str, job: JobRecord | None = None, generation: int | None = None) -> str:
        """The same for every repetition of an event: one per photo and generation, or per job and order."""
        what = f"{job.id}/{job.order}" if job else str(generation or self.generation)
        if job and job.redrives:  # it ends once more, in the same order
            what += f"/{job.redrives}"
        return str(uuid5(UUID(self.id), f"{kind}/{what}"))

    # --- changes that callers ask for ---------------------------------------------------------------------------

    def add_order(
        self, jobs: Iterable[Job], resend_after: float, trace: str = "", order_id: str | None = None
    ) -> Order:
        """Ask for jobs: the first ones of an upload, or more later. An `order_id` that is there is gone on with."""
        if order_id in self.orders:
            return self.go_on(order_id, resend_after)
        self._have_original()
        order = self._begin_order(resend_after, trace, order_id)
        for spec in jobs:
            job = JobRecord(id=new_id(), order=order.id, spec=spec, queued_at=now())
            self.jobs[job.id] = job
        if len(self.jobs) > MAX_JOBS:
            detail = f"a photo has at most {MAX_JOBS} jobs; this would make {len(self.jobs)}"
            raise InvalidRequest(f"jobs: {detail}", [Fault("jobs", detail, "too_many_jobs")])
        return order

    def retry(self, job_id: str, resend_after: float, trace: str = "", order_id: str | None = None) -> Order:
        """Run a job that failed or was cancelled again, in an order of its own with fresh attempts.

        An `order_id` that is there is gone on with.
        """
        if order_id in self.orders:
            return self.go_on(order_id, resend_after)
        job = self.job(job_id)
        if job.status not in ("failed", "cancelled"):
            raise Conflict(f"job {job_id} is {job.status}; only a failed or cancelled job can be retried")
        self._have_original()
        order = self._begin_order(resend_after, trace, order_id)
        self.jobs[job_id] = JobRecord(id=job.id, order=order.id, spec=job.spec, queued_at=now())
        if not self.dead_jobs(job.order):  # nothing is left that a redrive could do
            self.orders[job.order].dead = None
        self._drop_empty_orders()
        return order

    def redrive(self, order_id: str, resend_after: float, trace: str = "") -> Order:
        """Queue the jobs that a burial ended again, in the same order with fresh attempts.

        The claim number rises, so that whoever held the order before is fenced out.
        """
        self._be_there()
        order = self._order(order_id)
        dead = order.dead
        if dead is None:
            raise Conflict(f"order {order_id} of photo {self.id} is no dead letter, or no longer")
        gone = Redrive(at=now(), code=dead.code, detail=dead.detail, attempts=order.attempts, sends=order.sends)
        order.redrives = [*order.redrives, gone][-MAX_REDRIVES:]
        order.trace = trace or order.trace
        self._requeue(order, self.dead_jobs(order_id), resend_after)
        return order

    def discard(self, order_id: str) -> None:
        """Leave a dead letter for good: its jobs stay failed."""
        order = self._order(order_id)
        if order.dead is None:
            raise NotFound(f"order {order_id} of photo {self.id} is no dead letter, or no longer")
        order.dead = None

    def go_on(self, order_id: str, resend_after: float, lost: bool = False) -> Order:
        """What a repeated request does with the order that it made before.

        Jobs that failed because the order was never sent, or because the original was `lost`, begin anew. Otherwise
        whoever made the order may still be at it: from now on nobody may fail it for not getting on (`fail_order`).
        """
        order = self._order(order_id)
        if self.gone:
            return order
        failed = [job for job in self.jobs_of(order_id) if job.status == "failed"]
        never_sent = bool(failed) and not (order.claims or order.dead or self.upload)
        if failed and (lost or never_sent):
            self._requeue(order, failed, resend_after)
        if not (never_sent or order.claims) and self.jobs_of(order_id, unfinished=True):
            order.shared = True
        return order

    def cancel(self) -> None:
        """End every job that has not finished."""
        unfinished = [job for job in self.jobs.values() if job.unfinished]
        if not unfinished:
            raise Conflict(f"photo {self.id} is {self.status}: there is nothing left to cancel")
        if self.awaited_upload:  # it has no message that would lead to telling of it
            self.awaited_upload.due_at = now() + UNFINISHED_REQUEST
        for job in unfinished:
            job.end("cancelled", now())

    def told(self) -> None:
        """Whoever waits knows that the photo was cancelled: the sweep need not tell of it."""
        if self.upload and not self.unfinished:
            self.upload.due_at = None

    def delete(self) -> None:
        """Turn into a tombstone; what is stored is removed afterwards and then `purged` is set."""
        if not self.deleted_at:
            self.deleted_at = now()
            self.expires_at = self.deleted_at + timedelta(days=TOMBSTONE_DAYS)

    # --- changes that the arrival of a file makes ---------------------------------------------------------------

    def take_original(self, original: Original, resend_after: float) -> bool:
        """The file has arrived: its jobs can be done. False if it came in vain: the photo has another one, or none of
        its jobs is left. Raises PhotoGone."""
        self._be_there()
        if not self.awaited_upload:
            return self.original is not None and self.original.key == original.key
        self.original, self.upload = original, None
        for order in self.orders.values():
            order.due_at = now() + timedelta(seconds=resend_after)
        return True

    def count_attempt(self) -> int:
        """Taking the file in failed once more. Returns how often that was so; 0 if none is waited for. Raises
        PhotoGone."""
        self._be_there()
        if not self.awaited_upload:
            return 0
        self.awaited_upload.attempts += 1
        return self.awaited_upload.attempts

    def refuse_original(self, error: DarkroomError) -> bool:
        """Nothing can be made of the file: all jobs fail for that. False if none is waited for. Raises PhotoGone.

        When a process was lost, or it was given up, the file may be a good one: it is kept.
        """
        self._be_there()
        upload = self.awaited_upload
        if upload is None:
            return False
        upload.kept, upload.due_at = isinstance(error, ProcessError) or error.retryable, None
        at = now()
        for job in self.jobs.values():
            if job.unfinished:
                job.fail(error, at)
        return True

    # --- changes that workers make ------------------------------------------------------------------------------

    def claim(
        self, order_id: str, max_attempts: int, time_limit: float, resend_after: float, message: str = ""
    ) -> Claim:
        """Take the right to an order; whoever held it before is fenced out from now on.

        The sweep takes the worker for dead when the order is not done long after its longest possible
        time: all jobs together, then each alone after a crash.
        Raises PhotoGone when the photo was deleted or has expired, OrderInWork when another message than this one is
        in work: two of them would fence each other out, time and again.
        """
        self._be_there()
        jobs = self.jobs_of(order_id, unfinished=True)
        if not jobs:  # all have ended, or moved to another order when they were retried
            return Claim(order=order_id)
        order = self.orders[order_id]
        in_work = any(job.status == "processing" for job in jobs) and order.due_at > now()
        if in_work and order.holder and message not in ("", order.holder):
            raise OrderInWork(f"order {order_id} is in work with another message")
        self._fence(order)
        order.holder = message
        order.claims += 1
        exhausted = order.attempts > max_attempts
        if exhausted:
            order.given_back += 1
        order.due_at = now() + timedelta(seconds=time_limit * (1 + len(jobs)) + resend_after)
        for job in jobs:
            if job.status == "processing":  # whoever had it can no longer say what became of that attempt
                job.add_error(ClaimLost("the worker that had it died, or lost its lease"), now())
            job.status, job.attempts = "processing", order.attempts
        return Claim(
            order=order_id,
            jobs={job.id: job.spec for job in jobs},
            number=order.claim,
            attempt=order.attempts,
            tries=order.claims,
            exhausted=exhausted,
        )

    def publish(self, claim: Claim, outcomes: Mapping[str, Result | DarkroomError]) -> set[str]:
        """Write down how jobs ended. Returns the jobs that it counts for: not those cancelled meanwhile.

        Jobs in which the process was lost are dead letters: nobody knows yet whether the photo is at fault.
        """
        order = self._hold(claim)
        at = now()
        counted = set()
        for job_id, outcome in outcomes.items():
            job = self.jobs[job_id]
            if job.result and isinstance(outcome, Result) and job.result.key == outcome.key:
                counted.add(job_id)  # written down already, by a request whose answer was lost
            if job.order != claim.order or not job.unfinished:
                continue
            counted.add(job_id)
            if isinstance(outcome, ProcessError):
                self._bury(order, [job], outcome)
            elif isinstance(outcome, DarkroomError):
                job.fail(outcome, at)
            else:
                job.result = outcome
                job.end("succeeded", at)
        return counted

    def postpone(self, claim: Claim, error: DarkroomError, counts: bool, delay: float, resend_after: float) -> None:
        """Put unfinished jobs back into the queue. An attempt that failed through no fault of theirs does not count."""
        order = self._hold(claim)
        jobs = self.jobs_of(claim.order, unfinished=True)
        if not jobs:  # only an event is still to be sent
            return
        at = now()
        order.given_back += not counts
        order.due_at = at + timedelta(seconds=delay + resend_after)
        for job in jobs:
            job.add_error(error, at)
            job.status, job.attempts = "queued", order.attempts

    def bury(self, claim: Claim, error: DarkroomError) -> None:
        """End an order that cannot be carried out: its unfinished jobs fail, and it is a dead letter."""
        self._bury(self._hold(claim), self.jobs_of(claim.order, unfinished=True), error)

    def begin_delivery(self, generation: int, attempt: int, holder: str, until: datetime) -> None:
        """Take the right to an attempt, counted from 1, to tell the callback; it counts once it is noted.

        `until`: when whoever has it is taken for dead. Raises Conflict when it is not the next one, or not due.
        """
        delivery = self.webhook(generation)
        if self.callback is None or delivery is None or delivery.ended or delivery.attempts != attempt - 1:
            raise Conflict(f"attempt {attempt} is not the next one")
        if delivery.next_at and delivery.next_at > now():
            raise Conflict(f"attempt {attempt} is under way, or not due yet")
        self.callback.deliveries[generation] = delivery.model_copy(update={"holder": holder, "next_at": until})
        for old in [number for number in self.callback.deliveries if number <= self.generation - MAX_DELIVERIES]:
            del self.callback.deliveries[old]

    def note_delivery(
        self, generation: int, attempt: int, error: str | None = None, next_at: datetime | None = None
    ) -> None:
        """Write down what came of an attempt to tell the callback. An error without a next time is the end of it.

        Raises Conflict when the attempt failed and somebody else has noted it: only one of them leads to the next.
        """
        delivery = self.webhook(generation)
        if self.callback is None or delivery is None or delivery.ended:  # a later attempt may have been faster
            return
        if error and delivery.attempts >= attempt:
            raise Conflict(f"attempt {attempt} is noted already")
        at = now()
        self.callback.deliveries[generation] = Delivery(
            attempts=max(attempt, delivery.attempts),
            next_at=next_at,
            holder=delivery.holder,
            delivered_at=None if error else at,
            given_up_at=at if error and not next_at else None,
            last_error=shortened(error) if error else delivery.last_error,
        )

    # --- changes that the sweep and a failed upload make --------------------------------------------------------

    def overdue_orders(self) -> list[str]:
        at = now()
        return [
            order.id for order in self.orders.values() if order.due_at <= at and self.jobs_of(order.id, unfinished=True)
        ]

    def resend(self, order_id: str, resend_after: float) -> Order:
        """Count a further send; the next one waits longer. The message goes out after this is written."""
        order = self._order(order_id)
        if order_id not in self.overdue_orders():
            raise Conflict(f"order {order_id} is not overdue")
        wait = resend_after * RESEND_FACTOR**order.sends_since_redrive
        order.sends += 1
        order.holder = ""  # taken for dead
        order.due_at = now() + timedelta(seconds=wait)
        return order

    def not_resent(self, order_id: str, resend_after: float) -> None:
        """Take a send back that could not be made: it is tried again soon."""
        order = self._order(order_id)
        order.sends -= 1
        order.due_at = min(order.due_at, now() + timedelta(seconds=resend_after))

    def bury_given_up(self, order_id: str, send: int, error: DarkroomError) -> None:
        """End an order whose message SQS gave up, and fence out who had it.

        Raises Conflict when it has ended, was sent once more since, or may be in work all the same.
        """
        self._be_there()
        order = self._order(order_id)
        jobs = self.jobs_of(order_id, unfinished=True)
        if not jobs or send < order.sends:
            raise Conflict(f"order {order_id} has ended or was sent again")
        if any(job.status == "processing" for job in jobs) and order.due_at > now():
            raise Conflict(f"order {order_id} is in work")
        self._fence(order)
        self._bury(order, jobs, error)

    def overdue_upload(self) -> bool:
        return bool(self.awaited_upload and not self.gone and self.awaited_upload.next_look <= now())

    def await_upload(self) -> None:
        """The file is there and somebody was told once more: each look is five times as late as the one before."""
        upload = self._overdue_upload()
        at = now()
        upload.due_at = at + (RESEND_FACTOR - 1) * (at - upload.until)

    def expire_upload(self) -> None:
        """The form was never used: there will be no photo."""
        self._overdue_upload()
        self.expires_at = now()

    def fail_order(self, order_id: str, error: DarkroomError) -> bool:
        """End an order that was for sure never sent. False if a worker has it all the same, or another request."""
        order = self._order(order_id)
        if order.claims or order.shared:
            return False
        at = now()
        for job in self.jobs_of(order_id, unfinished=True):
            job.fail(error, at)
        return True

    # --- inside -------------------------------------------------------------------------------------------------

    def _order(self, order_id: str) -> Order:
        try:
            return self.orders[order_id]
        except KeyError:
            raise NotFound(f"photo {self.id} has no order {order_id}") from None

    def _overdue_upload(self) -> DirectUpload:
        if not (self.awaited_upload and self.overdue_upload()):
            raise Conflict(f"photo {self.id} waits for no upload, or not too long yet")
        return self.awaited_upload

    def _have_original(self) -> None:
        """More can only be asked for when there is something to make it from."""
        if self.upload and self.orders:
            reason = "has not arrived yet" if self.unfinished else "is not there; upload it anew"
            raise Conflict(f"photo {self.id} is {self.status}: its file {reason}")

    def _be_there(self) -> None:
        if self.gone:
            raise PhotoGone(f"photo {self.id} is {self.status}")

    def _hold(self, claim: Claim) -> Order:
        self._be_there()
        order = self.orders.get(claim.order)
        if order is None or order.claim != claim.number:
            raise ClaimLost(f"order {claim.order} was claimed or its jobs retried since we took claim {claim.number}")
        return order

    def _fence(self, order: Order) -> None:
        """Raise an order's claim number: who has an earlier one can change nothing any more."""
        self.claims += 1
        order.claim = self.claims

    def _bury(self, order: Order, jobs: list[JobRecord], error: DarkroomError) -> None:
        at = now()
        earlier = [job.id for job in self.dead_jobs(order.id)]
        order.dead = DeadLetter(
            code=error.code, detail=shortened(error.detail), at=at, jobs=earlier + [job.id for job in jobs]
        )
        for job in jobs:
            job.fail(error, at)

    def _requeue(self, order: Order, jobs: list[JobRecord], resend_after: float) -> None:
        """Begin anew with jobs that failed: in the same order, with fresh attempts and a further send."""
        at = now()
        self._begin_generation()
        for job in jobs:
            job.status, job.attempts, job.queued_at, job.ended_at = "queued", 0, at, None
            job.redrives += 1
        self._fence(order)
        order.claims = order.given_back = 0
        order.sends += 1
        order.dead, order.due_at = None, at + timedelta(seconds=resend_after)

    def _begin_generation(self) -> None:
        """What is asked of a photo that had ended begins a generation, with events of its own."""
        if self.jobs and not self.unfinished:
            self.generation += 1

    def _begin_order(self, resend_after: float, trace: str, order_id: str | None = None) -> Order:
        """An order without jobs as yet."""
        self._begin_generation()
        order = Order(id=order_id or new_id(), due_at=now() + timedelta(seconds=resend_after), trace=trace)
        self.orders[order.id] = order
        return order

    def _drop_empty_orders(self) -> None:
        used = {job.order for job in self.jobs.values()}
        self.orders = {order_id: order for order_id, order in self.orders.items() if order_id in used}
