"""Turns of the sweep: every shard is looked at often enough, and more workers do not send more queries."""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterator
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
        if "#place" not in query.get("ExpressionAttributeNames", {}):
            self.item["large_index"] = query["ExpressionAttributeValues"][":large"]
            return
        name = query["ExpressionAttributeNames"]["#place"]
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


def sweep(turns: SweepTurns, large: bool) -> tuple[int, list[int]]:
    """Sweep as worker/sweep/sweeper.py does. Returns how often the whole index was read, and the shards that were."""
    whole = turns.take_whole()
    if whole:
        turns.note_size(large)
    return int(whole), [shard for shards in turns.take_groups() for shard in shards] if turns.large else []


def looks(clock: Clock, workers: int, large: bool) -> tuple[list[float], dict[int, list[float]]]:
    """When the whole index and each shard is looked at, if the workers sweep for MINUTES at their random intervals."""
    rng, table = random.Random(workers), OneItem()
    each = [turns(table) for _ in range(workers)]
    wakes = [(rng.uniform(0.5, 1.5) * INTERVAL, number) for number in range(workers)]
    heapq.heapify(wakes)
    whole: list[float] = []
    found: dict[int, list[float]] = {shard: [] for shard in range(SHARDS)}
    while wakes[0][0] < 60 * MINUTES:
        clock.seconds, number = heapq.heappop(wakes)
        took, shards = sweep(each[number], large)
        whole += [clock.seconds] * took
        for shard in shards:
            found[shard].append(clock.seconds)
        heapq.heappush(wakes, (clock.seconds + rng.uniform(0.5, 1.5) * INTERVAL, number))
    return whole, found


def longest_gap(times: list[float]) -> float:
    return max(after - before for before, after in zip([0.0, *times], times, strict=False))


@pytest.mark.parametrize("workers", [1, 10, 1000])
def test_a_small_index_is_read_at_most_twice_in_an_interval(clock: Clock, workers: int) -> None:
    whole, found = looks(clock, workers, large=False)
    assert longest_gap(whole) <= 1.5 * INTERVAL
    assert 0.9 <= len(whole) / MINUTES <= 2
    assert not any(found.values())


@pytest.mark.parametrize("workers", [1, 10, 1000])
def test_every_shard_of_a_large_index_is_looked_at_and_more_workers_do_not_send_more_queries(
    clock: Clock, workers: int
) -> None:
    _, found = looks(clock, workers, large=True)
    assert max(longest_gap(times) for times in found.values()) <= 1.5 * INTERVAL
    queries_a_minute = sum(len(times) for times in found.values()) / MINUTES
    assert 0.9 * SHARDS < queries_a_minute <= 2 * SHARDS


def test_all_workers_know_that_the_index_is_large_and_that_it_is_small_again(clock: Clock) -> None:
    table = OneItem()
    assert len(sweep(turns(table), large=True)[1]) == SHARDS
    clock.seconds = INTERVAL / 2
    first, second = turns(table), turns(table)
    assert first.take_whole()
    assert not second.take_whole()
    assert second.large
    first.note_size(large=False)
    assert not second.take_whole()
    assert not second.large


def groups(table: OneItem) -> Iterator[range]:
    mine = turns(table)
    mine.take_whole()
    return mine.take_groups()


def test_a_group_that_takes_long_gets_a_second_worker(clock: Clock) -> None:
    table = OneItem()
    slow = groups(table)
    held = next(slow)
    assert held not in list(groups(table))
    clock.seconds = INTERVAL / 2
    assert held in list(groups(table))
    assert list(slow) == []


def test_two_workers_at_the_same_time_take_different_groups(clock: Clock) -> None:
    table = OneItem()
    one, two = groups(table), groups(table)
    taken = [next(one), next(two)]
    taken += [*one, *two]
    assert sorted(shard for shards in taken for shard in shards) == list(range(SHARDS))


def test_a_time_in_the_future_does_not_stop_the_sweep(clock: Clock) -> None:
    """It was written by a worker whose clock is wrong."""
    table = OneItem()
    clock.seconds = 3600
    assert len(list(groups(table))) == GROUPS
    clock.seconds = 0
    assert len(list(groups(table))) == GROUPS


def test_a_turn_costs_a_write_and_no_turn_costs_none(clock: Clock) -> None:
    table = OneItem()
    for _ in range(2):
        sweep(turns(table), large=False)
    assert table.writes == 1
    for _ in range(2):
        list(groups(table))
    assert table.writes == 1 + GROUPS
