"""How the webhook sender shares its deliveries among owners."""

from __future__ import annotations

from darkroom.record.messages import LONGEST_DELAY
from worker.webhooks.fair_share import EACH, FairShare


def test_each_owner_may_run_a_limited_number_of_deliveries() -> None:
    shares = FairShare()
    assert [shares.take("ann", 0) for _ in range(EACH)] == [0] * EACH
    assert shares.take("ann", 0) > 0
    assert shares.take("bob", 0) == 0


def test_a_delivery_that_ends_makes_room_for_another() -> None:
    shares = FairShare()
    for began in range(EACH):
        shares.take("ann", began)
    shares.done("ann", 0, 5)
    assert shares.take("ann", 5) == 0
    assert shares.take("ann", 5) > 0


def test_deliveries_that_wait_come_back_at_the_pace_of_the_receivers() -> None:
    shares = FairShare()
    for _ in range(EACH):
        shares.take("ann", 0)
    waits = [shares.take("ann", 12.0) for _ in range(2 * EACH)]  # each delivery has run for 12 s
    assert waits == [number * 12 / EACH for number in range(1, 2 * EACH + 1)]
    quick = FairShare()
    for _ in range(EACH):
        quick.take("bob", 0)
    assert {quick.take("bob", 0.04) for _ in range(50)} == {1}


def test_no_delivery_is_put_off_longer_than_sqs_can_delay_a_message() -> None:
    shares = FairShare()
    for _ in range(EACH):
        shares.take("ann", 0)
    assert [shares.take("ann", 30) for _ in range(1000)][-1] == LONGEST_DELAY


def test_an_owner_without_running_deliveries_is_forgotten() -> None:
    shares = FairShare()
    for number in range(1000):
        shares.take(f"owner-{number}", 0)
        shares.done(f"owner-{number}", 0, 1)
    assert shares._shares == {}
