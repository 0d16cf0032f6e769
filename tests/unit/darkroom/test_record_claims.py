"""What a worker asks of a record before it claims an order, and while it waits with a claim."""

from __future__ import annotations

from datetime import timedelta

import pytest

from darkroom.errors import ClaimLost, OrderInProgress, PhotoGone
from darkroom.record.clock import now
from tests.support.records import LIMIT, MAX_ATTEMPTS, RESEND, claim, only_order, photo, result


def test_the_time_of_a_renewed_claim_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    record = photo()
    held = claim(record)
    later = now() + timedelta(seconds=100)
    monkeypatch.setattr("darkroom.record.order.now", lambda: later)
    renewed = record.renew(held, LIMIT, RESEND)
    assert held.until is not None
    assert renewed.until is not None
    assert renewed.until - held.until >= timedelta(seconds=99)
    assert renewed.until == only_order(record).held_until == only_order(record).due_at
    assert renewed.model_copy(update={"until": held.until}) == held, "it is no further claim"


def test_a_claim_that_was_lost_is_not_renewed() -> None:
    record = photo()
    lost = claim(record)
    claim(record)
    with pytest.raises(ClaimLost):
        record.renew(lost, LIMIT, RESEND)


def test_whether_an_order_has_work_for_a_message() -> None:
    record = photo()
    order = only_order(record)
    assert record.has_work(order.id, "message-1")
    assert not record.has_work("another", "message-1"), "its jobs were retried in other orders"
    held = record.claim(order.id, MAX_ATTEMPTS, LIMIT, RESEND, "message-1")
    with pytest.raises(OrderInProgress):
        record.has_work(order.id, "message-2")
    record.publish(held, {job: result() for job in held.jobs})
    assert not record.has_work(order.id, "message-2")
    record.delete()
    with pytest.raises(PhotoGone):
        record.has_work(order.id, "message-1")
