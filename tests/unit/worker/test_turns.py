"""How the sender of webhooks shares its places between owners."""

from __future__ import annotations

from darkroom.record.messages import LONGEST_DELAY
from worker.webhooks.fairness import EACH, Turns


def test_an_owner_has_so_many_places_and_others_have_theirs() -> None:
    turns = Turns()
    assert [turns.take("ann", 0) for _ in range(EACH)] == [0] * EACH
    assert turns.take("ann", 0) > 0
    assert turns.take("bob", 0) == 0


def test_a_place_that_becomes_free_is_taken_again() -> None:
    turns = Turns()
    for began in range(EACH):
        turns.take("ann", began)
    turns.done("ann", 0, 5)
    assert turns.take("ann", 5) == 0
    assert turns.take("ann", 5) > 0


def test_those_that_wait_come_back_at_the_pace_of_the_receivers() -> None:
    turns = Turns()
    for _ in range(EACH):
        turns.take("ann", 0)
    waits = [turns.take("ann", 12.0) for _ in range(2 * EACH)]  # each place has been held for 12 s
    assert waits == [number * 12 / EACH for number in range(1, 2 * EACH + 1)]
    quick = Turns()
    for _ in range(EACH):
        quick.take("bob", 0)
    assert {quick.take("bob", 0.04) for _ in range(50)} == {1}


def test_nobody_waits_longer_than_sqs_can_keep_a_message() -> None:
    turns = Turns()
    for _ in range(EACH):
        turns.take("ann", 0)
    assert [turns.take("ann", 30) for _ in range(1000)][-1] == LONGEST_DELAY


def test_who_has_nothing_under_way_is_forgotten() -> None:
    turns = Turns()
    for number in range(1000):
        turns.take(f"owner-{number}", 0)
        turns.done(f"owner-{number}", 0, 1)
    assert turns._shares == {}
