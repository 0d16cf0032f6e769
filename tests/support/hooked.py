"""A deployment whose webhooks go to a receiver of the test, and their state in the record."""

from __future__ import annotations

import signal
from collections.abc import Callable

from darkroom.aws.queue import Queue, Received
from darkroom.record.clock import now
from darkroom.record.delivery import Callback, Delivery
from darkroom.record.messages import WebhookMessage
from darkroom.record.photo import PhotoRecord
from tests.support.faulty import Fault, start
from tests.support.receiver import Receiver
from tests.support.stack import Stack
from tests.support.waiting import PATIENCE, wait_until
from tests.support.worker_process import WorkerProcess

MASTER = "whsec_" + "A" * 43 + "="
RESIZE = {"type": "resize", "width": 160}

SOON_BACK = {"DARKROOM_WEBHOOK_TIMEOUT": "2", "DARKROOM_AWS_TIMEOUT": "3"}
"""So that the webhook of a killed worker is."""


class Hooked:
    """A deployment whose webhooks may go to a receiver of the test."""

    def __init__(self, stack: Stack, receiver: Receiver, picture: bytes) -> None:
        self.stack = stack
        self.receiver = receiver
        self.picture = picture
        self.queue = stack.services.webhooks

    def worker(self, **variables: str) -> WorkerProcess:
        return self.stack.worker(**variables)

    def submit(self, url: str | None = None, owner: str = "default") -> PhotoRecord:
        photo = self.stack.record(self.picture, [RESIZE], owner, callback=Callback(url=url or self.receiver.url))
        self.stack.services.table.create(photo)
        self.stack.store(photo, self.picture)
        self.stack.services.outbox.send_order(photo, min(photo.orders))
        return photo

    def ended(self, url: str | None = None, owner: str = "default") -> PhotoRecord:
        """A photo that has ended, and of whose end no webhook was sent."""
        photo = self.stack.record(self.picture, [RESIZE], owner, callback=Callback(url=url or self.receiver.url))
        photo.cancel()
        self.stack.services.table.create(photo)
        return photo

    def delivery(self, photo: PhotoRecord, generation: int = 1) -> Delivery | None:
        callback = self.stack.look(photo).callback
        assert callback is not None
        return callback.deliveries.get(generation)

    def wait_for(self, photo: PhotoRecord, what: str, look: Callable[[Delivery], object]) -> Delivery:
        def seen() -> Delivery | None:
            delivery = self.delivery(photo)
            return delivery if delivery and look(delivery) else None

        return wait_until(f"the webhook is {what}", seen)

    def wait_until_empty(self) -> None:
        def empty() -> bool:
            depth = self.queue.depth()
            return depth.visible == depth.in_flight == depth.delayed == 0

        wait_until("the queue of webhooks is empty", empty)

    def messages(self) -> tuple[int, int, int]:
        """How many messages are visible, in flight, and delayed."""
        depth = self.queue.depth()
        return depth.visible, depth.in_flight, depth.delayed

    def make_due(self, photo: PhotoRecord) -> None:
        """Move the time of the next attempt to now."""

        def due(record: PhotoRecord) -> None:
            assert record.callback is not None
            delivery = record.callback.deliveries[1]
            if delivery.next_at:
                delivery.next_at = now()

        self.stack.services.table.update(photo.id, due)

    def dead_letters(self) -> Queue:
        return self.queue.dead_letters


def let_worker_die(hooked: Hooked, fault: Fault, environ: dict[str, str]) -> None:
    process = start("worker", [fault], environ, hooked.stack.directory / "dies.log")
    try:
        assert process.wait(PATIENCE) == -signal.SIGKILL
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def as_received(message: WebhookMessage) -> Received:
    """A message as if it had been received; it is in no queue."""
    return Received(id=message.id, receipt_handle="x", body=message.model_dump_json(), group=message.owner, receives=1)


def delivered(delivery: Delivery) -> object:
    return delivery.delivered_at


def given_up(delivery: Delivery) -> object:
    return delivery.given_up_at


def tried(delivery: Delivery) -> object:
    return delivery.attempts
