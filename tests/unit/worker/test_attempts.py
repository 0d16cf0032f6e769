"""How long the worker of an order may store results: as long as it holds the lease and the claim."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from darkroom.aws.queue import Received
from darkroom.errors import ClaimLost, LeaseLost
from darkroom.record.clock import now
from darkroom.record.messages import OrderMessage
from darkroom.record.photo import PhotoRecord
from darkroom.settings import Settings
from tests.support.records import claim, only_order, photo
from worker.orders.handler import Attempt, OrderHandler

RECEIVED = Received(id="a", receipt_handle="a", body="", group=None, receives=1)


class Table:
    """A table with one record."""

    def __init__(self, record: PhotoRecord) -> None:
        self.record = record

    def update(self, _id: str, change: Callable[[PhotoRecord], Any], known: PhotoRecord) -> tuple[PhotoRecord, Any]:
        assert known is self.record
        return self.record, change(self.record)


def attempt_at(record: PhotoRecord, check: Callable[[], None] = lambda: None) -> Attempt:
    processor: Any = SimpleNamespace(check=check)
    return Attempt(OrderMessage.of(record, only_order(record).id), RECEIVED, processor)


def test_nothing_is_stored_before_the_claim_or_after_its_time() -> None:
    record = photo()
    attempt = attempt_at(record)
    with pytest.raises(ClaimLost):
        attempt.may_write()
    attempt.claim = claim(record)
    attempt.may_write()
    attempt.claim = attempt.claim.model_copy(update={"until": now()})
    with pytest.raises(ClaimLost):
        attempt.may_write()


def test_nothing_is_stored_without_the_lease() -> None:
    def check() -> None:
        raise LeaseLost

    record = photo()
    attempt = attempt_at(record, check)
    attempt.claim = claim(record)
    with pytest.raises(LeaseLost):
        attempt.may_write()


def test_after_the_claim_is_renewed_its_new_time_counts_for_the_whole_attempt() -> None:
    record = photo()
    attempt = attempt_at(record)
    held = attempt.claim = claim(record).model_copy(update={"until": now()})
    services: Any = SimpleNamespace(table=Table(record), settings=Settings(), bucket=None, assets=None)
    publication: Any = SimpleNamespace(photo=record)
    processors: Any = SimpleNamespace(assets=None)
    nothing: Any = None
    OrderHandler(services, processors, nothing)._renew_claim(held, attempt, publication)
    assert attempt.claim.until == only_order(record).held_until
    attempt.may_write()
