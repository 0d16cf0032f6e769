"""Dead letters: what becomes of them in the records, in the queue, and when they are sent again."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from darkroom.aws.queue import Received
from darkroom.errors import AttemptsExhausted, Conflict, MessageGivenUp, NotFound, Unavailable
from darkroom.record.clock import now
from darkroom.record.messages import OrderMessage
from darkroom.record.photo import PhotoRecord
from darkroom.redrive import DeadLetters
from tests.support.stack import Stack
from tests.support.waiting import wait_until
from worker.sweep.dead_letter_queue import FAILURES, DeadLetterSweep

RESIZE = {"type": "resize", "width": 160}
METADATA = {"type": "metadata"}
OFTEN = {"DARKROOM_SWEEP_INTERVAL": "0.5"}


@pytest.fixture(params=["standard", "fifo"])
def either(request: pytest.FixtureRequest, make_stack: Callable[..., Stack]) -> Stack:
    return make_stack(DARKROOM_QUEUE_TYPE=request.param)


def only_order(photo: PhotoRecord) -> str:
    (order,) = photo.orders
    return order


def bury(stack: Stack, picture: bytes, owner: str = "default") -> PhotoRecord:
    """A dead letter as a worker leaves it: the record, and the copy in the dead-letter queue."""
    photo = stack.record(picture, [RESIZE, METADATA], owner)
    stack.services.table.create(photo)
    stack.store(photo, picture)
    order = only_order(photo)
    photo, claim = stack.services.table.update(photo.id, lambda record: record.claim(order, 5, 90, 300))
    error = AttemptsExhausted("tried 5 times")
    body = OrderMessage.of(photo, order).model_dump_json()
    received = Received(id=photo.id, receipt_handle="", body=body, group=owner, receives=5)
    stack.services.photos.bury(received, error.code, error.detail, claim.fence)
    return stack.services.table.update(photo.id, lambda record: record.bury(claim, error))[0]


def let_sqs_give_up(stack: Stack, more: int = 0) -> None:
    """Receive without deleting until SQS moves the messages to the dead letters."""
    sqs, photos = stack.services.clients.sqs, stack.services.photos
    arn = sqs.get_queue_attributes(QueueUrl=photos.dead_letters.url, AttributeNames=["QueueArn"])
    policy = {"deadLetterTargetArn": arn["Attributes"]["QueueArn"], "maxReceiveCount": 1}
    sqs.set_queue_attributes(QueueUrl=photos.url, Attributes={"RedrivePolicy": json.dumps(policy)})

    def moved() -> bool:
        received = photos.receive(10, wait=0, visibility=5)
        photos.set_visibility({message.receipt_handle: 0 for message in received})
        return photos.dead_letters.depth().visible > more and not received

    wait_until("SQS has moved it", moved)


def in_dead_letter_queue(stack: Stack) -> list[Received]:
    """What lies in the dead-letter queue; it stays there."""
    queue = stack.services.photos.dead_letters
    found = queue.receive(10, wait=1, visibility=30)
    queue.set_visibility({message.receipt_handle: 0 for message in found})
    return found


def wait_until_queue_has_none(stack: Stack) -> None:
    depth = stack.services.photos.dead_letters.depth

    def none() -> bool:
        counts = depth()
        return counts.visible == counts.in_flight == 0

    wait_until("no dead letter is left in the queue", none)


def swept(stack: Stack, owner: str) -> None:
    """Have a worker sweep the dead-letter queue from end to end, and stop it: then it holds no message any more."""
    worker = stack.worker(**OFTEN)
    for number in range(2):
        stray = stack.record(b"", [METADATA], owner)
        body = OrderMessage.of(stray, only_order(stray)).model_dump_json()
        stack.services.photos.dead_letters.send(body, owner, f"s{number}")
        wait_until("the sweep has come by", lambda stray=stray: copies_of(stack, stray))
    worker.send(signal.SIGTERM)
    assert worker.wait() == 0


def copies_of(stack: Stack, photo: PhotoRecord) -> list[Received]:
    return [found for found in in_dead_letter_queue(stack) if photo.id in found.body and "code" in found.attributes]


class TestARedrive:
    def test_is_carried_out_with_fresh_attempts(self, either: Stack, picture: bytes) -> None:
        photo = bury(either, picture)
        DeadLetters(either.services, "default").redrive(photo.id, only_order(photo))
        either.worker(**OFTEN)
        ended = either.wait_for(photo)
        assert ended.status == "succeeded"
        assert {job.attempts for job in ended.jobs.values()} == {1}
        assert ended.orders[only_order(photo)].redrives[0].code == "attempts_exhausted"
        (event,) = wait_until("the event is there", either.events)
        assert event["id"] == ended.event_id("photo.completed") != photo.event_id("photo.completed")
        wait_until_queue_has_none(either)  # the copy of the message has served

    def test_whose_message_was_never_sent_is_sent_by_the_sweep(self, stack: Stack, picture: bytes) -> None:
        photo = bury(stack, picture)

        def redrive_and_die(record: PhotoRecord) -> None:
            record.redrive(only_order(photo), 300)
            record.orders[only_order(photo)].due_at = now() - timedelta(seconds=1)

        stack.services.table.update(photo.id, redrive_and_die)
        worker = stack.worker(**OFTEN)
        assert stack.wait_for(photo).status == "succeeded"
        assert worker.logged("sweep.resent")

    def test_is_there_although_sqs_is_not(self, stack: Stack, picture: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
        photo = bury(stack, picture)
        url = stack.services.photos.url
        monkeypatch.setitem(vars(stack.services.photos), "url", url + "-gone")
        redriven, sent = DeadLetters(stack.services, None).redrive(photo.id, only_order(photo))
        assert not sent
        assert redriven.due_at is not None  # so that the sweep sends it
        assert stack.receive(stack.services.photos.dead_letters)

    def test_that_comes_twice_does_no_harm(self, stack: Stack, picture: bytes) -> None:
        photo = bury(stack, picture)
        letters = DeadLetters(stack.services, None)
        redriven, _ = letters.redrive(photo.id, only_order(photo))
        with pytest.raises(Conflict):
            letters.redrive(photo.id, only_order(photo))
        stack.services.outbox.send_order(redriven, only_order(photo))  # as the sweep may have done in between
        stack.worker()
        ended = stack.wait_for(photo)
        stack.wait_until_empty()
        assert ended.status == "succeeded"
        assert {event["id"] for event in stack.events()} == {ended.event_id("photo.completed")}


class TestWhatSqsGaveUp:
    def test_ends_with_a_reason_and_its_event(self, either: Stack, picture: bytes) -> None:
        photo = either.submit(picture, RESIZE)
        either.services.table.update(
            photo.id,
            lambda record: record.postpone(
                record.claim(only_order(photo), 5, 90, 300), Unavailable("S3 was down"), True, 1, 300
            ),
        )
        let_sqs_give_up(either)
        worker = either.worker(**OFTEN)
        ended = either.wait_for(photo)
        (job,) = ended.jobs.values()
        assert (job.status, job.errors[-1].code) == ("failed", "message_given_up")
        assert "after 1 receives, 1 of them attempts; the last error was: S3 was down" in job.errors[-1].detail
        assert [dead.id for dead in DeadLetters(either.services, "default").all()] == [
            f"{photo.id}/{only_order(ended)}"
        ]
        assert [event["id"] for event in wait_until("the event comes", either.events)] == [
            ended.event_id("photo.completed")
        ]
        (copy,) = wait_until("the message is marked", lambda: copies_of(either, photo))
        assert copy.attributes["code"] == "message_given_up"
        assert len(worker.logged("dead_letter.found")) == 1

    def test_can_be_redriven(self, either: Stack, picture: bytes) -> None:
        photo = either.submit(picture, RESIZE)
        let_sqs_give_up(either)
        either.worker(**OFTEN)
        either.wait_for(photo)
        wait_until("the message is marked", lambda: copies_of(either, photo))
        DeadLetters(either.services, None).redrive(photo.id, only_order(photo))
        assert either.wait_for(photo).status == "succeeded"
        wait_until_queue_has_none(either)

    def test_is_finished_when_its_sweep_died_after_the_record(self, stack: Stack, picture: bytes) -> None:
        photo = stack.submit(picture, RESIZE)
        let_sqs_give_up(stack)
        stack.services.table.update(
            photo.id, lambda record: record.bury_abandoned(only_order(photo), 1, MessageGivenUp("after 1 receive"))
        )
        stack.worker(**OFTEN)
        (event,) = wait_until("the event comes", stack.events)
        assert event["data"]["status"] == "failed"
        wait_until("the message is marked", lambda: copies_of(stack, photo))
        assert len(in_dead_letter_queue(stack)) == 1

    def test_and_had_ended_is_announced_and_removed(self, stack: Stack, picture: bytes) -> None:
        photo = stack.submit(picture, RESIZE)
        let_sqs_give_up(stack)
        ended, _ = stack.services.table.update(photo.id, lambda record: record.cancel())
        stack.worker(**OFTEN)
        wait_until_queue_has_none(stack)
        assert stack.look(photo) == ended
        assert [event["id"] for event in stack.events()] == [ended.event_id("photo.completed")]

    def test_and_was_sent_again_is_not_given_up(self, stack: Stack, picture: bytes) -> None:
        photo = stack.submit(picture, RESIZE)
        let_sqs_give_up(stack)

        def overdue_and_resent(record: PhotoRecord) -> None:
            record.orders[only_order(photo)].due_at = now() - timedelta(seconds=1)
            record.order(only_order(photo)).resend(300)

        stack.services.table.update(photo.id, overdue_and_resent)
        stack.worker(**OFTEN)
        wait_until_queue_has_none(stack)
        assert stack.look(photo).counts == {"queued": 1}

    def test_and_has_no_record_is_marked_and_left(self, stack: Stack, picture: bytes) -> None:
        photo = stack.record(picture, [RESIZE])
        stack.services.outbox.send_order(photo, only_order(photo))
        let_sqs_give_up(stack)
        stack.worker(**OFTEN)
        (copy,) = wait_until("it is marked", lambda: copies_of(stack, photo))
        assert copy.attributes["code"] == "not_found"


class TestOneThatCannotBeLookedAfter:
    """SQS refuses the copy of one message each time; another kind of error has the same end."""

    @pytest.mark.parametrize("error", [Unavailable("it is too long"), ZeroDivisionError()], ids=["aws", "unexpected"])
    def test_does_not_hold_up_the_others(
        self, stack: Stack, picture: bytes, monkeypatch: pytest.MonkeyPatch, error: Exception
    ) -> None:
        photos = [stack.record(picture, [RESIZE]) for _ in range(4)]
        for photo in photos:
            moved_by_sqs(stack, photo)
        tried = refuse_copies(stack, monkeypatch, [photos[0]], error)
        sweep = DeadLetterSweep(stack.services, threading.Event())
        wait_until("the others are marked", lambda: sweep.sweep() or all(copies_of(stack, one) for one in photos[1:]))
        assert tried == [photos[0].id], "it has to wait until the others had their turn"
        assert copies_of(stack, photos[0]) == []
        assert stack.services.photos.dead_letters.depth().in_flight == 1

    def test_many_of_them_end_the_sweep(self, stack: Stack, picture: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
        photos = [stack.record(picture, [RESIZE]) for _ in range(2 * FAILURES)]
        for photo in photos:
            moved_by_sqs(stack, photo)
        tried = refuse_copies(stack, monkeypatch, photos, Unavailable("SQS is down"))
        sweep = DeadLetterSweep(stack.services, threading.Event())

        def swept() -> bool:
            try:
                sweep.sweep()
            except Unavailable:
                return True
            return False

        wait_until("the sweep gives up", swept)
        assert len(tried) == FAILURES


def moved_by_sqs(stack: Stack, photo: PhotoRecord) -> None:
    """A message as SQS leaves it with the dead letters; there is no record."""
    body = OrderMessage.of(photo, only_order(photo)).model_dump_json()
    stack.services.photos.dead_letters.send(body, photo.owner, photo.id)


def refuse_copies(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, photos: list[PhotoRecord], error: Exception
) -> list[str]:
    """Returns the ids of those that were refused so far."""
    refused: list[str] = []
    bury = stack.services.photos.bury

    def refuse(received: Received, code: str, reason: str) -> None:
        photo_id = json.loads(received.body)["photo"]
        if photo_id in [photo.id for photo in photos]:
            refused.append(photo_id)
            raise error
        bury(received, code, reason)

    monkeypatch.setattr(stack.services.photos, "bury", refuse)
    return refused


class TestTheQueueAndTheRecords:
    """The copies in the dead-letter queue are those of the dead letters, no more and no fewer."""

    def test_a_dead_letter_keeps_its_copy(self, either: Stack, picture: bytes) -> None:
        photo = bury(either, picture)
        either.services.photos.dead_letters.send("what is this?", "ann", "1")
        swept(either, "bob")
        assert len(copies_of(either, photo)) == 1
        assert "what is this?" in [found.body for found in in_dead_letter_queue(either)]

    @pytest.mark.parametrize("end", ["purged", "deleted", "claimed by another"])
    def test_a_copy_that_stands_for_none_is_removed(self, stack: Stack, picture: bytes, end: str) -> None:
        photo = bury(stack, picture)
        order = only_order(photo)
        match end:
            case "purged":
                DeadLetters(stack.services, None).purge(photo.id, order)
            case "deleted":
                stack.services.table.update(photo.id, lambda record: record.delete())
            case _:  # a copy of a burial that was never written down

                def claimed(record: PhotoRecord) -> None:
                    record.redrive(order, 300)
                    record.claim(order, 5, 90, 300)

                stack.services.table.update(photo.id, claimed)
        stack.worker(**OFTEN)
        wait_until_queue_has_none(stack)

    def test_more_than_one_sweep_reads_are_all_looked_at(self, either: Stack, picture: bytes) -> None:
        kept = bury(either, picture)
        for number in range(130):
            either.services.photos.dead_letters.send("what is this?", f"owner-{number}", str(number))
        gone = bury(either, picture)
        DeadLetters(either.services, None).purge(gone.id, only_order(gone))
        either.worker(**OFTEN)

        def agree() -> bool:
            depth = either.services.photos.dead_letters.depth()
            return depth.visible + depth.in_flight == 131

        wait_until("the copy is removed", agree)
        assert either.look(kept).dead_letter_at is not None


class TestTheList:
    def test_is_an_owners_the_latest_first(self, stack: Stack, picture: bytes) -> None:
        mine = [bury(stack, picture, "ann") for _ in range(5)][::-1]
        bury(stack, picture, "bob")
        table = stack.services.table
        found, cursor = table.list_dead_letters("ann", 3)
        assert [photo.id for photo in found] == [photo.id for photo in mine[:3]]
        rest, _ = table.list_dead_letters("ann", 3, cursor)
        assert [photo.id for photo in rest] == [photo.id for photo in mine[3:]]
        assert len(list(DeadLetters(stack.services, None).all())) == 6

    def test_goes_on_where_it_was_although_what_it_named_is_gone(self, stack: Stack, picture: bytes) -> None:
        mine = [bury(stack, picture, "ann") for _ in range(4)][::-1]
        letters = DeadLetters(stack.services, "ann")
        _, cursor = letters.page(2)
        for photo in mine[:2]:
            letters.redrive(photo.id, only_order(photo))
        found, _ = letters.page(2, cursor)
        assert [photo.id for photo in found] == [photo.id for photo in mine[2:]]

    def test_knows_the_latest_of_all(self, stack: Stack, picture: bytes) -> None:
        photos = [bury(stack, picture, owner) for owner in ("ann", "bob", "cid")]
        total, latest = DeadLetters(stack.services, None).latest(2, "attempts_exhausted")
        assert total == 3
        assert [dead.photo.id for dead in latest] == [photo.id for photo in photos[::-1][:2]]
        assert DeadLetters(stack.services, None).latest(2, "out_of_memory") == (0, [])

    def test_does_not_reach_into_anothers(self, stack: Stack, picture: bytes) -> None:
        photo = bury(stack, picture, "ann")
        bob: Any = DeadLetters(stack.services, "bob")
        for attempt in (bob.get, bob.redrive, bob.purge):
            with pytest.raises(NotFound):
                attempt(photo.id, only_order(photo))
