"""How many messages a worker receives, by the work that they bring."""

from __future__ import annotations

import json
import threading

import pytest

from darkroom.aws.queue import Received
from worker.stock import Stock


def received(name: str, cost: float | None) -> Received:
    body = "{}" if cost is None else json.dumps({"cost": cost})
    return Received(id=name, receipt_handle=name, body=body, group=None, receives=1)


def hold(stock: Stock, *costs: float | None) -> list[str]:
    names = [f"{cost}-{number}" for number, cost in enumerate(costs)]
    for name, cost in zip(names, costs, strict=True):
        stock.add(received(name, cost))
    return names


def room(stock: Stock) -> int:
    return stock.wait_for_room(0)


def test_the_first_receive_does_not_expect_small_photos() -> None:
    assert room(Stock(children=2, seconds=3)) == 4, "one for each idle child, and one more for each"


def test_with_small_photos_many_are_received_ahead() -> None:
    stock = Stock(children=1, seconds=3)
    names = hold(stock, *[0.125] * 20)
    for name in names:
        stock.remove(name)
    assert room(stock) == 24


def test_with_large_photos_one_is_received_ahead() -> None:
    stock = Stock(children=1, seconds=3)
    (first,) = hold(stock, 8.0)
    assert room(stock) == 0
    stock.set_stage(first, "in a child")
    assert room(stock) == 1
    hold(stock, 8.0)
    assert room(stock) == 0


def test_what_a_child_works_on_or_is_done_with_leaves_room_for_others() -> None:
    stock = Stock(children=1, seconds=0.05)
    first, second = hold(stock, 1.0, 1.0)
    assert room(stock) == 0
    stock.set_stage(first, "in a child")
    assert room(stock) == 0, "the second one is ahead"
    stock.set_stage(first, "after it")
    stock.set_stage(second, "in a child")
    assert room(stock) == 1


def test_without_prefetch_there_is_room_only_for_idle_children() -> None:
    stock = Stock(children=2, seconds=0)
    assert room(stock) == 2
    first, second = hold(stock, 0.1, 0.1)
    assert room(stock) == 0
    stock.set_stage(first, "in a child")
    stock.set_stage(second, "in a child")
    assert room(stock) == 0
    stock.set_stage(first, "after it")
    assert room(stock) == 1


def test_there_is_no_room_until_there_is_room_for_ten_or_little_work_is_left() -> None:
    stock = Stock(children=1, seconds=3)
    names = hold(stock, *[0.25] * 11)
    stock.set_stage(names.pop(), "in a child")
    rooms = []
    while names:
        stock.remove(names.pop())
        rooms.append(room(stock))
    assert rooms == [0, 0, 0, 6, 7, 8, 9, 10, 11, 12]


def test_a_message_without_an_estimate_counts_as_the_mean_of_the_others() -> None:
    stock = Stock(children=1, seconds=3)
    for name in hold(stock, *[0.3] * 20):
        stock.remove(name)
    names = hold(stock, *[None] * 6)
    stock.set_stage(names[0], "in a child")
    assert room(stock) == 5


@pytest.mark.parametrize(
    "body",
    [
        "what is this?",
        "[]",
        "[" * 200_000,
        '{"cost": -1}',
        '{"cost": 1e308}',
        '{"cost": Infinity}',
        '{"cost": "much"}',
        f'{{"cost": {"9" * 400}}}',
    ],
    ids=lambda body: body[:20],
)
def test_a_message_with_an_impossible_estimate_counts_as_the_mean_of_the_others(body: str) -> None:
    stock = Stock(children=1, seconds=3)
    hold(stock, 0.5, 0.5)
    for number in range(2):
        stock.add(Received(id=str(number), receipt_handle=str(number), body=body, group=None, receives=1))
    assert room(stock) == 0
    for number in range(2):
        stock.remove(str(number))
    assert room(stock) == 4


def test_a_poller_waits_until_there_is_room() -> None:
    stock = Stock(children=1, seconds=0)
    (name,) = hold(stock, 1.0)
    found: list[int] = []
    waiting = threading.Thread(target=lambda: found.append(stock.wait_for_room(30)))
    waiting.start()
    stock.remove(name)
    waiting.join(30)
    assert found == [1]
