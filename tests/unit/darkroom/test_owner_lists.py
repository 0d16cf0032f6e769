"""The list of an owner gets more parts when photos come faster than one part takes them."""

from __future__ import annotations

from typing import Any, cast

import pytest

from darkroom.aws.clients import Clients
from darkroom.aws.owner_lists import COUNTED, PARTS, RATE_TIME, SPREAD_ABOVE, OwnerLists
from darkroom.errors import Unavailable
from darkroom.settings import Settings


class OwnerItems:
    """DynamoDB with the items that count photos of owners."""

    def __init__(self) -> None:
        self.items: dict[str, dict[str, Any]] = {}
        self.writes = 0
        self.down = False

    def update_item(self, **query: Any) -> dict[str, Any]:
        if self.down:
            raise Unavailable("the table is down")
        self.writes += 1
        item = self.items.setdefault(query["Key"]["pk"], {"photos": 0})
        values = query["ExpressionAttributeValues"]
        if ":counted" in values:
            item["photos"] += values[":counted"]
        else:
            item["parts"] = values[":parts"]
        return {"Attributes": dict(item)}


@pytest.fixture
def table() -> OwnerItems:
    return OwnerItems()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    time = [0.0]
    monkeypatch.setattr("darkroom.aws.owner_lists.time.monotonic", lambda: time[0])
    return time


def process(table: OwnerItems) -> OwnerLists:
    settings = cast(Settings, type("Fake", (), {"table": "t"}))
    return OwnerLists(settings, cast(Clients, type("Fake", (), {"dynamodb": table})))


def upload(processes: list[OwnerLists], clock: list[float], rate: float, seconds: float) -> set[int]:
    """Upload photos of one owner at this rate, evenly through all processes. Returns the parts that they go to."""
    parts = set()
    for number in range(int(rate * seconds)):
        clock[0] += 1 / rate
        parts.add(processes[number % len(processes)].part_for_new("ann"))
    return parts


def test_an_owner_with_few_photos_has_one_part_and_costs_nothing(table: OwnerItems, clock: list[float]) -> None:
    assert upload([process(table)], clock, rate=1, seconds=COUNTED) == {0}
    assert table.writes == 0


@pytest.mark.parametrize("processes", [1, 7])
def test_a_rate_that_one_part_takes_leaves_it_at_one(table: OwnerItems, clock: list[float], processes: int) -> None:
    assert upload([process(table) for _ in range(processes)], clock, 0.9 * SPREAD_ABOVE, 3 * RATE_TIME) == {0}
    assert table.writes <= 0.9 * SPREAD_ABOVE * 3 * RATE_TIME / COUNTED


@pytest.mark.parametrize("processes", [1, 7])
def test_a_burst_of_less_than_a_minute_leaves_it_at_one(table: OwnerItems, clock: list[float], processes: int) -> None:
    each = [process(table) for _ in range(processes)]
    for _ in range(3):
        assert upload(each, clock, 10 * SPREAD_ABOVE, 4) == {0}
        clock[0] += RATE_TIME


@pytest.mark.parametrize("processes", [1, 7, 200])
def test_a_higher_rate_of_all_processes_together_spreads_the_list(
    table: OwnerItems, clock: list[float], processes: int
) -> None:
    """The list is spread at the second count after the time in which the rate is measured."""
    each = [process(table) for _ in range(processes)]
    upload(each, clock, 2 * SPREAD_ABOVE, RATE_TIME + 3 * COUNTED * processes / (2 * SPREAD_ABOVE))
    assert upload(each, clock, 2 * SPREAD_ABOVE, 20) == set(range(PARTS))


def test_a_spread_list_stays_spread_and_is_counted_no_more(table: OwnerItems, clock: list[float]) -> None:
    upload([process(table)], clock, 2 * SPREAD_ABOVE, 2 * RATE_TIME)
    later = process(table)
    upload([later], clock, 1, COUNTED + 1)
    writes = table.writes
    assert len(upload([later], clock, 1, 10 * COUNTED)) > 1
    assert table.writes == writes


def test_other_owners_are_not_concerned(table: OwnerItems, clock: list[float]) -> None:
    lists = process(table)
    upload([lists], clock, 2 * SPREAD_ABOVE, 2 * RATE_TIME)
    assert {lists.part_for_new("bob") for _ in range(5)} == {0}


def test_a_photo_is_taken_while_the_count_cannot_be_written(table: OwnerItems, clock: list[float]) -> None:
    table.down = True
    assert upload([process(table)], clock, 2 * SPREAD_ABOVE, 2) == {0}
