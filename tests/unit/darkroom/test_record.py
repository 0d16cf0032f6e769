"""The transitions of a photo and its orders and jobs, and which claims are fenced out of them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from darkroom.errors import (
    AttemptsExhausted,
    ClaimLost,
    Conflict,
    InvalidRequest,
    OrderInProgress,
    PhotoGone,
    Unavailable,
    UnreadablePhoto,
)
from darkroom.jobs.job_types import MAX_JOBS, jobs_adapter
from darkroom.record.clock import now
from darkroom.record.messages import OrderMessage
from tests.support.records import (
    LIMIT,
    MAX_ATTEMPTS,
    RESEND,
    claim,
    job_list,
    make_overdue,
    only_order,
    photo,
    result,
)


class TestLifecycle:
    def test_a_new_photo_is_queued_and_has_a_time_for_the_sweep(self) -> None:
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

    def test_a_succeeded_photo_is_not_due_for_the_sweep(self) -> None:
        record = photo()
        held = claim(record)
        assert record.publish(held, {job: result() for job in record.jobs}) == set(record.jobs)
        assert record.status == "succeeded"
        assert record.due_at is None

    def test_one_failed_job_fails_the_photo_and_the_other_jobs_keep_their_results(self) -> None:
        record = photo()
        good, bad = job_list(record)
        record.publish(claim(record), {good.id: result(), bad.id: UnreadablePhoto("cut short")})
        assert record.status == "failed"
        assert good.result is not None
        assert [(error.code, error.detail) for error in bad.errors] == [("unreadable_photo", "cut short")]

    def test_results_can_be_published_in_parts(self) -> None:
        record = photo()
        first, second = record.jobs
        held = claim(record)
        record.publish(held, {first: result()})
        assert record.status == "processing"
        record.publish(held, {second: result()})
        assert record.status == "succeeded"


class TestFences:
    def test_only_the_latest_claim_can_change_the_record(self) -> None:
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

    def test_a_second_message_cannot_claim_an_order_in_progress(self) -> None:
        record = photo()
        first = record.claim(only_order(record).id, MAX_ATTEMPTS, LIMIT, RESEND, "message-1")
        for _ in range(MAX_ATTEMPTS):
            with pytest.raises(OrderInProgress):
                record.claim(first.order, MAX_ATTEMPTS, LIMIT, RESEND, "message-2")
        record.publish(first, {job: result() for job in first.jobs})
        assert record.status == "succeeded"

    def test_the_same_message_claims_the_order_again_after_its_worker_died(self) -> None:
        record = photo()
        for number in (1, 2):
            claim = record.claim(only_order(record).id, MAX_ATTEMPTS, LIMIT, RESEND, "message-1")
            assert claim.fence == number

    def test_another_message_claims_an_order_that_was_postponed_or_is_overdue(self) -> None:
        record = photo()
        order = only_order(record)
        first = record.claim(order.id, MAX_ATTEMPTS, LIMIT, RESEND, "message-1")
        record.postpone(first, Unavailable("S3"), counts=False, delay=1, resend_after=RESEND)
        record.claim(order.id, MAX_ATTEMPTS, LIMIT, RESEND, "message-2")
        make_overdue(record)
        record.order(order.id).resend(RESEND)  # this moves its due time on
        assert record.claim(order.id, MAX_ATTEMPTS, LIMIT, RESEND, "message-3").fence == 3

    def test_a_claim_of_an_ended_order_has_no_jobs_and_raises_no_fence(self) -> None:
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

    def test_publishing_the_same_results_twice_counts_them_both_times(self) -> None:
        record = photo()
        held = claim(record)
        outcomes = {job: result(f"results/{job}") for job in record.jobs}
        assert record.publish(held, outcomes) == record.publish(held, outcomes) == set(record.jobs)


class TestAttempts:
    def test_attempts_are_claims_without_those_that_do_not_count(self) -> None:
        record = photo()
        record.postpone(claim(record), Unavailable("throttled"), False, 1, RESEND)
        assert only_order(record).attempts == 0
        record.postpone(claim(record), Unavailable("bug"), True, 1, RESEND)
        held = claim(record)
        assert (held.fence, held.attempt) == (3, 2)

    def test_each_attempt_keeps_its_last_error(self) -> None:
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

    def test_an_attempt_counts_even_if_its_event_could_not_be_sent(self) -> None:
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

    def test_a_claim_without_an_attempt_left_is_exhausted_and_does_not_count(self) -> None:
        record = photo()
        for _ in range(MAX_ATTEMPTS):
            assert not claim(record).exhausted
        held = claim(record)
        assert held.exhausted
        assert (held.attempt, held.claim_count) == (MAX_ATTEMPTS, MAX_ATTEMPTS + 1)
        assert {job.attempts for job in job_list(record)} == {MAX_ATTEMPTS}

    def test_only_the_latest_errors_are_kept(self) -> None:
        record = photo()
        for number in range(20):
            record.postpone(
                record.claim(only_order(record).id, 100, LIMIT, RESEND), Unavailable(str(number)), True, 1, RESEND
            )
        assert [error.detail for error in job_list(record)[0].errors] == ["15", "16", "17", "18", "19"]

    def test_an_attempt_whose_worker_died_has_an_error_too(self) -> None:
        record = photo()
        claim(record)
        held = claim(record)
        record.postpone(held, Unavailable("two"), True, 1, RESEND)
        assert [(error.attempt, error.code) for error in job_list(record)[0].errors] == [
            (1, "claim_lost"),
            (2, "unavailable"),
        ]


class TestGenerations:
    def test_more_jobs_on_an_ended_photo_begin_a_generation(self) -> None:
        record = photo()
        first = record.event_id("photo.completed")
        record.publish(claim(record), {job: result() for job in record.jobs})
        assert record.event_id("photo.completed") == first
        record.add_order(jobs_adapter.validate_python([{"type": "metadata"}]), RESEND)
        assert record.generation == 2
        assert record.event_id("photo.completed") != first

    def test_more_jobs_on_an_unfinished_photo_do_not_begin_a_generation(self) -> None:
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

    def test_a_retry_moves_the_job_out_of_an_order_that_still_runs(self) -> None:
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
    def test_only_a_failed_or_cancelled_job_is_retried(self, status: Any) -> None:
        record = photo()
        job = job_list(record)[0]
        job.status = status
        with pytest.raises(Conflict, match=status):
            record.retry(job.id, RESEND)

    def test_a_photo_has_at_most_50_jobs(self) -> None:
        record = photo()
        with pytest.raises(InvalidRequest, match="at most 50"):
            record.add_order(jobs_adapter.validate_python([{"type": "metadata"}] * (MAX_JOBS - 1)), RESEND)


class TestSweep:
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

    def test_a_resend_that_failed_is_due_again_soon(self) -> None:
        record = photo()
        order = only_order(record)
        for _ in range(5):  # SQS stays down
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

    def test_an_order_that_is_not_overdue_is_not_sent_again(self) -> None:
        record = photo()
        with pytest.raises(Conflict):
            record.order(only_order(record).id).resend(RESEND)

    def test_a_claimed_order_is_not_overdue(self) -> None:
        record = photo()
        make_overdue(record)
        claim(record)
        assert record.overdue_orders() == []

    def test_an_unsent_order_fails_unless_a_worker_has_claimed_it(self) -> None:
        record = photo()
        claimed = photo()
        claim(claimed)
        assert not claimed.order(only_order(claimed).id).fail_unsent(Unavailable("SQS"))
        assert claimed.status == "processing"
        assert record.order(only_order(record).id).fail_unsent(Unavailable("SQS"))
        assert record.status == "failed"

    def test_a_deleted_photo_is_due_until_its_objects_are_removed(self) -> None:
        record = photo()
        record.delete()
        assert record.due_at is not None
        assert record.late_writes is not None
        record.note_look(record.late_writes.until)
        assert record.due_at is None
