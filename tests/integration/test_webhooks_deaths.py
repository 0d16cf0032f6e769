"""A worker that dies at any point of a delivery leaves the webhook to another worker."""

from __future__ import annotations

from typing import Literal

import pytest

from tests.support.exhaustive import matrix
from tests.support.faulty import Fault
from tests.support.hooked import SOON_BACK, Hooked, delivered, let_worker_die
from tests.support.stack import QUICK_LEASE

NOTE = "darkroom.record.photo:PhotoRecord.note_delivery"
POST = "worker.webhooks.sender:WebhookSender._post"
SEND = "darkroom.aws.queue:Queue.send"
SEND_BATCH = "darkroom.aws.queue:Queue.send_batch"
DELETE = "darkroom.aws.queue:Queue.delete"
WEBHOOKS = "-photo-webhooks"

BEGIN = "darkroom.record.photo:PhotoRecord.begin_delivery"

DEATHS = {
    "record-written-no-webhook-sent": Fault(SEND_BATCH, "before", queue=WEBHOOKS),
    "webhook-sent-order-not-deleted": Fault(SEND_BATCH, "after", queue=WEBHOOKS),
    "attempt-not-yet-taken": Fault(BEGIN, "before"),
    "attempt-taken-not-yet-delivered": Fault(POST, "before"),
    "delivered-not-written-down": Fault(NOTE, "before"),
    "written-down-not-deleted": Fault(DELETE, "before", queue=WEBHOOKS),
}


class TestDeaths:
    @pytest.mark.parametrize(
        "fault",
        matrix(
            [pytest.param(fault, id=name) for name, fault in DEATHS.items()],
            keep=["record-written-no-webhook-sent", "delivered-not-written-down"],
        ),
    )
    def test_a_worker_that_dies_leaves_a_webhook_to_another(self, hooked: Hooked, fault: Fault) -> None:
        photo = hooked.submit()
        environ = hooked.stack.environ | QUICK_LEASE | SOON_BACK
        let_worker_die(hooked, fault, environ)
        hooked.worker()
        hooked.wait_for(photo, "delivered", delivered)
        assert {got.id for got in hooked.receiver.got} == {photo.event_id("photo.completed")}
        hooked.stack.wait_until_empty()
        hooked.wait_until_empty()

    @pytest.mark.parametrize("when", matrix(["before", "after"], keep=["before"]))
    def test_one_that_dies_between_a_failure_and_the_next_attempt(
        self, hooked: Hooked, when: Literal["before", "after"]
    ) -> None:
        hooked.receiver.answers.append((500, {}))
        photo = hooked.ended()
        hooked.stack.services.outbox.announce(photo)
        fault = Fault(SEND, when, queue=WEBHOOKS)
        environ = hooked.stack.environ | SOON_BACK | {"DARKROOM_LEASE": "21600"}  # which says nothing of webhooks
        let_worker_die(hooked, fault, environ)
        assert hooked.delivery(photo) is not None
        hooked.worker()
        assert hooked.wait_for(photo, "delivered", delivered).attempts == 2
        hooked.wait_until_empty()
        assert len(hooked.receiver.got) == 2
