"""An order whose original is still being stored: what the sweep, a worker and a repeated request make of it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from darkroom.errors import ClaimLost, Unavailable, UploadNotCompleted
from darkroom.record.clock import now
from tests.support.records import RESEND, claim, only_order, photo, result


def test_the_sweep_looks_for_an_original_before_it_sends_an_order_again() -> None:
    record = photo()
    order = only_order(record)
    order.await_original(40)
    assert order.due_at < now() + timedelta(seconds=41)
    assert order.original_unconfirmed
    order.confirm_original(RESEND)
    assert order.due_at > now() + timedelta(seconds=RESEND - 10)
    assert not order.original_unconfirmed


def test_a_repeated_request_takes_an_order_whose_original_is_missing_from_its_worker() -> None:
    record = photo()
    order = only_order(record)
    order.await_original(0)
    held = claim(record)
    record.resume_order(order.id, RESEND, storing=40)
    assert record.counts == {"queued": 2}
    assert order.storing_until == order.due_at > now()
    with pytest.raises(ClaimLost):
        record.publish(held, {job: UploadNotCompleted() for job in record.jobs})
    assert claim(record).fence > held.fence


def test_the_request_that_made_an_order_cannot_fail_it_after_a_repeated_one_has_continued() -> None:
    for failed_by_a_worker in (False, True):
        record = photo()
        order = only_order(record)
        order.await_original(0)
        if failed_by_a_worker:
            record.publish(claim(record), {job: UploadNotCompleted() for job in record.jobs})
        record.resume_order(order.id, RESEND, storing=40)
        assert not order.fail_unsent(Unavailable("S3"))
        assert record.counts == {"queued": 2}


def test_a_published_order_has_its_original() -> None:
    record = photo()
    only_order(record).await_original(0)
    record.publish(claim(record), {job: result() for job in record.jobs})
    assert only_order(record).storing_until is None
