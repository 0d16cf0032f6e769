"""The webhook of a batch: one, when all its photos have ended, delivered as those of photos are."""

from __future__ import annotations

import json

import pytest
from standardwebhooks import Webhook

from darkroom.record.delivery import Callback
from darkroom.record.photo import PhotoRecord
from darkroom.record.photo_batch import Batch
from darkroom.webhooks.signing import secrets_of
from tests.support.exhaustive import matrix
from tests.support.faulty import Fault
from tests.support.hooked import RESIZE, SOON_BACK, Hooked, let_worker_die
from tests.support.photo_batches import delivery_of, look, send_orders, write_batch
from tests.support.stack import QUICK_LEASE
from tests.support.waiting import wait_until

POST = "worker.webhooks.sender:WebhookSender._post"
SEND = "darkroom.aws.queue:Queue.send"
WEBHOOKS = "-photo-webhooks"
NOTE = "darkroom.record.photo_batch:Batch.note_delivery"


def submit(hooked: Hooked) -> Batch:
    batch, photos = write_batch(hooked.stack, hooked.picture, [RESIZE], callback=hooked.receiver.url)
    send_orders(hooked.stack, *photos)
    return batch


def wait_until_delivered(hooked: Hooked, batch: Batch) -> None:
    def delivered() -> object:
        delivery = delivery_of(hooked.stack, batch)
        return delivery and delivery.delivered_at

    wait_until("the webhook of the batch is delivered", delivered)
    hooked.wait_until_empty()


def test_it_comes_once_and_signed_beside_those_of_the_photos(hooked: Hooked) -> None:
    batch, photos = write_batch(hooked.stack, hooked.picture, [RESIZE], callback=hooked.receiver.url)
    for photo in photos:

        def add_callback(record: PhotoRecord) -> None:
            record.callback = Callback(url=hooked.receiver.url)

        hooked.stack.services.table.update(photo.id, add_callback)
    send_orders(hooked.stack, *photos)
    hooked.worker()

    wait_until_delivered(hooked, batch)
    wait_until("those of the photos came, too", lambda: len(hooked.receiver.got) == 3)

    (got,) = (one for one in hooked.receiver.got if json.loads(one.body)["type"] == "batch.completed")
    (secret,) = secrets_of("default", hooked.stack.services.settings.webhook_secret)  # type: ignore[arg-type]
    event = Webhook(secret).verify(got.body, got.headers)
    assert got.id == event["id"] == batch.event_id(1)
    assert (event["data"]["id"], event["data"]["photos"]) == (batch.id, [photo.id for photo in photos])
    assert event["data"]["counts"] == {"succeeded": 2}
    assert event in hooked.stack.events()


def test_a_failure_is_tried_again_under_the_same_id(hooked: Hooked) -> None:
    hooked.receiver.answers.append((500, {}))
    batch = submit(hooked)
    hooked.worker()

    wait_until_delivered(hooked, batch)

    assert [got.id for got in hooked.receiver.got] == [batch.event_id(1)] * 2
    delivery = delivery_of(hooked.stack, batch)
    assert delivery is not None
    assert delivery.attempts == 2


def test_one_that_the_receiver_does_not_want_is_given_up_with_the_reason(hooked: Hooked) -> None:
    hooked.receiver.answers.append((410, {}))
    batch = submit(hooked)
    hooked.worker()

    def given_up() -> object:
        delivery = delivery_of(hooked.stack, batch)
        return delivery and delivery.given_up_at and delivery

    delivery = wait_until("it is given up", given_up)
    assert delivery.last_error == "the receiver answered 410 Gone"  # type: ignore[attr-defined]
    hooked.wait_until_empty()


DEATHS = {
    "end-written-no-webhook-sent": Fault(SEND, "before", queue=WEBHOOKS),
    "webhook-sent-not-noted": Fault(SEND, "after", queue=WEBHOOKS),
    "attempt-taken-not-yet-delivered": Fault(POST, "before"),
    "delivered-not-written-down": Fault(NOTE, "before"),
}


@pytest.mark.parametrize(
    "fault",
    matrix(
        [pytest.param(fault, id=name) for name, fault in DEATHS.items()],
        keep=["end-written-no-webhook-sent", "delivered-not-written-down"],
    ),
)
def test_a_worker_that_dies_leaves_it_to_another(hooked: Hooked, fault: Fault) -> None:
    batch = submit(hooked)
    let_worker_die(hooked, fault, hooked.stack.environ | QUICK_LEASE | SOON_BACK)
    hooked.worker(DARKROOM_SWEEP_INTERVAL="0.5")

    wait_until_delivered(hooked, batch)

    assert {got.id for got in hooked.receiver.got} == {batch.event_id(1)}
    wait_until("the batch knows", lambda: look(hooked.stack, batch).due_at is None)
