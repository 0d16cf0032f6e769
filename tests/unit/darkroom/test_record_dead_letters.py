"""Dead letters in a record: how an order is buried, redriven and purged."""

from __future__ import annotations

import pytest

from darkroom.errors import (
    AttemptsExhausted,
    ClaimLost,
    Conflict,
    MessageGivenUp,
    NotFound,
    PhotoGone,
    Unavailable,
    UnreadablePhoto,
)
from darkroom.jobs.job_types import jobs_adapter
from darkroom.record.clock import now
from darkroom.record.ids import new_id
from darkroom.record.job import JobRecord
from darkroom.record.messages import OrderMessage
from darkroom.record.order import Order
from darkroom.record.photo import PhotoRecord
from tests.support.records import (
    MAX_ATTEMPTS,
    RESEND,
    claim,
    job_list,
    make_overdue,
    only_order,
    photo,
    result,
)


def buried() -> tuple[PhotoRecord, Order, list[JobRecord]]:
    """One job that succeeded, one that failed by itself, and two that failed because their order was buried."""
    record = photo(*[{"type": "metadata"}] * 4)
    good, bad, *dead = job_list(record)
    record.postpone(claim(record), Unavailable("one"), True, 1, RESEND)
    held = claim(record)
    record.publish(held, {good.id: result(), bad.id: UnreadablePhoto("cut short")})
    record.bury(held, AttemptsExhausted("tried 2 times"))
    return record, only_order(record), dead


class TestRedrive:
    def test_it_queues_only_the_jobs_that_the_burial_ended(self) -> None:
        record, order, dead = buried()
        record.redrive(order.id, RESEND)
        assert [job.status for job in job_list(record)] == ["succeeded", "failed", "queued", "queued"]
        assert (order.dead_letter, record.dead_letter_at) == (None, None)
        assert OrderMessage.of(record, order.id).jobs == [job.id for job in dead]

    def test_a_redriven_order_has_fresh_attempts_and_remembers_the_redrive(self) -> None:
        record, order, dead = buried()
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

    def test_earlier_claims_are_fenced_out(self) -> None:
        record = photo()
        held = claim(record)
        record.bury(held, AttemptsExhausted())
        record.redrive(only_order(record).id, RESEND)
        with pytest.raises(ClaimLost):
            record.publish(held, {job: result() for job in record.jobs})
        assert claim(record).fence > held.fence

    def test_it_begins_a_generation_with_events_of_its_own(self) -> None:
        record, order, dead = buried()
        before = record.event_id("photo.completed"), record.event_id("job.failed", dead[0])
        record.redrive(order.id, RESEND)
        assert record.generation == 2
        record.bury(claim(record), AttemptsExhausted())
        after = record.event_id("photo.completed"), record.event_id("job.failed", dead[0])
        assert not set(before) & set(after)

    def test_it_begins_no_generation_while_other_jobs_run(self) -> None:
        record, order, _ = buried()
        record.add_order(jobs_adapter.validate_python([{"type": "metadata"}]), RESEND)
        generation = record.generation
        record.redrive(order.id, RESEND)
        assert record.generation == generation

    def test_the_sweep_sends_it_if_no_message_was_sent(self) -> None:
        record, order, _ = buried()
        sent = OrderMessage.of(record, order.id).deduplication_id
        record.redrive(order.id, RESEND)
        assert OrderMessage.of(record, order.id).deduplication_id != sent
        assert record.overdue_orders() == []
        make_overdue(record)
        assert record.overdue_orders() == [order.id]
        record.order(order.id).resend(RESEND)  # its waits start again too
        assert round((order.due_at - now()).total_seconds()) == RESEND * 5

    def test_an_order_that_is_not_a_dead_letter_is_not_redriven(self) -> None:
        record, order, _ = buried()
        record.redrive(order.id, RESEND)
        with pytest.raises(Conflict, match="not a dead letter"):
            record.redrive(order.id, RESEND)
        with pytest.raises(NotFound):
            record.redrive(new_id(), RESEND)

    def test_a_deleted_photo_is_not_redriven(self) -> None:
        record, order, _ = buried()
        record.delete()
        with pytest.raises(PhotoGone):
            record.redrive(order.id, RESEND)


def test_the_jobs_of_a_purged_dead_letter_stay_failed() -> None:
    record, order, dead = buried()
    order.purge()
    assert record.dead_letter_at is None
    assert {job.status for job in dead} == {"failed"}
    with pytest.raises(NotFound):
        order.purge()


def test_a_retried_job_leaves_its_dead_letter() -> None:
    record, order, dead = buried()
    record.retry(dead[0].id, RESEND)
    assert order.dead_letter_jobs == [dead[1]]
    record.retry(dead[1].id, RESEND)
    assert record.dead_letter_at is None


def test_an_order_whose_message_sqs_moved_is_buried_and_its_claim_fenced_out() -> None:
    record = photo()
    held = claim(record)
    make_overdue(record)
    record.bury_abandoned(only_order(record).id, 1, MessageGivenUp("after 100 receives"))
    assert record.status == "failed"
    assert only_order(record).dead_letter is not None
    with pytest.raises(ClaimLost):
        record.publish(held, {job: result() for job in record.jobs})


def test_an_order_in_progress_or_sent_again_is_not_buried_for_a_message_that_sqs_moved() -> None:
    record = photo()
    order = only_order(record).id
    claim(record)
    with pytest.raises(Conflict, match="in progress"):
        record.bury_abandoned(order, 1, MessageGivenUp())
    make_overdue(record)
    record.order(order).resend(RESEND)
    make_overdue(record)
    with pytest.raises(Conflict, match="sent again"):
        record.bury_abandoned(order, 1, MessageGivenUp())
    record.bury_abandoned(order, 2, MessageGivenUp())
    with pytest.raises(Conflict, match="ended"):
        record.bury_abandoned(order, 2, MessageGivenUp())
