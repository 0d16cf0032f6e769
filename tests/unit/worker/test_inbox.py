"""In which order the slots get the waiting messages."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import cast

from darkroom.aws.queue import Received, WorkQueue
from worker.inbox import Inbox
from worker.lease import Lease

# These tests settle no message, so a queue only needs its type.
STANDARD = cast(WorkQueue, SimpleNamespace(fifo=False))
FIFO = cast(WorkQueue, SimpleNamespace(fifo=True))


def lease(name: str, group: str | None, queue: WorkQueue = STANDARD) -> Lease:
    return Lease(Received(id=name, receipt_handle=name, body="", group=group, receives=1), queue, until=0)


def names(leases: list[Lease]) -> list[str]:
    return [lease.received.id for lease in leases]


def test_messages_of_one_owner_are_handed_out_in_the_order_received() -> None:
    inbox = Inbox()
    for name in "abc":
        inbox.put(lease(name, "ann"))
    assert names([inbox.take() or lease("", "") for _ in range(3)]) == ["a", "b", "c"]


def test_owners_take_turns_even_if_one_of_them_sends_much_more() -> None:
    inbox = Inbox()
    for name, group in (("a1", "ann"), ("a2", "ann"), ("a3", "ann"), ("b1", "bob"), ("b2", "bob"), ("c1", "cy")):
        inbox.put(lease(name, group))
    order = []
    while len(order) < 6:
        taken = inbox.take()
        assert taken is not None
        order.append(taken.received.id)
        inbox.done(taken, settled=True)
    assert order == ["a1", "b1", "c1", "a2", "b2", "a3"]


def test_the_owner_with_the_fewest_messages_in_progress_is_next() -> None:
    inbox = Inbox()
    for name, group in (("a1", "ann"), ("a2", "ann"), ("a3", "ann"), ("a4", "ann")):
        inbox.put(lease(name, group))
    held = [inbox.take() for _ in range(3)]
    inbox.put(lease("b1", "bob"))
    inbox.put(lease("b2", "bob"))
    assert held[0] is not None
    inbox.done(held[0], settled=True)
    following = [inbox.take(), inbox.take()]
    assert [taken.received.id for taken in following if taken] == ["b1", "b2"]


def test_one_message_of_each_fifo_group_is_in_progress_at_a_time() -> None:
    inbox = Inbox()
    for name, group in (("a1", "ann"), ("a2", "ann"), ("b1", "bob")):
        inbox.put(lease(name, group, FIFO))
    first, other = inbox.take(), inbox.take()
    assert first is not None
    assert other is not None
    assert names([first, other]) == ["a1", "b1"]
    assert inbox.done(first, settled=True) == []
    following = inbox.take()
    assert following is not None
    assert following.received.id == "a2"


def test_a_fifo_queue_does_not_block_messages_of_another_queue() -> None:
    inbox = Inbox()
    for name in ("s1", "s2"):
        inbox.put(lease(name, None))
    inbox.put(lease("a1", "ann", FIFO))
    taken = [inbox.take() for _ in range(3)]
    assert sorted(one.received.id for one in taken if one) == ["a1", "s1", "s2"]


def test_standard_messages_do_not_block_fifo_messages_of_the_same_owner() -> None:
    inbox = Inbox()
    inbox.put(lease("i1", "ann"))
    first = inbox.take()
    inbox.put(lease("a1", "ann", FIFO), lease("a2", "ann", FIFO), lease("i2", "ann"))
    following = [inbox.take(), inbox.take()]
    assert first is not None
    assert names([one for one in following if one]) == ["a1", "i2"]  # a2 waits only for a1
    assert following[1] is not None
    inbox.done(first, settled=True)
    inbox.done(following[1], settled=True)
    inbox.put(lease("i3", "ann"))
    last = inbox.take()
    assert last is not None
    assert last.received.id == "i3"


def test_followers_of_a_failed_message_in_its_fifo_group_are_given_back() -> None:
    inbox = Inbox()
    for name, group in (("a1", "ann"), ("a2", "ann"), ("b1", "bob"), ("a3", "ann")):
        inbox.put(lease(name, group, FIFO))
    inbox.put(lease("ingest", "ann"))  # from a standard queue
    inbox.put(lease("s3", None))
    first = inbox.take()
    assert first is not None
    assert names(inbox.done(first, settled=False)) == ["a2", "a3"]
    left = inbox.take()
    assert left is not None
    assert left.received.id == "b1"
    assert names(inbox.close()) == ["ingest", "s3"]


def test_messages_of_one_receive_do_not_overtake_their_first_one_if_it_fails_at_once() -> None:
    inbox = Inbox()
    given_back: list[Lease] = []

    def fail() -> None:
        head = inbox.take()
        assert head is not None
        given_back.extend(inbox.done(head, settled=False))

    slot = threading.Thread(target=fail)
    slot.start()
    inbox.put(*(lease(name, "ann", FIFO) for name in ("a1", "a2", "a3")))
    slot.join(10)
    assert names(given_back) == ["a2", "a3"]
    assert inbox.close() == []


def test_closing_returns_the_waiting_messages_and_ends_the_slots() -> None:
    inbox = Inbox()
    inbox.put(lease("a", "ann"))
    assert names(inbox.close()) == ["a"]
    assert inbox.take() is None
    assert not inbox.put(lease("b", "ann"))


def test_closing_ends_a_slot_that_waits() -> None:
    inbox = Inbox()
    taken: list[Lease | None] = []
    slot = threading.Thread(target=lambda: taken.append(inbox.take()))
    slot.start()
    inbox.close()
    slot.join(10)
    assert taken == [None]
