"""The threads of a worker that fetch photos by URL."""

from __future__ import annotations

import threading
from typing import Any, cast

from darkroom.aws.queue import Received
from worker.fetch_threads import FetchThreads
from worker.lease import Lease


class Queue:
    fifo = False


def lease(number: int) -> Lease:
    received = Received(id=f"m{number}", receipt_handle=f"h{number}", body="", group="alice", receives=1)
    return Lease(received, cast(Any, Queue()), until=1e12)


def idle(name: str) -> threading.Thread:
    return threading.Thread(target=lambda: None, name=name)


def test_threads_start_when_messages_need_them_and_only_so_many() -> None:
    fetches = FetchThreads(2, idle)
    assert fetches.threads == []
    assert fetches.put([lease(1)])
    assert (len(fetches.threads), fetches.free) == (1, 1)
    assert fetches.put([lease(2)])
    assert (len(fetches.threads), fetches.free) == (2, 0)


def test_a_message_in_progress_counts_until_it_is_done() -> None:
    fetches = FetchThreads(1, idle)
    fetches.put([lease(1)])
    taken = fetches.inbox.take()
    assert taken is not None
    assert fetches.free == 0
    fetches.inbox.done(taken, settled=True)
    assert fetches.free == 1


def test_put_off_messages_come_back_as_fast_as_fetches_end() -> None:
    fetches = FetchThreads(2, idle)
    fetches.note_time(20)
    assert [fetches.delay() for _ in range(3)] == [10, 20, 30]
    fetches.note_time(0.1)
    assert [FetchThreads(2, idle).delay() for _ in range(2)] == [1, 1]


def test_a_long_queue_comes_back_after_the_longest_delay_at_most() -> None:
    fetches = FetchThreads(1, idle)
    fetches.note_time(600)
    assert [fetches.delay() for _ in range(3)] == [600, 900, 900]


def test_nothing_begins_when_the_worker_stops() -> None:
    fetches = FetchThreads(1, idle)
    fetches.inbox.close()
    assert not fetches.put([lease(1)])
