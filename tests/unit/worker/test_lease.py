"""When leases are renewed, and what is done with them in the end; SQS's failures are played by a stand-in."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest

from darkroom.aws.queue import Received
from darkroom.errors import Unavailable
from worker.lease import Lease, LeaseKeeper
from worker.verdict import Delete, Leave, Retry

LEASE = 6


class StandIn:
    """A queue that writes down what is asked of it, and fails or refuses when told to."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any]] = []
        self.failures = 0
        self.refused: set[str] = set()
        self.down: set[str] = set()

    def set_visibility(self, seconds: Mapping[str, int]) -> dict[str, str]:
        return self._answer("visibility", dict(seconds), list(seconds))

    def delete(self, handles: Sequence[str]) -> dict[str, str]:
        return self._answer("delete", list(handles), handles)

    def _answer(self, action: str, what: Any, handles: Sequence[str]) -> dict[str, str]:
        if action in self.down:
            raise Unavailable("SQS is down for this")
        if self.failures:
            self.failures -= 1
            raise Unavailable("SQS is down")
        self.asked.append((action, what))
        return {handle: "ReceiptHandleIsInvalid" for handle in handles if handle in self.refused}


def lease_until(queue: StandIn, until: float) -> Lease:
    return Lease(received(), queue, until)  # type: ignore[arg-type]


@pytest.fixture
def queue() -> StandIn:
    return StandIn()


@pytest.fixture
def keeper(queue: StandIn) -> Iterator[LeaseKeeper]:
    keeper = LeaseKeeper(queue, lease=LEASE, heartbeat=1)  # type: ignore[arg-type]
    thread = threading.Thread(target=keeper.run)
    thread.start()
    yield keeper
    keeper.close()
    thread.join(30)
    assert not thread.is_alive()


def received(handle: str = "a") -> Received:
    return Received(id=handle, receipt_handle=handle, body="", group=None, receives=1)


def soon(look: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not look():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_lease_is_renewed_again_and_again(queue: StandIn, keeper: LeaseKeeper) -> None:
    lease = keeper.hold(received())
    soon(lambda: len(queue.asked) >= 3)
    assert queue.asked[:3] == [("visibility", {"a": LEASE})] * 3
    assert not lease.lost


def test_the_first_renewal_leaves_time_for_a_second_try(queue: StandIn, keeper: LeaseKeeper) -> None:
    queue.failures = 2
    lease = keeper.hold(received())
    soon(lambda: len(queue.asked) >= 1)
    assert not lease.lost


def test_a_refused_renewal_loses_the_lease_at_once(queue: StandIn, keeper: LeaseKeeper) -> None:
    told = threading.Event()
    queue.refused = {"a"}
    lease = keeper.hold(received())
    lease.on_loss(told.set)
    soon(told.is_set)
    assert lease.lost
    assert keeper.held == 0


def test_a_lease_that_cannot_be_renewed_in_time_is_lost(queue: StandIn, keeper: LeaseKeeper) -> None:
    queue.failures = 1_000
    lease = keeper.hold(received())
    soon(lambda: lease.lost)
    queue.failures = 0


def test_whoever_asks_late_is_told_of_the_loss_at_once(queue: StandIn) -> None:
    lease = lease_until(queue, 0)
    lease.lose()
    told: list[bool] = []
    lease.on_loss(lambda: told.append(True))
    assert told == [True]


def test_what_is_settled_is_not_renewed(queue: StandIn, keeper: LeaseKeeper) -> None:
    other = keeper.hold(received("other"))
    keeper.settle(keeper.hold(received()), Retry(7))
    soon(lambda: ("visibility", {"other": LEASE}) in queue.asked)
    assert queue.asked[0] == ("visibility", {"a": 7})
    assert all("a" not in what for _, what in queue.asked[1:])
    keeper.settle(other, Leave())


def test_settling_is_tried_again_when_sqs_fails(queue: StandIn, keeper: LeaseKeeper) -> None:
    queue.failures = 2
    keeper.settle(keeper.hold(received()), Delete())
    soon(lambda: queue.asked == [("delete", ["a"])])


def test_a_message_that_is_left_is_not_touched(queue: StandIn, keeper: LeaseKeeper) -> None:
    keeper.settle(keeper.hold(received()), Leave())
    keeper.settle(keeper.hold(received("b")), Delete())
    soon(lambda: len(queue.asked) == 1)
    assert queue.asked == [("delete", ["b"])]


def test_deletes_that_fail_do_not_hold_up_renewals(queue: StandIn, keeper: LeaseKeeper) -> None:
    queue.down = {"delete"}
    lease = keeper.hold(received())
    keeper.settle(keeper.hold(received("b")), Delete())
    soon(lambda: queue.asked.count(("visibility", {"a": LEASE})) >= 3)
    assert not lease.lost
    queue.down = set()


def test_what_has_expired_is_lost_at_once_even_if_nobody_has_looked_yet(queue: StandIn) -> None:
    assert lease_until(queue, time.monotonic()).lost
    assert not lease_until(queue, time.monotonic() + LEASE).lost


def test_after_a_halt_nothing_that_has_expired_is_renewed_or_settled(queue: StandIn) -> None:
    keeper = LeaseKeeper(queue, lease=LEASE, heartbeat=1)  # type: ignore[arg-type]
    renewing, settling = keeper.hold(received()), keeper.hold(received("b"))
    keeper.settle(settling, Retry(0))
    renewing.until = settling.until = time.monotonic()  # as if the process had stood still
    other = keeper.hold(received("c"))
    thread = threading.Thread(target=keeper.run)
    thread.start()
    soon(lambda: ("visibility", {"c": LEASE}) in queue.asked)
    keeper.settle(other, Leave())
    keeper.close()
    thread.join(30)
    assert renewing.lost
    assert all(what == {"c": LEASE} for _, what in queue.asked)
