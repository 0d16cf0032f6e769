"""The worker's Lambda functions for direct uploads, webhooks and the sweep."""

from __future__ import annotations

import json
from datetime import timedelta

from darkroom.record.clock import now
from darkroom.record.delivery import Callback
from darkroom.record.keys import upload_key
from darkroom.record.messages import WebhookMessage
from darkroom.record.photo import PhotoRecord
from tests.support.ingesting import await_fetch, await_upload, notification, put, record_of, send
from tests.support.lambda_functions import (
    RESIZE,
    SWEEP,
    Lambda,
    by_body,
    counts,
    is_done,
    names,
)
from tests.support.photo_source import PhotoSource
from tests.support.receiver import Receiver
from tests.support.stack import Stack
from tests.support.waiting import wait_until


class TestIngest:
    def test_a_direct_upload_becomes_a_photo(self, aws_lambda: Lambda, picture: bytes) -> None:
        stack = aws_lambda.stack
        photo = await_upload(stack.services)
        put(stack.services, upload_key(photo.id), picture)
        send(stack.services, notification(record_of(stack.services, upload_key(photo.id))))
        send(stack.services, "what is this?")
        source = aws_lambda.source(aws_lambda.function(), stack.services.ingest)
        with source.running():
            stack.wait_for(photo)
            wait_until("the queue is empty", lambda: counts(stack.services.ingest) == (0, 0))
        assert is_done(stack, photo)
        (buried,) = stack.services.ingest.dead_letters.receive(10, wait=1, visibility=60)
        assert buried.body == "what is this?"

    def test_a_photo_by_url_is_fetched(self, aws_lambda: Lambda, picture: bytes) -> None:
        stack = aws_lambda.stack
        with PhotoSource({"/photo": (200, {}, picture)}) as photos:
            photo = await_fetch(stack.services, photos.url("/photo"))
            stack.services.outbox.send_fetch(photo)
            function = aws_lambda.function(DARKROOM_FETCH_PRIVATE_HOSTS=photos.host)
            source = aws_lambda.source(function, stack.services.ingest)
            with source.running():
                stack.wait_for(photo)
                wait_until("the queue is empty", lambda: counts(stack.services.ingest) == (0, 0))
        assert is_done(stack, stack.look(photo))
        assert stack.services.workers.activity().workers >= 1


class TestWebhooks:
    SECRET = "whsec_" + "c2VjcmV0IHRoYXQgaXMgbG9uZyBlbm91Z2ghISE="

    def photo(self, stack: Stack, receiver: Receiver, picture: bytes) -> PhotoRecord:
        """A photo that has ended, with its webhook on the queue."""
        photo = stack.record(picture, [RESIZE], callback=Callback(url=receiver.url))
        photo.cancel()
        stack.services.table.create(photo)
        stack.services.outbox.send_webhook(WebhookMessage.of(photo, 1))
        return photo

    def test_each_webhook_is_delivered_once_or_scheduled_for_its_next_attempt(
        self, aws_lambda: Lambda, receiver: Receiver, picture: bytes
    ) -> None:
        stack, queue = aws_lambda.stack, aws_lambda.stack.services.webhooks
        receiver.answers.append((500, {"Retry-After": "800"}))
        photos = [self.photo(stack, receiver, picture) for _ in range(3)]
        queue.send("hello", group="x", deduplication_id="")
        queue.send(json.dumps({"v": 2}), group="x", deduplication_id="")
        function = aws_lambda.function(
            DARKROOM_WEBHOOK_SECRET=self.SECRET, DARKROOM_WEBHOOK_PRIVATE_HOSTS=receiver.host
        )
        source = aws_lambda.source(function, queue)
        messages = aws_lambda.receive_all(source, 5)

        answer = function.invoke(source.event(messages))

        assert names(answer) == [by_body(messages, '{"v": 2}')]
        assert {got.id for got in receiver.got} == {photo.event_id("photo.completed") for photo in photos}
        deliveries = [stack.look(photo).delivery(1) for photo in photos]
        assert sorted(delivery.delivered_at is None for delivery in deliveries if delivery) == [False, False, True]
        wait_until("the next attempt waits", lambda: queue.depth().delayed == 1)
        (buried,) = queue.dead_letters.receive(10, wait=1, visibility=60)
        assert buried.body == "hello"

    def test_webhooks_wait_while_there_is_no_secret(
        self, aws_lambda: Lambda, receiver: Receiver, picture: bytes
    ) -> None:
        self.photo(aws_lambda.stack, receiver, picture)
        source = aws_lambda.source(aws_lambda.function(), aws_lambda.stack.services.webhooks)
        source.poll()
        assert "webhooks cannot be signed: set DARKROOM_WEBHOOK_SECRET" in str(source.answers[0])
        assert counts(aws_lambda.stack.services.webhooks) == (0, 1)


def test_the_sweep_is_a_function_too(aws_lambda: Lambda, picture: bytes) -> None:
    stack = aws_lambda.stack
    photo = stack.record(picture, [RESIZE])
    for order in photo.orders.values():
        order.due_at = now() - timedelta(hours=1)
    stack.services.table.create(photo)
    stack.store(photo, picture)

    assert aws_lambda.function(SWEEP).invoke({"source": "aws.scheduler"}) is None

    assert [entry["finished"] for entry in aws_lambda.logged("sweep.done")] == [True]
    (message,) = aws_lambda.stack.receive(stack.services.photos)
    assert json.loads(message)["photo"] == photo.id
