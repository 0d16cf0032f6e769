"""Every change that a photo's jobs can go through, and who is fenced out of it."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from darkroom.errors import (
    AttemptsExhausted,
    ClaimLost,
    Conflict,
    InvalidRequest,
    MessageGivenUp,
    NotFound,
    OrderInWork,
    PhotoGone,
    Unavailable,
    UnreadablePhoto,
)
from darkroom.jobs.job_types import MAX_JOBS, MAX_STEPS, jobs_adapter
from darkroom.record.clock import now
from darkroom.record.ids import new_id
from darkroom.record.job import JobRecord
from darkroom.record.messages import OrderMessage
from darkroom.record.order import Claim, Order
from darkroom.record.photo import PhotoRecord
from darkroom.record.stored import Original, Result

RESEND = 300.0
LIMIT = 90.0
MAX_ATTEMPTS = 5


def photo(*jobs: dict[str, Any]) -> PhotoRecord:
    record = PhotoRecord(
        id=new_id(),
        owner="ann",
        created_at=now(),
        original=Original(
            key="originals/x",
            filename="x.jpg",
            content_type="image/jpeg",
            size=1,
            sha256="0" * 64,
            width=4000,
            height=3000,
        ),
    )
    record.add_order(jobs_adapter.validate_python(list(jobs) or [{"type": "metadata"}] * 2), RESEND)
    return record


def result(key: str = "results/x") -> Result:
    return Result(key=key, filename="x.json", content_type="application/json", size=2, sha256="0" * 64)


def only_order(record: PhotoRecord) -> Order:
    (order,) = record.orders.values()
    return order


def claim(record: PhotoRecord, order: str = "") -> Claim:
    return record.claim(order or only_order(record).id, MAX_ATTEMPTS, LIMIT, RESEND)


def job_list(record: PhotoRecord) -> list[JobRecord]:
    return list(record.jobs.values())


def make_overdue(record: PhotoRecord) -> None:
    for order in record.orders.values():
        order.due_at = now() - timedelta(seconds=1)


class TestALife:
    def test_begins_queued_with_a_time_for_the_sweep(self) -> None:
        record = photo()
        assert record.status == "processing"
        assert record.counts == {"queued": 2}
        assert record.due_at is not None
        assert timedelta(0) < record.due_at - now() <= timedelta(seconds=RESEND)

    def test_a_claim_takes_all_unfinished_jobs(self) -> None:
        record = photo()
        held = claim(record)
        assert (held.fence, held.attempt, list(held.jobs)) == (1, 1, list(record.jobs))
        assert record.counts == {"processing": 2}

    def test_ends_succeeded_and_is_due_no_more(self) -> None:
        record = photo()
        held = claim(record)
        assert record.publish(held, {job: result() for job in record.jobs}) == set(record.jobs)
        assert record.status == "succeeded"
        assert record.due_at is None

    def test_one_failed_job_makes_a_failed_photo_and_the_others_keep_their_results(self) -> None:
        record = photo()
        good, bad = job_list(record)
        record.publish(claim(record), {good.id: result(), bad.id: UnreadablePhoto("cut short")})
        assert record.status == "failed"
        assert good.result is not None
        assert [(error.code, error.detail) for error in bad.errors] == [("unreadable_photo", "cut short")]

    def test_can_be_published_in_parts(self) -> None:
        record = photo()
        first, second = record.jobs
        held = claim(record)
        record.publish(held, {first: result()})
        assert record.status == "processing"
        record.publish(held, {second: result()})
        assert record.status == "succeeded"


class TestFences:
    def test_the_last_receiver_wins(self) -> None:
        record = photo()
        slow, fast = claim(record), claim(record)
        job = next(iter(record.jobs))
        for late in (
            lambda: record.publish(slow, {job: result()}),
            lambda: record.postpone(slow, Unavailable("x"), True, 1, RESEND),
            lambda: record.bury(slow, AttemptsExhausted()),
        ):
            with pytest.raises(ClaimLost):
                late()
        assert record.publish(fast, {job: result()}) == {job}

    def test_a_second_message_of_an_order_in_work_takes_nothing_away(self) -> None:
        record = photo()
        first = record.claim(only_order(record).id, MAX_ATTEMPTS, LIMIT, RESEND, "message-1")
        for _ in range(MAX_ATTEMPTS):
            with pytest.raises(OrderInWork):
                record.claim(first.order, MAX_ATTEMPTS, LIMIT, RESEND, "message-2")
        record.publish(first, {job: result() for job in first.jobs})
        assert record.status == "succeeded"

    def test_the_same_message_comes_back_when_its_worker_died(self) -> None:
        record = photo()
        for number in (1, 2):
            claim = record.claim(only_order(record).id, MAX_ATTEMPTS, LIMIT, RESEND, "message-1")
            assert claim.fence == number

    def test_another_message_takes_over_when_the_order_was_given_back_or_is_overdue(self) -> None:
        record = photo()
        order = only_order(record)
        first = record.claim(order.id, MAX_ATTEMPTS, LIMIT, RESEND, "message-1")
        record.postpone(first, Unavailable("S3"), counts=False, delay=1, resend_after=RESEND)
        record.claim(order.id, MAX_ATTEMPTS, LIMIT, RESEND, "message-2")
        make_overdue(record)
        record.order(order.id).resend(RESEND)  # which makes it due later again
        assert record.claim(order.id, MAX_ATTEMPTS, LIMIT, RESEND, "message-3").fence == 3

    def test_a_receive_after_the_end_claims_nothing_and_fences_nobody(self) -> None:
        record = photo()
        held = claim(record)
        record.publish(held, {job: result() for job in record.jobs})
        assert claim(record).jobs == {}
        assert only_order(record).claim_count == 1

    def test_a_deleted_photo_refuses_workers(self) -> None:
        record = photo()
        held = claim(record)
        record.delete()
        for refused in (lambda: claim(record), lambda: record.publish(held, {})):
            with pytest.raises(PhotoGone, match="deleted"):
                refused()

    def test_an_expired_photo_refuses_workers(self) -> None:
        record = photo()
        record.expires_at = now() - timedelta(seconds=1)
        with pytest.raises(PhotoGone, match="expired"):
            claim(record)

    def test_a_cancelled_job_stays_cancelled(self) -> None:
        record = photo()
        held = claim(record)
        record.cancel()
        assert record.publish(held, {job: result() for job in record.jobs}) == set()
        assert record.status == "cancelled"
        assert all(job.result is None for job in job_list(record))

    def test_what_was_written_already_counts_when_its_answer_was_lost(self) -> None:
        record = photo()
        held = claim(record)
        outcomes = {job: result(f"results/{job}") for job in record.jobs}
        assert record.publish(held, outcomes) == record.publish(held, outcomes) == set(record.jobs)


class TestAttempts:
    def test_are_claims_less_those_given_back(self) -> None:
        record = photo()
        record.postpone(claim(record), Unavailable("throttled"), False, 1, RESEND)
        assert only_order(record).attempts == 0
        record.postpone(claim(record), Unavailable("bug"), True, 1, RESEND)
        held = claim(record)
        assert (held.fence, held.attempt) == (3, 2)

    def test_each_leaves_its_last_error(self) -> None:
        record = photo()
        for detail in ("one", "two"):
            record.postpone(claim(record), Unavailable(detail), False, 1, RESEND)
        record.postpone(claim(record), Unavailable("three"), True, 1, RESEND)
        record.postpone(claim(record), Unavailable("four"), True, 1, RESEND)
        assert [(error.attempt, error.detail) for error in job_list(record)[0].errors] == [(1, "three"), (2, "four")]

    def test_a_job_in_backoff_is_queued_with_its_error_and_not_yet_due(self) -> None:
        record = photo()
        record.postpone(claim(record), Unavailable("slow down"), True, 60, RESEND)
        assert record.counts == {"queued": 2}
        assert record.due_at is not None
        assert record.due_at > now() + timedelta(seconds=RESEND)

    def test_are_not_given_back_for_an_event_that_could_not_be_sent(self) -> None:
        record = photo()
        held = claim(record)
        record.publish(held, {job: result() for job in record.jobs})
        record.postpone(held, Unavailable("the events queue"), False, 1, RESEND)
        assert only_order(record).attempts == 1

    def test_a_buried_order_is_a_dead_letter_with_its_reason(self) -> None:
        record = photo()
        record.bury(claim(record), AttemptsExhausted("tried 5 times"))
        dead = only_order(record).dead_letter
        assert dead is not None
        assert dead.detail == "tried 5 times"
        assert record.dead_letter_at == dead.at
        assert record.status == "failed"

    def test_when_none_is_left_the_claim_says_so_and_counts_no_further_one(self) -> None:
        record = photo()
        for _ in range(MAX_ATTEMPTS):
            assert not claim(record).exhausted
        held = claim(record)
        assert held.exhausted
        assert (held.attempt, held.claim_count) == (MAX_ATTEMPTS, MAX_ATTEMPTS + 1)
        assert {job.attempts for job in job_list(record)} == {MAX_ATTEMPTS}

    def test_only_the_last_errors_are_kept(self) -> None:
        record = photo()
        for number in range(20):
            record.postpone(
                record.claim(only_order(record).id, 100, LIMIT, RESEND), Unavailable(str(number)), True, 1, RESEND
            )
        assert [error.detail for error in job_list(record)[0].errors] == ["15", "16", "17", "18", "19"]

    def test_one_that_ended_without_a_word_leaves_an_error_too(self) -> None:
        record = photo()
        claim(record)
        held = claim(record)
        record.postpone(held, Unavailable("two"), True, 1, RESEND)
        assert [(error.attempt, error.code) for error in job_list(record)[0].errors] == [
            (1, "claim_lost"),
            (2, "unavailable"),
        ]


class TestDeadLetters:
    def buried(self) -> tuple[PhotoRecord, Order, list[JobRecord]]:
        """A good job, one that failed for a reason of its own, and two that the burial ended."""
        record = photo(*[{"type": "metadata"}] * 4)
        good, bad, *dead = job_list(record)
        record.postpone(claim(record), Unavailable("one"), True, 1, RESEND)
        held = claim(record)
        record.publish(held, {good.id: result(), bad.id: UnreadablePhoto("cut short")})
        record.bury(held, AttemptsExhausted("tried 2 times"))
        return record, only_order(record), dead

    def test_a_redrive_queues_what_the_burial_ended_and_nothing_else(self) -> None:
        record, order, dead = self.buried()
        record.redrive(order.id, RESEND)
        assert [job.status for job in job_list(record)] == ["succeeded", "failed", "queued", "queued"]
        assert (order.dead_letter, record.dead_letter_at) == (None, None)
        assert OrderMessage.of(record, order.id).jobs == [job.id for job in dead]

    def test_a_redriven_order_has_fresh_attempts_and_the_record_says_so(self) -> None:
        record, order, dead = self.buried()
        record.redrive(order.id, RESEND)
        (redrive,) = order.redrives
        assert (redrive.code, redrive.detail, redrive.attempts) == ("attempts_exhausted", "tried 2 times", 2)
        assert {job.attempts for job in dead} == {0}
        for number in range(1, MAX_ATTEMPTS + 1):
            held = claim(record)
            assert (held.attempt, held.exhausted) == (number, False)
            record.postpone(held, Unavailable(f"again {number}"), True, 1, RESEND)
        assert [(error.redrive, error.attempt, error.detail) for error in dead[0].errors] == [
            (0, 2, "tried 2 times"),
            *((1, number, f"again {number}") for number in range(1, MAX_ATTEMPTS + 1)),
        ]
        assert claim(record).exhausted

    def test_whoever_held_it_before_a_redrive_is_fenced_out(self) -> None:
        record = photo()
        held = claim(record)
        record.bury(held, AttemptsExhausted())
        record.redrive(only_order(record).id, RESEND)
        with pytest.raises(ClaimLost):
            record.publish(held, {job: result() for job in record.jobs})
        assert claim(record).fence > held.fence

    def test_a_redrive_begins_a_generation_with_events_of_its_own(self) -> None:
        record, order, dead = self.buried()
        before = record.event_id("photo.completed"), record.event_id("job.failed", dead[0])
        record.redrive(order.id, RESEND)
        assert record.generation == 2
        record.bury(claim(record), AttemptsExhausted())
        after = record.event_id("photo.completed"), record.event_id("job.failed", dead[0])
        assert not set(before) & set(after)

    def test_a_redrive_while_other_jobs_run_does_not(self) -> None:
        record, order, _ = self.buried()
        record.add_order(jobs_adapter.validate_python([{"type": "metadata"}]), RESEND)
        generation = record.generation
        record.redrive(order.id, RESEND)
        assert record.generation == generation

    def test_a_redrive_is_sent_by_the_sweep_if_nobody_else_does(self) -> None:
        record, order, _ = self.buried()
        sent = OrderMessage.of(record, order.id).deduplication_id
        record.redrive(order.id, RESEND)
        assert OrderMessage.of(record, order.id).deduplication_id != sent
        assert record.overdue_orders() == []
        make_overdue(record)
        assert record.overdue_orders() == [order.id]
        record.order(order.id).resend(RESEND)  # its waits begin anew as well
        assert round((order.due_at - now()).total_seconds()) == RESEND * 5

    def test_only_a_dead_letter_is_redriven_and_only_once(self) -> None:
        record, order, _ = self.buried()
        record.redrive(order.id, RESEND)
        with pytest.raises(Conflict, match="not a dead letter"):
            record.redrive(order.id, RESEND)
        with pytest.raises(NotFound):
            record.redrive(new_id(), RESEND)

    def test_a_deleted_photo_is_not_redriven(self) -> None:
        record, order, _ = self.buried()
        record.delete()
        with pytest.raises(PhotoGone):
            record.redrive(order.id, RESEND)

    def test_a_discarded_one_is_none_and_its_jobs_stay_failed(self) -> None:
        record, order, dead = self.buried()
        order.purge()
        assert record.dead_letter_at is None
        assert {job.status for job in dead} == {"failed"}
        with pytest.raises(NotFound):
            order.purge()

    def test_a_job_that_was_retried_is_no_part_of_it(self) -> None:
        record, order, dead = self.buried()
        record.retry(dead[0].id, RESEND)
        assert order.dead_letter_jobs == [dead[1]]
        record.retry(dead[1].id, RESEND)
        assert record.dead_letter_at is None

    def test_what_sqs_gave_up_is_one_and_its_last_holder_is_fenced_out(self) -> None:
        record = photo()
        held = claim(record)
        make_overdue(record)
        record.bury_abandoned(only_order(record).id, 1, MessageGivenUp("after 100 receives"))
        assert record.status == "failed"
        assert only_order(record).dead_letter is not None
        with pytest.raises(ClaimLost):
            record.publish(held, {job: result() for job in record.jobs})

    def test_what_is_in_work_or_was_sent_again_is_not_given_up(self) -> None:
        record = photo()
        order = only_order(record).id
        claim(record)
        with pytest.raises(Conflict, match="in work"):
            record.bury_abandoned(order, 1, MessageGivenUp())
        make_overdue(record)
        record.order(order).resend(RESEND)
        make_overdue(record)
        with pytest.raises(Conflict, match="sent again"):
            record.bury_abandoned(order, 1, MessageGivenUp())
        record.bury_abandoned(order, 2, MessageGivenUp())
        with pytest.raises(Conflict, match="ended"):
            record.bury_abandoned(order, 2, MessageGivenUp())


class TestGenerations:
    def test_more_jobs_on_an_ended_photo_make_a_new_one(self) -> None:
        record = photo()
        first = record.event_id("photo.completed")
        record.publish(claim(record), {job: result() for job in record.jobs})
        assert record.event_id("photo.completed") == first
        record.add_order(jobs_adapter.validate_python([{"type": "metadata"}]), RESEND)
        assert record.generation == 2
        assert record.event_id("photo.completed") != first

    def test_more_jobs_on_an_unfinished_photo_do_not(self) -> None:
        record = photo()
        record.add_order(jobs_adapter.validate_python([{"type": "metadata"}]), RESEND)
        assert record.generation == 1

    def test_a_retried_job_gets_an_order_of_its_own_with_fresh_attempts(self) -> None:
        record = photo()
        good, bad = job_list(record)
        record.publish(claim(record), {good.id: result(), bad.id: UnreadablePhoto()})
        before = record.event_id("job.failed", bad)
        order = record.retry(bad.id, RESEND)
        assert record.generation == 2
        assert record.event_id("job.failed", record.jobs[bad.id]) != before
        held = claim(record, order.id)
        assert (held.attempt, list(held.jobs)) == (1, [bad.id])

    def test_a_retry_takes_the_job_away_from_the_order_that_still_runs(self) -> None:
        record = photo()
        first, second = record.jobs
        held = claim(record)
        record.publish(held, {first: UnreadablePhoto()})
        order = record.retry(first, RESEND)
        again = claim(record, order.id)
        record.publish(held, {second: result("results/2")})
        assert record.publish(again, {first: result("results/1")}) == {first}
        assert record.status == "succeeded"

    def test_a_message_of_an_order_whose_jobs_were_retried_has_nothing_to_do(self) -> None:
        record = photo({"type": "metadata"})
        (job,) = record.jobs
        (first,) = record.orders
        held = claim(record)
        record.cancel()
        second = record.retry(job, RESEND)
        assert claim(record, first).jobs == {}
        with pytest.raises(ClaimLost):
            record.publish(held, {job: result()})
        again = claim(record, second.id)
        assert again.fence > held.fence  # so that the two never write under the same key
        assert record.publish(again, {job: result()}) == {job}

    @pytest.mark.parametrize("status", ["queued", "processing", "succeeded"])
    def test_only_what_failed_or_was_cancelled_is_retried(self, status: Any) -> None:
        record = photo()
        job = job_list(record)[0]
        job.status = status
        with pytest.raises(Conflict, match=status):
            record.retry(job.id, RESEND)

    def test_there_are_at_most_so_many_jobs(self) -> None:
        record = photo()
        with pytest.raises(InvalidRequest, match="at most 50"):
            record.add_order(jobs_adapter.validate_python([{"type": "metadata"}] * (MAX_JOBS - 1)), RESEND)


class TestTheSweepsView:
    def test_resends_wait_longer_each_time(self) -> None:
        record = photo()
        waits = []
        for _ in range(3):
            make_overdue(record)
            order = only_order(record)
            order.resend(RESEND)
            waits.append(round((order.due_at - now()).total_seconds()))
        assert waits == [1500, 7500, 37500]
        assert only_order(record).send_count == 4

    def test_one_that_could_not_be_made_is_tried_again_soon(self) -> None:
        record = photo()
        order = only_order(record)
        for _ in range(5):  # as long as SQS is down
            make_overdue(record)
            record.order(order.id).resend(RESEND)
            record.order(order.id).undo_resend(RESEND)
        assert order.send_count == 1
        assert order.due_at <= now() + timedelta(seconds=RESEND)

    def test_each_send_has_a_deduplication_id_of_its_own(self) -> None:
        record = photo()
        order = only_order(record).id
        before = OrderMessage.of(record, order).deduplication_id
        make_overdue(record)
        record.order(order).resend(RESEND)
        assert OrderMessage.of(record, order).deduplication_id != before

    def test_what_is_not_overdue_is_not_sent_again(self) -> None:
        record = photo()
        with pytest.raises(Conflict):
            record.order(only_order(record).id).resend(RESEND)

    def test_a_claim_gives_the_worker_its_time(self) -> None:
        record = photo()
        make_overdue(record)
        claim(record)
        assert record.overdue_orders() == []

    def test_a_send_that_failed_ends_the_order_unless_a_worker_was_faster(self) -> None:
        record = photo()
        claimed = photo()
        claim(claimed)
        assert not claimed.order(only_order(claimed).id).fail_unsent(Unavailable("SQS"))
        assert claimed.status == "processing"
        assert record.order(only_order(record).id).fail_unsent(Unavailable("SQS"))
        assert record.status == "failed"

    def test_a_deleted_photo_is_due_until_it_is_purged(self) -> None:
        record = photo()
        record.delete()
        assert record.due_at is not None
        record.objects_removed = True
        assert record.due_at is None


def test_the_largest_record_fits_into_an_item() -> None:
    """DynamoDB takes 400 KB an item."""
    step = {
        "type": "resize",
        "width": 10_000,
        "height": 10_000,
        "fit": "outside",
        "position": {"x": 0.123456789, "y": 0.123456789},
        "background": "#12345678",
    }
    record = photo(*[{"type": "pipeline", "steps": [step] * MAX_STEPS} for _ in range(MAX_JOBS)])
    record.metadata = {"m": "x" * 2048}
    for _ in range(10):  # redrives
        for _ in range(MAX_ATTEMPTS):
            record.postpone(claim(record), AttemptsExhausted("x" * 1000), True, 1, RESEND)
        record.bury(claim(record), AttemptsExhausted("x" * 1000))
        record.redrive(only_order(record).id, RESEND)
    for _ in range(MAX_ATTEMPTS):
        record.postpone(claim(record), AttemptsExhausted("x" * 1000), True, 1, RESEND)
    record.bury(claim(record), AttemptsExhausted("x" * 1000))
    for job in job_list(record):
        job.result = result(f"results/{record.id}/{job.id}/1000.jpeg").model_copy(
            update={
                "filename": "f" * 255,
                "seconds": dict.fromkeys(["decode", "resize", "encode", "store"], 1.2345),
                "versions": {"darkroom": "10.10.10", "pillow": "13.10.10"},
            }
        )
    assert len(json.dumps(record.model_dump(mode="json", exclude_none=True))) < 400_000
