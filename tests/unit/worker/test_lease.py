"""When leases are renewed and messages settled, also while SQS fails; a fake queue simulates the failures."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest

from darkroom.aws.queue import Received
from darkroom.errors import Unavailable
from worker import lease
from worker.lease import Lease, LeaseKeeper, clock
from worker.verdict import Delete, Leave, Retry

LEASE = 6


class FailingQueue:
    """Records its calls, and fails or refuses as a test wants."""

    fifo = False

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


def lease_until(queue: FailingQueue, until: float) -> Lease:
    return Lease(received(), queue, until)  # type: ignore[arg-type]


@pytest.fixture
def queue() -> FailingQueue:
    return FailingQueue()


@pytest.fixture
def keeper(queue: FailingQueue) -> Iterator[LeaseKeeper]:
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


def test_a_lease_is_renewed_repeatedly(queue: FailingQueue, keeper: LeaseKeeper) -> None:
    lease = keeper.hold(received())
    soon(lambda: len(queue.asked) >= 3)
    assert queue.asked[:3] == [("visibility", {"a": LEASE})] * 3
    assert not lease.lost


def test_the_first_renewal_leaves_time_for_a_second_try(queue: FailingQueue, keeper: LeaseKeeper) -> None:
    queue.failures = 2
    lease = keeper.hold(received())
    soon(lambda: len(queue.asked) >= 1)
    assert not lease.lost


def test_a_refused_renewal_loses_the_lease_at_once(queue: FailingQueue, keeper: LeaseKeeper) -> None:
    lost = threading.Event()
    queue.refused = {"a"}
    lease = keeper.hold(received())
    lease.on_loss(lost.set)
    soon(lost.is_set)
    assert lease.lost
    assert keeper.held == 0


def test_a_lease_that_cannot_be_renewed_in_time_is_lost(queue: FailingQueue, keeper: LeaseKeeper) -> None:
    queue.failures = 1_000
    lease = keeper.hold(received())
    soon(lambda: lease.lost)
    queue.failures = 0


def test_an_action_that_is_set_after_the_loss_runs_at_once(queue: FailingQueue) -> None:
    lease = lease_until(queue, 0)
    lease.lose()
    called: list[bool] = []
    lease.on_loss(lambda: called.append(True))
    assert called == [True]


def test_a_settled_message_is_not_renewed(queue: FailingQueue, keeper: LeaseKeeper) -> None:
    other = keeper.hold(received("other"))
    keeper.settle(keeper.hold(received()), Retry(7))
    soon(lambda: ("visibility", {"other": LEASE}) in queue.asked)
    assert queue.asked[0] == ("visibility", {"a": 7})
    assert all("a" not in what for _, what in queue.asked[1:])
    keeper.settle(other, Leave())


def test_settling_is_retried_if_sqs_fails(queue: FailingQueue, keeper: LeaseKeeper) -> None:
    queue.failures = 2
    keeper.settle(keeper.hold(received()), Delete())
    soon(lambda: queue.asked == [("delete", ["a"])])


def test_the_verdict_leave_does_not_touch_the_message(queue: FailingQueue, keeper: LeaseKeeper) -> None:
    keeper.settle(keeper.hold(received()), Leave())
    keeper.settle(keeper.hold(received("b")), Delete())
    soon(lambda: len(queue.asked) == 1)
    assert queue.asked == [("delete", ["b"])]


def test_failing_deletes_do_not_delay_renewals(queue: FailingQueue, keeper: LeaseKeeper) -> None:
    queue.down = {"delete"}
    lease = keeper.hold(received())
    keeper.settle(keeper.hold(received("b")), Delete())
    soon(lambda: queue.asked.count(("visibility", {"a": LEASE})) >= 3)
    assert not lease.lost
    queue.down = set()


def test_an_expired_lease_is_lost_before_the_keeper_has_noticed(queue: FailingQueue) -> None:
    assert lease_until(queue, clock()).lost
    assert not lease_until(queue, clock() + LEASE).lost


def test_a_lease_ends_while_the_machine_is_suspended(queue: FailingQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    lease = lease_until(queue, clock() + LEASE)
    running = time.clock_gettime

    def suspended(which: int) -> float:
        """Only this clock of Linux goes on during a suspension (clock_gettime(2))."""
        return running(which) + (LEASE if which == time.CLOCK_BOOTTIME else 0)

    monkeypatch.setattr(time, "clock_gettime", suspended)
    assert lease.lost


def test_after_a_halt_of_the_process_expired_leases_are_neither_renewed_nor_settled(queue: FailingQueue) -> None:
    keeper = LeaseKeeper(queue, lease=LEASE, heartbeat=1)  # type: ignore[arg-type]
    renewing, settling = keeper.hold(received()), keeper.hold(received("b"))
    keeper.settle(settling, Retry(0))
    renewing.until = settling.until = clock()  # as after a halt of the process
    other = keeper.hold(received("c"))
    thread = threading.Thread(target=keeper.run)
    thread.start()
    soon(lambda: ("visibility", {"c": LEASE}) in queue.asked)
    keeper.settle(other, Leave())
    keeper.close()
    thread.join(30)
    assert renewing.lost
    assert all(what == {"c": LEASE} for _, what in queue.asked)


class TestDeletesInBatches:
    """While the worker has more work, deletes wait for each other."""

    @pytest.fixture
    def more(self) -> threading.Event:
        more = threading.Event()
        more.set()
        return more

    @pytest.fixture
    def keeper(
        self, queue: FailingQueue, more: threading.Event, monkeypatch: pytest.MonkeyPatch
    ) -> Iterator[LeaseKeeper]:
        monkeypatch.setattr(lease, "LONGEST_WAIT", 60.0)  # longer than this test
        keeper = LeaseKeeper(queue, lease=600, heartbeat=300, more_to_come=more.is_set)  # type: ignore[arg-type]
        thread = threading.Thread(target=keeper.run)
        thread.start()
        yield keeper
        keeper.close()
        thread.join(30)
        assert not thread.is_alive()

    def delete(self, keeper: LeaseKeeper, count: int) -> list[str]:
        handles = [f"message-{number}" for number in range(count)]
        for held in [keeper.hold(received(handle)) for handle in handles]:
            keeper.settle(held, Delete())
        return handles

    def test_ten_are_one_request(self, queue: FailingQueue, keeper: LeaseKeeper) -> None:
        handles = self.delete(keeper, 12)
        soon(lambda: bool(queue.asked))
        assert queue.asked == [("delete", handles[:10])]

    def test_they_are_sent_at_once_when_nothing_follows(
        self, queue: FailingQueue, keeper: LeaseKeeper, more: threading.Event
    ) -> None:
        handles = self.delete(keeper, 3)
        more.clear()
        keeper.hurry()
        soon(lambda: bool(queue.asked))
        assert queue.asked == [("delete", handles)]

    def test_they_are_sent_when_the_worker_stops(self, queue: FailingQueue, keeper: LeaseKeeper) -> None:
        handles = self.delete(keeper, 3)
        keeper.close()
        soon(lambda: bool(queue.asked))
        assert queue.asked == [("delete", handles)]

    def test_a_message_that_is_given_back_does_not_wait(self, queue: FailingQueue, keeper: LeaseKeeper) -> None:
        self.delete(keeper, 3)
        keeper.settle(keeper.hold(received("b")), Retry(7))
        soon(lambda: bool(queue.asked))
        assert queue.asked == [("visibility", {"b": 7})]

    def test_a_delete_does_not_hold_up_its_fifo_group(self, queue: FailingQueue, keeper: LeaseKeeper) -> None:
        queue.fifo = True
        (handle,) = self.delete(keeper, 1)
        soon(lambda: bool(queue.asked))
        assert queue.asked == [("delete", [handle])]


def test_a_delete_waits_for_others_only_for_a_moment(queue: FailingQueue) -> None:
    keeper = LeaseKeeper(queue, lease=LEASE, heartbeat=1, more_to_come=lambda: True)  # type: ignore[arg-type]
    thread = threading.Thread(target=keeper.run)
    thread.start()
    keeper.settle(keeper.hold(received()), Delete())
    soon(lambda: queue.asked == [("delete", ["a"])])
    keeper.close()
    thread.join(30)
