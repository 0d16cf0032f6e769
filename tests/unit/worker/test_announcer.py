"""When events are sent, in which requests, and what becomes of a message whose event could not be sent."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from darkroom.aws.queue import BATCH, Outgoing, Received
from darkroom.errors import Unavailable
from darkroom.outbox import Announcement
from darkroom.settings import Settings
from worker import announcer
from worker.announcer import Announcer, announce_now
from worker.verdict import Bury, Delete, Leave, Retry

RECEIVED = Received(id="a", receipt_handle="a", body="", group=None, receives=1)


class EventsQueue:
    """Records what is sent in each request, and fails for some bodies."""

    def __init__(self) -> None:
        self.requests: list[list[str]] = []
        self.failing: set[str] = set()
        self.answers = threading.Event()
        self.answers.set()

    def send_batch(self, messages: Sequence[Outgoing]) -> dict[int, Unavailable]:
        self.answers.wait(30)
        self.requests.append([message.body for message in messages])
        return {n: Unavailable("SQS is down") for n, message in enumerate(messages) if message.body in self.failing}


def soon(look: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not look():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def queue() -> EventsQueue:
    return EventsQueue()


@pytest.fixture
def more() -> threading.Event:
    """Set: the worker has more work."""
    return threading.Event()


@pytest.fixture
def running(more: threading.Event, monkeypatch: pytest.MonkeyPatch) -> Iterator[Announcer]:
    monkeypatch.setattr(announcer, "WAIT", 3600.0)
    running = Announcer(more.is_set)
    thread = threading.Thread(target=running.run)
    thread.start()
    yield running
    running.close()
    thread.join(30)
    assert not thread.is_alive()


@pytest.fixture
def send(queue: EventsQueue, running: Announcer) -> Callable[..., list[Unavailable | None]]:
    """Hand over the events of one message. The list that it returns gets the outcome."""

    def send(*events: str) -> list[Unavailable | None]:
        outcome: list[Unavailable | None] = []
        running.send(announcements(queue, *events), outcome.append)
        return outcome

    return send


def announcements(queue: EventsQueue, *events: str) -> tuple[Announcement, ...]:
    to: Any = queue
    return tuple(Announcement(to, Outgoing(event, "ann", event)) for event in events)


Send = Callable[..., list[Unavailable | None]]


def test_an_event_that_nothing_follows_is_sent_at_once(queue: EventsQueue, send: Send) -> None:
    outcome = send("1")
    soon(lambda: outcome == [None])
    assert queue.requests == [["1"]]


def test_ten_events_are_one_request_while_there_is_more_work(
    queue: EventsQueue, more: threading.Event, send: Send
) -> None:
    more.set()
    outcomes = [send(str(number)) for number in range(12)]
    soon(lambda: all(outcomes[:10]))
    assert queue.requests == [[str(number) for number in range(10)]]
    assert outcomes[10:] == [[], []]


def test_what_waits_is_sent_when_nothing_more_is_to_come(
    queue: EventsQueue, more: threading.Event, running: Announcer, send: Send
) -> None:
    more.set()
    outcomes = [send("1"), send("2")]
    assert queue.requests == []
    more.clear()
    running.hurry()
    soon(lambda: all(outcomes))
    assert queue.requests == [["1", "2"]]


def test_what_waits_is_sent_when_the_worker_stops(
    queue: EventsQueue, more: threading.Event, running: Announcer, send: Send
) -> None:
    more.set()
    outcome = send("1")
    running.close()
    soon(lambda: outcome == [None])
    assert queue.requests == [["1"]]


def test_an_event_waits_for_others_only_for_a_moment(queue: EventsQueue) -> None:
    running, outcome = Announcer(lambda: True), list[Unavailable | None]()
    thread = threading.Thread(target=running.run)
    thread.start()
    running.send(announcements(queue, "1"), outcome.append)
    soon(lambda: outcome == [None])
    running.close()
    thread.join(30)


def test_a_message_is_done_when_all_its_events_are_sent(queue: EventsQueue, more: threading.Event, send: Send) -> None:
    more.set()
    first = send(*map(str, range(9)))
    second = send("9", "10")
    soon(lambda: first == [None])
    assert second == []


def test_one_event_that_fails_concerns_its_own_message_only(
    queue: EventsQueue, more: threading.Event, send: Send
) -> None:
    queue.failing = {"3"}
    more.set()
    outcomes = [send(str(number)) for number in range(10)]
    soon(lambda: all(outcomes))
    assert [str(outcome[0]) for outcome in outcomes if outcome[0]] == ["SQS is down"]
    assert outcomes[3] != [None]


def test_a_message_without_events_is_done_at_once(running: Announcer, send: Send) -> None:
    assert send() == [None]


def test_while_the_queue_does_not_answer_senders_wait_when_too_many_events_wait(
    queue: EventsQueue, running: Announcer, send: Send
) -> None:
    queue.answers.clear()
    sent = list[int]()
    sender = threading.Thread(target=lambda: [sent.append(n) for n in range(200) if send(str(n)) is not None])
    sender.start()
    soon(lambda: len(running._waiting) == announcer.MOST_WAITING)
    sender.join(0.2)
    assert len(sent) <= announcer.MOST_WAITING + BATCH
    queue.answers.set()
    sender.join(30)
    assert len(sent) == 200


def test_an_interrupt_ends_what_waits_without_sending_it(queue: EventsQueue, running: Announcer, send: Send) -> None:
    queue.answers.clear()
    first = send("0")
    soon(lambda: running._sending)
    outcomes = list[list[Unavailable | None]]()
    sender = threading.Thread(target=lambda: outcomes.extend(send(str(n)) for n in range(1, 200)))
    sender.start()
    soon(lambda: len(running._waiting) == announcer.MOST_WAITING)
    running.interrupt()
    sender.join(30)
    assert not sender.is_alive(), "it waits for room"
    queue.answers.set()
    soon(lambda: len(outcomes) == 199 and all(outcomes))
    assert {str(outcome[0]) for outcome in outcomes} == {"the worker stopped before it was sent"}
    assert (first, queue.requests) == ([None], [["0"]])


@pytest.mark.parametrize("kind", [Delete, Bury])
def test_without_an_announcer_events_are_sent_before_the_verdict(queue: EventsQueue, kind: type[Delete | Bury]) -> None:
    verdict = kind(announcements(queue, "1", "2"))
    assert announce_now(verdict, RECEIVED, Settings()) == verdict
    assert queue.requests == [["1", "2"]]
    queue.failing = {"2"}
    assert isinstance(announce_now(verdict, RECEIVED, Settings()), Retry)
    assert announce_now(Leave(), RECEIVED, Settings()) == Leave()
