"""An order: jobs of a photo that travel in one message, and the claim that a worker has on them.

`fence` is the fencing token: each claim raises it, and a worker with an older one can no longer change anything.
The photo counts fences for all of its orders, so that two orders which had the same job never write under one key.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from pydantic import BaseModel, ConfigDict, Field

from darkroom.errors import ClaimLost, Conflict, DarkroomError, NotFound, OrderInProgress, ProcessError
from darkroom.jobs.job_types import Job
from darkroom.record.clock import now
from darkroom.record.job import JobRecord
from darkroom.record.step_progress import StepProgress
from darkroom.record.stored import Result, Stored, shortened

KEPT_REDRIVES = 2
"""How many of an order's redrives the record keeps."""

RESEND_FACTOR = 5
"""Each wait of the sweep is this many times as long as the one before, so a long backlog causes few duplicate
messages."""


class DeadLetter(Stored):
    """Why an order was buried, and the ids of the jobs that failed because of it."""

    code: str
    detail: str
    at: datetime
    jobs: list[str] = Field(default_factory=list)


class Redrive(Stored):
    """A redrive of a dead letter. `code`, `detail`: why the order had been buried. `attempts`, `send_count`: how many
    attempts and sends it had had by then."""

    at: datetime
    code: str
    detail: str
    attempts: int
    send_count: int


class Claim(BaseModel):
    """A worker's right to an order. Without jobs there is nothing left to do.

    `fence`: the fencing token. `claim_count`: the number of this claim, from 1. `attempt`: the same without the claims
    in `Order.uncounted_claims`.
    `exhausted`: no attempt was left, so the worker has to bury the order. `until`: when the worker's time is over.
    """

    model_config = ConfigDict(frozen=True)

    order: str
    jobs: dict[str, Job] = Field(default_factory=dict)
    fence: int = 0
    attempt: int = 0
    claim_count: int = 0
    exhausted: bool = False
    until: datetime | None = None

    def require_time(self) -> None:
        """Raises ClaimLost when the time of the claim is over: the worker must not store anything any more.

        This is checked on the wall clock, so it holds also for a worker that was suspended together with its machine.
        """
        if self.until is None or self.until <= now():
            raise ClaimLost(f"the time for order {self.order} is over: another worker may have claimed it")


