"""Turns of the sweep: every shard is looked at often enough, and more workers do not send more queries."""

from __future__ import annotations

import heapq
import random
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from darkroom.aws.clients import Clients
from darkroom.aws.items import SHARDS
from darkroom.aws.sweep_turns import GROUPS, SweepTurns
from darkroom.settings import Settings

INTERVAL = 60.0
MINUTES = 30
START = datetime(2026, 1, 1, tzinfo=UTC)


class OneItem:
    """DynamoDB with the one item that the turns are written to."""

    class exceptions:  # noqa: N801 - botocore's name
        class ConditionalCheckFailedException(Exception):
            pass

    def __init__(self) -> None:
        self.item: dict[str, Any] = {}
        self.writes = 0

    def get_item(self, **_: Any) -> dict[str, Any]:
        return {"Item": dict(self.item)} if self.item else {}

    def update_item(self, **query: Any) -> None:
        self.writes += 1
        name = query["ExpressionAttributeNames"]["#group"]
        if self.item.get(name) != query["ExpressionAttributeValues"].get(":before"):
            raise self.exceptions.ConditionalCheckFailedException
        self.item[name] = query["ExpressionAttributeValues"][":at"]


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seconds = 0.0
        monkeypatch.setattr("darkroom.aws.sweep_turns.now", lambda: START + timedelta(seconds=self.seconds))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def turns(table: OneItem) -> SweepTurns:
    settings = cast(Settings, type("Fake", (), {"table": "t", "sweep_interval": INTERVAL}))
    return SweepTurns(settings, cast(Clients, type("Fake", (), {"dynamodb": table})))


def looks(clock: Clock, workers: int) -> dict[int, list[float]]:
    """When each shard is looked at, if this many workers sweep for MINUTES at their random intervals."""
    rng, table = random.Random(workers), OneItem()
    each = [turns(table) for _ in range(workers)]
    wakes = [(rng.uniform(0.5, 1.5) * INTERVAL, number) for number in range(workers)]
    heapq.heapify(wakes)
    found: dict[int, list[float]] = {shard: [] for shard in range(SHARDS)}
    while wakes[0][0] < 60 * MINUTES:
        clock.seconds, number = heapq.heappop(wakes)
        for shards in each[number].take():
            for shard in shards:
                found[shard].append(clock.seconds)
        heapq.heappush(wakes, (clock.seconds + rng.uniform(0.5, 1.5) * INTERVAL, number))
    return found


@pytest.mark.parametrize("workers", [1, 10, 1000])
def test_every_shard_is_looked_at_and_more_workers_do_not_send_more_queries(clock: Clock, workers: int) -> None:
    found = looks(clock, workers)
    for times in found.values():
        gaps = [after - before for before, after in zip([0.0, *times], times, strict=False)]
        assert max(gaps) <= 1.5 * INTERVAL
    queries_a_minute = sum(len(times) for times in found.values()) / MINUTES
    assert 0.9 * SHARDS < queries_a_minute <= 2 * SHARDS


def test_a_group_that_takes_long_gets_a_second_worker(clock: Clock) -> None:
    table = OneItem()
    slow, other = turns(table).take(), turns(table)
    held = next(slow)
    assert held not in list(other.take())
    clock.seconds = INTERVAL / 2
    assert held in list(other.take())
    assert list(slow) == []


def test_two_workers_at_the_same_time_take_different_groups(clock: Clock) -> None:
    table = OneItem()
    one, two = turns(table).take(), turns(table).take()
    taken = [next(one), next(two)]
    taken += [*one, *two]
    assert sorted(shard for shards in taken for shard in shards) == list(range(SHARDS))


def test_a_time_in_the_future_does_not_stop_the_sweep(clock: Clock) -> None:
    """It was written by a worker whose clock is wrong."""
    table = OneItem()
    clock.seconds = 3600
    assert len(list(turns(table).take())) == GROUPS
    clock.seconds = 0
    assert len(list(turns(table).take())) == GROUPS


def test_a_turn_costs_a_write_and_no_turn_costs_none(clock: Clock) -> None:
    table = OneItem()
    list(turns(table).take())
    list(turns(table).take())
    assert table.writes == GROUPS
