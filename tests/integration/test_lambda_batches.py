"""What the worker's Lambda function does with each message of a batch."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from darkroom.record.ids import new_id
from tests.support.lambda_functions import (
    FUTURE,
    MISBEHAVING,
    RESIZE,
    SHORT,
    SLEEP,
    Lambda,
    by_body,
    counts,
    is_done,
    names,
)
from tests.support.lambda_runtime import FunctionError
from tests.support.waiting import wait_until


class TestBatches:
    def test_only_unprocessed_messages_are_reported_and_redelivered_soon(
        self, aws_lambda: Lambda, picture: bytes
    ) -> None:
        stack = aws_lambda.stack
        photos = [stack.submit(picture, RESIZE) for _ in range(3)]
        stack.services.photos.send("what is this?", group="x", deduplication_id=new_id())
        stack.services.photos.send(FUTURE, group="x", deduplication_id=new_id())
        source = aws_lambda.source(aws_lambda.function())
        messages = aws_lambda.receive_all(source, 5)

        answer = source.function.invoke(source.event(messages))

        assert names(answer) == [by_body(messages, FUTURE)]
        assert all(is_done(stack, photo) for photo in photos)
        (buried,) = stack.services.photos.dead_letters.receive(10, wait=1, visibility=60)
        assert (buried.body, buried.attributes["code"]) == ("what is this?", "undecodable_message")
        # The queue itself would hide it for ten minutes.
        (back,) = wait_until("it is back", source.receive)
        assert back["MessageId"] == by_body(messages, FUTURE)
        assert {event["data"]["id"] for event in stack.events()} == {photo.id for photo in photos}

    def test_a_redelivered_message_is_only_deleted(self, aws_lambda: Lambda, picture: bytes) -> None:
        photo = aws_lambda.stack.submit(picture, RESIZE)
        source = aws_lambda.source(aws_lambda.function())
        event = source.event(aws_lambda.receive_all(source, 1))
        assert [names(source.function.invoke(event)) for _ in range(2)] == [[], []]
        (job,) = aws_lambda.stack.look(photo).jobs.values()
        assert (job.status, job.attempts) == ("succeeded", 1)
        assert source.function.starts == 1, "the second one was to find a warm environment"

    def test_a_fifo_group_stops_at_its_first_failure(self, make_lambda: Callable[..., Lambda], picture: bytes) -> None:
        aws_lambda = make_lambda(DARKROOM_QUEUE_TYPE="fifo")
        stack = aws_lambda.stack
        before = stack.submit(picture, RESIZE, owner="ann")
        stack.services.photos.send(FUTURE, group="ann", deduplication_id=new_id())
        behind = stack.submit(picture, RESIZE, owner="ann")
        other = stack.submit(picture, RESIZE, owner="bob")
        source = aws_lambda.source(aws_lambda.function())
        messages = aws_lambda.receive_all(source, 4)

        answer = source.function.invoke(source.event(messages))

        assert names(answer) == [by_body(messages, FUTURE), by_body(messages, behind.id)]
        assert is_done(stack, before)
        assert is_done(stack, other)
        (job,) = stack.look(behind).jobs.values()
        assert (job.status, job.attempts) == ("queued", 0)
        source.sqs.delete_message_batch(
            QueueUrl=source.queue_url,
            Entries=[
                {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]}
                for number, message in enumerate(messages)
                if message["MessageId"] not in names(answer)
            ],
        )
        back = aws_lambda.receive_all(source, 2)
        assert [message["MessageId"] for message in back] == names(answer), "in their order"

    def test_a_message_that_another_worker_has_claimed_is_neither_deleted_nor_given_back(
        self, aws_lambda: Lambda, picture: bytes
    ) -> None:
        stack = aws_lambda.stack
        photo = stack.submit(picture, SLEEP)
        (order,) = photo.orders
        source = aws_lambda.source(aws_lambda.function(program=MISBEHAVING, timeout=SHORT))
        messages = aws_lambda.receive_all(source, 1)
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(source.function.invoke, source.event(messages))
            stack.wait_in_progress(photo)
            message = messages[0]["MessageId"]
            stack.services.table.update(photo.id, lambda record: record.claim(order, 5, 90, 300, message))
            assert names(answer.result()) == [message]
        assert [entry["verdict"] for entry in aws_lambda.logged("order.handled")] == ["leave"]
        assert counts(stack.services.photos) == (0, 1)

    def test_a_queue_that_is_not_ours_is_refused(self, aws_lambda: Lambda, picture: bytes) -> None:
        aws_lambda.stack.submit(picture, RESIZE)
        source = aws_lambda.source(aws_lambda.function(DARKROOM_STACK="another"))
        source.poll()
        (error,) = source.answers
        assert isinstance(error, FunctionError)
        assert "this deployment has no queue " in str(error)
        assert "connect one of another-photos, another-photo-ingest, another-photo-webhooks" in str(error)
        assert counts(aws_lambda.stack.services.photos) == (0, 1)
