"""Who gets which waiting message."""

from __future__ import annotations

import threading

from darkroom.queue import Received
from worker.inbox import Inbox
from worker.lease import Lease


def lease(name: str, group: str) -> Lease:
    return Lease(Received(id=name, receipt_handle=name, body="", group=group, receives=1), until=0)


def names(leases: list[Lease]) -> list[str]:
    return [lease.received.id for lease in leases]


def test_a_standard_queue_hands_out_in_the_order_received() -> None:
    inbox = Inbox(in_order=False)
    for name in "abc":
        inbox.put(lease(name, "ann"))
    assert names([inbox.take() or lease("", "") for _ in range(3)]) == ["a", "b", "c"]


def test_a_fifo_queue_has_one_of_a_group_in_work() -> None:
    inbox = Inbox(in_order=True)
    for name, group in (("a1", "ann"), ("a2", "ann"), ("b1", "bob")):
        inbox.put(lease(name, group))
    first, other = inbox.take(), inbox.take()
    assert first is not None
    assert other is not None
    assert names([first, other]) == ["a1", "b1"]
    assert inbox.done(first, settled=True) == []
    following = inbox.take()
    assert following is not None
    assert following.received.id == "a2"


def test_what_follows_a_failed_message_of_its_group_is_given_back() -> None:
    inbox = Inbox(in_order=True)
    for name, group in (("a1", "ann"), ("a2", "ann"), ("b1", "bob"), ("a3", "ann")):
        inbox.put(lease(name, group))
    first = inbox.take()
    assert first is not None
    assert names(inbox.done(first, settled=False)) == ["a2", "a3"]
    left = inbox.take()
    assert left is not None
    assert left.received.id == "b1"


def test_closing_returns_what_waits_and_lets_the_slots_go() -> None:
    inbox = Inbox(in_order=False)
    inbox.put(lease("a", "ann"))
    assert names(inbox.close()) == ["a"]
    assert inbox.take() is None
    assert not inbox.put(lease("b", "ann"))


def test_a_waiting_slot_is_let_go() -> None:
    inbox = Inbox(in_order=False)
    taken: list[Lease | None] = []
    slot = threading.Thread(target=lambda: taken.append(inbox.take()))
    slot.start()
    inbox.close()
    slot.join(10)
    assert taken == [None]