class Order(Stored):
    """Jobs that travel in one message.

    `fence`: the newest fence, of the last claim, redrive or burial by the sweep. `message_id`: the SQS message of the
    last claim. `uncounted_claims`: claims that are not attempts, because the jobs were not at fault or no attempt was
    left. `due_at`: when the sweep checks this order. `held_until`: when the time of the last claim is over; None if its
    worker has published all jobs or buried the order. After a retryable error a PUT may still be under way. `resumed`:
    a repeated request has continued with the order, so the request that made it must no longer mark it failed.
    `storing_until`: until then an API process may still be storing the original; None when the original is known to be
    stored. `progress`: how far the worker was when it wrote the record last; only of an order that takes long.
    """

    id: str
    jobs: dict[str, JobRecord] = Field(default_factory=dict)
    fence: int = 0
    message_id: str = ""
    claim_count: int = 0
    uncounted_claims: int = 0
    send_count: int = 1
    due_at: datetime
    held_until: datetime | None = None
    resumed: bool = False
    storing_until: datetime | None = None
    trace: str = ""
    dead_letter: DeadLetter | None = None
    redrives: list[Redrive] = Field(default_factory=list)
    progress: StepProgress | None = None

    @property
    def attempts(self) -> int:
        return self.claim_count - self.uncounted_claims

    @property
    def unfinished_jobs(self) -> list[JobRecord]:
        return [job for job in self.jobs.values() if job.unfinished]

    @property
    def dead_letter_jobs(self) -> list[JobRecord]:
        """The jobs that the order's burial ended. A job that was retried since then belongs to another order."""
        buried = self.dead_letter.jobs if self.dead_letter else []
        return [job for job in self.jobs.values() if job.id in buried]

    @property
    def overdue(self) -> bool:
        return self.due_at <= now() and bool(self.unfinished_jobs)

    @property
    def original_unconfirmed(self) -> bool:
        """Whether the API may have ended before it stored the original."""
        return self.storing_until is not None and not self.claim_count

    @property
    def in_progress(self) -> bool:
        """Whether a worker has the order, and its time is not over."""
        return self.due_at > now() and any(job.status == "processing" for job in self.jobs.values())

    def add(self, specs: Iterable[tuple[str, Job]]) -> None:
        """Queue new jobs, given by id and spec."""
        at = now()
        self.jobs |= {job_id: JobRecord(id=job_id, spec=spec, queued_at=at) for job_id, spec in specs}

    # --- what workers do ----------------------------------------------------------------------------------------

    def require_claimable(self, message_id: str) -> None:
        """Raises OrderInProgress when the order is in progress with another message.

        Two messages of one order would fence each other out again and again.
        """
        if self.in_progress and self.message_id and message_id not in ("", self.message_id):
            raise OrderInProgress(f"order {self.id} is in progress with another message")

    def claim(self, fence: int, max_attempts: int, time_limit: float, resend_after: float, message_id: str) -> Claim:
        """Give the unfinished jobs to the worker that received `message_id`.

        Times in seconds. The sweep waits for the time limit of all jobs together, then for that of each job alone (as
        after a crash), and then for `resend_after`.
        """
        jobs = self.unfinished_jobs
        self.fence, self.message_id, self.progress = fence, message_id, None
        self.claim_count += 1
        exhausted = self.attempts > max_attempts
        if exhausted:  # this claim is only there to bury the order
            self.uncounted_claims += 1
        self._hold(time_limit, resend_after)
        for job in jobs:
            job.start(self.attempts)
        return Claim(
            order=self.id,
            jobs={job.id: job.spec for job in jobs},
            fence=fence,
            attempt=self.attempts,
            claim_count=self.claim_count,
            exhausted=exhausted,
            until=self.held_until,
        )

    def renew(self, claim: Claim, time_limit: float, resend_after: float) -> Claim:
        """Let the time of a claim begin now, because its worker begins with the jobs only now. Times in seconds."""
        self._hold(time_limit, resend_after)
        return claim.model_copy(update={"until": self.held_until})

    def _hold(self, time_limit: float, resend_after: float) -> None:
        seconds = time_limit * (1 + len(self.unfinished_jobs)) + resend_after
        self.due_at = self.held_until = now() + timedelta(seconds=seconds)

    def release(self) -> datetime | None:
        """The last claim is over. Returns when its time ends; None if its worker has ended its work."""
        until, self.held_until = self.held_until, None
        return until

    def require_fence(self, fence: int) -> None:
        """Raises ClaimLost when another claim, a redrive or a burial has raised the fence since."""
        if self.fence != fence:
            raise ClaimLost(f"order {self.id} was claimed again: its fence is {self.fence}, ours was {fence}")

    def publish(self, outcomes: Mapping[str, Result | DarkroomError]) -> set[str]:
        """End jobs with their results or errors. Returns the ids of those that were not cancelled or retried before.

        A job that lost its child process makes its order a dead letter, with this job in it: it is not known
        yet whether the photo is at fault.
        """
        self.storing_until = None
        published = set()
        for job_id, outcome in outcomes.items():
            job = self.jobs.get(job_id)
            if job is None:
                continue
            if job.unfinished:
                self._end(job, outcome)
                published.add(job_id)
            elif job.result and isinstance(outcome, Result) and job.result == outcome:
                published.add(job_id)  # an earlier update wrote this, and its answer was lost
        return published

    def _end(self, job: JobRecord, outcome: Result | DarkroomError) -> None:
        if isinstance(outcome, ProcessError):
            self._bury([job], outcome)
        elif isinstance(outcome, DarkroomError):
            job.fail(outcome)
        else:
            job.succeed(outcome)

    def postpone(self, error: DarkroomError, counts: bool, delay: float, resend_after: float) -> None:
        """Set the unfinished jobs to queued; the message becomes visible in `delay` seconds.

        `counts`: whether the failed attempt counts. It does not count if the jobs are not at fault.
        """
        jobs = self.unfinished_jobs
        if not jobs:  # only the event is left to send
            return
        if not counts:
            self.uncounted_claims += 1
        self.due_at = now() + timedelta(seconds=delay + resend_after)
        for job in jobs:
            job.requeue(error, self.attempts)

    def bury(self, error: DarkroomError) -> None:
        """Make a dead letter of an order that cannot be carried out: its unfinished jobs fail."""
        self.release()
        self._bury(self.unfinished_jobs, error)

    def _bury(self, jobs: list[JobRecord], error: DarkroomError) -> None:
        buried = [job.id for job in [*self.dead_letter_jobs, *jobs]]
        self.dead_letter = DeadLetter(code=error.code, detail=shortened(error.detail), at=now(), jobs=buried)
        for job in jobs:
            job.fail(error)

    # --- what the sweep does ------------------------------------------------------------------------------------

    def confirm_original(self, resend_after: float) -> None:
        """The original is stored: the sweep has to send this order only if its message was lost."""
        self.storing_until = None
        self.due_at = max(job.queued_at for job in self.jobs.values()) + timedelta(seconds=resend_after)

    def resend(self, resend_after: float) -> None:
        """Count a further send, and wait longer for the next one. The caller sends the message after that is written.

        Raises Conflict when the order is not overdue.
        """
        if not self.overdue:
            raise Conflict(f"order {self.id} is not overdue")
        sends_before = self.send_count - (self.redrives[-1].send_count if self.redrives else 0)
        self.send_count += 1
        self.message_id = ""  # the worker that had it counts as dead, so another message may claim the order
        self.due_at = now() + timedelta(seconds=resend_after * RESEND_FACTOR**sends_before)

    def undo_resend(self, retry_after: float) -> None:
        """The queue did not take the message: try again in so many seconds."""
        self.send_count -= 1
        self.due_at = min(self.due_at, now() + timedelta(seconds=retry_after))

    def require_abandoned(self, send: int) -> None:
        """Raises Conflict unless the order is abandoned.

        SQS moved the message of this `send` to the dead-letter queue. The order is abandoned if that was its last
        message: it is unfinished, was not sent again since then, and is not in progress.
        """
        if not self.unfinished_jobs or send < self.send_count:
            raise Conflict(f"order {self.id} has ended or was sent again")
        if self.in_progress:
            raise Conflict(f"order {self.id} is in progress")

    # --- what callers ask for -----------------------------------------------------------------------------------

    def await_original(self, seconds: float) -> None:
        """An API process is about to store the original. If it has not done so after `seconds`, the upload failed."""
        self.storing_until = self.due_at = now() + timedelta(seconds=seconds)

    def revoke_claim(self, fence: int) -> None:
        """Fence out a worker that has the order: it may have found no original."""
        self.fence, self.message_id = fence, ""
        for job in self.unfinished_jobs:
            job.status = "queued"

    def fail_unsent(self, error: DarkroomError) -> bool:
        """End an order that certainly was never sent. False when a worker or a repeated request already has it."""
        if self.claim_count or self.resumed:
            return False
        for job in self.unfinished_jobs:
            job.fail(error)
        return True

    def begin_redrive(self, trace: str) -> None:
        """Remember why the order was a dead letter. Raises Conflict when it is not a dead letter."""
        dead = self.dead_letter
        if dead is None:
            raise Conflict(self._not_a_dead_letter)
        redrive = Redrive(
            at=now(), code=dead.code, detail=dead.detail, attempts=self.attempts, send_count=self.send_count
        )
        self.redrives = [*self.redrives, redrive][-KEPT_REDRIVES:]
        self.trace = trace or self.trace

    def restart(self, jobs: list[JobRecord], fence: int, resend_after: float) -> None:
        """Queue failed jobs again, with fresh attempts and a further send. Earlier claims are fenced out."""
        for job in jobs:
            job.redrive()
        self.fence = fence
        self.claim_count = self.uncounted_claims = 0
        self.send_count += 1
        self.dead_letter, self.storing_until = None, None
        self.due_at = now() + timedelta(seconds=resend_after)

    def purge(self) -> None:
        """Give up a dead letter for good: its jobs stay failed.

        Raises NotFound when the order is not a dead letter. It is no Conflict as in `begin_redrive`, because a purge
        removes the dead letter itself (DELETE /v1/dead-letters/...), and a redrive acts on the order.
        """
        if self.dead_letter is None:
            raise NotFound(self._not_a_dead_letter)
        self.dead_letter = None

    @property
    def _not_a_dead_letter(self) -> str:
        return f"order {self.id} is not a dead letter, or was redriven or purged already"
