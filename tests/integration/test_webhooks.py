"""Webhooks from end to end: real workers, real receivers, and the record that says what became of each."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from datetime import datetime, timedelta

from pydantic import SecretStr
from standardwebhooks import Webhook

from darkroom.record.clock import now
from darkroom.record.messages import WebhookMessage
from darkroom.record.photo import PhotoRecord
from darkroom.webhooks.signing import secrets_of
from tests.support.fault_proxy import FaultProxy
from tests.support.hooked import MASTER, Hooked, as_received, delivered, given_up, tried
from tests.support.receiver import Receiver
from tests.support.waiting import wait_until
from worker.webhooks.schedule import SCHEDULE
from worker.webhooks.sender import WebhookSender


class TestDelivery:
    def test_after_an_outage_of_sqs_it_goes_on_soon_however_long_retries_wait(
        self, hooked: Hooked, endpoint: str
    ) -> None:
        hooked.stack.services.outbox.send_webhook(WebhookMessage.of(hooked.ended(), 1))

        with FaultProxy(endpoint) as proxy:
            with proxy.down():
                worker = hooked.worker(
                    AWS_ENDPOINT_URL_SQS=proxy.url, DARKROOM_BACKOFF_BASE="900", DARKROOM_AWS_TIMEOUT="1"
                )
                wait_until("it has tried twice", lambda: len(worker.logged("queue.unavailable")) >= 2)
            wait_until("the receiver was told", lambda: hooked.receiver.got)
            worker.stop()

        assert max(pause["pause"] for pause in worker.logged("queue.unavailable")) <= 30

    def test_the_receiver_verifies_it_with_the_secret_of_the_owner(self, hooked: Hooked) -> None:
        photo = hooked.submit(owner="ann")
        hooked.worker()
        assert hooked.wait_for(photo, "delivered", delivered).attempts == 1
        hooked.wait_until_empty()
        (got,) = hooked.receiver.got
        printed = subprocess.run(
            [sys.executable, "-m", "darkroom", "webhook-secret", "ann"],
            env=hooked.stack.environ,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        event = Webhook(printed.strip()).verify(got.body, got.headers)
        assert (event["type"], event["data"]["id"], event["data"]["status"]) == (
            "photo.completed",
            photo.id,
            "succeeded",
        )
        assert got.id == event["id"] == photo.event_id("photo.completed")
        assert got.headers["content-type"] == "application/json"
        assert got.headers["user-agent"].startswith("Darkroom/")
        assert [event["id"] for event in hooked.stack.events()] == [got.id]

    def test_a_failure_is_tried_again_under_the_same_id(self, hooked: Hooked) -> None:
        hooked.receiver.answers.append((500, {}))
        photo = hooked.submit()
        hooked.worker()
        assert hooked.wait_for(photo, "delivered", delivered).attempts == 2
        first, second = hooked.receiver.got
        assert first.id == second.id
        assert first.body == second.body
        (secret,) = secrets_of("default", hooked.stack.services.settings.webhook_secret)  # type: ignore[arg-type]
        Webhook(secret).verify(second.body, second.headers)
        hooked.wait_until_empty()

    def test_retry_after_is_honoured(self, hooked: Hooked) -> None:
        hooked.receiver.answers.append((503, {"Retry-After": "3600"}))
        photo = hooked.submit()
        before = now()
        worker = hooked.worker()
        delivery = hooked.wait_for(photo, "tried", tried)
        assert delivery.last_error == "the receiver answered 503 Service Unavailable"
        assert delivery.next_at is not None
        assert delivery.next_at >= before + timedelta(hours=1)
        wait_until("the next message waits", lambda: hooked.queue.depth().delayed == 1)
        worker.send(signal.SIGTERM)
        assert worker.wait() == 0
        assert len(hooked.receiver.got) == 1

    def test_410_is_the_end_of_it(self, hooked: Hooked) -> None:
        hooked.receiver.answers.append((410, {}))
        photo = hooked.submit()
        hooked.worker()
        delivery = hooked.wait_for(photo, "given up", given_up)
        assert (delivery.attempts, delivery.last_error) == (1, "the receiver answered 410 Gone")
        hooked.wait_until_empty()
        assert len(hooked.receiver.got) == 1

    def test_a_redirect_is_a_failure_and_leads_nowhere(self, hooked: Hooked) -> None:
        with Receiver() as inside:
            hooked.receiver.answers.append((307, {"Location": inside.url}))
            photo = hooked.submit()
            hooked.worker()
            delivery = hooked.wait_for(photo, "tried", tried)
            assert delivery.last_error == ("the receiver answered 307 Temporary Redirect; redirects are not followed")
            assert hooked.wait_for(photo, "delivered", delivered).attempts == 2
            assert inside.got == []

    def test_what_is_not_public_and_not_allowed_is_not_asked(self, hooked: Hooked) -> None:
        with Receiver() as inside:
            photo = hooked.submit(url=f"https://127.0.0.1:{inside.port}/")
            hooked.worker()
            delivery = hooked.wait_for(photo, "tried", tried)
            assert delivery.last_error == "127.0.0.1 is not a public address: it is a loopback address"
            assert inside.got == []

    def test_attempts_have_an_end(self, hooked: Hooked) -> None:
        photo = hooked.ended()
        hooked.stack.services.table.update(photo.id, lambda record: record.note_delivery(1, 9, "no answer", now()))
        hooked.receiver.answers.append((500, {}))
        hooked.stack.services.outbox.announce(hooked.stack.look(photo))
        hooked.worker()
        delivery = hooked.wait_for(photo, "given up", given_up)
        assert delivery.last_error is not None
        assert delivery.last_error.startswith("given up after 10 attempts: the receiver answered 500")
        hooked.wait_until_empty()

    def test_the_webhook_of_each_generation_has_its_own_id(self, hooked: Hooked) -> None:
        services = hooked.stack.services
        photo = hooked.ended()
        services.outbox.announce(photo)
        hooked.worker()
        hooked.wait_for(photo, "delivered", delivered)
        again, order = services.table.update(photo.id, lambda record: record.retry(min(record.jobs), 300))
        hooked.stack.store(photo, hooked.picture)
        services.outbox.send_order(again, order.id)
        wait_until("the second one is delivered", lambda: len(hooked.receiver.got) == 2)
        first, second = hooked.receiver.got
        assert (first.id, second.id) == (
            again.event_id("photo.completed", generation=1),
            again.event_id("photo.completed", generation=2),
        )


class TestWebhookMessages:
    def test_one_that_comes_too_early_is_put_off_until_it_is_due(self, hooked: Hooked) -> None:
        photo = hooked.ended()
        due = now() + timedelta(seconds=3)
        message = WebhookMessage.of(photo, 1).model_copy(update={"not_before": due})
        hooked.queue.send(message.model_dump_json(), group="default", deduplication_id="")  # as after a hop
        hooked.worker()
        delivery = hooked.wait_for(photo, "delivered", delivered)
        assert delivery.delivered_at is not None
        assert delivery.delivered_at >= due
        hooked.wait_until_empty()

    def test_several_at_once_make_one_attempt_and_one_next_message(self, hooked: Hooked) -> None:
        hooked.receiver.answers.append((500, {"Retry-After": "3600"}))
        hooked.receiver.open.clear()
        photo = hooked.ended()
        for _ in range(5):
            hooked.stack.services.outbox.announce(photo)
        workers = [hooked.worker(DARKROOM_WEBHOOK_TIMEOUT="30") for _ in range(2)]
        wait_until("all others are dropped", lambda: sum(len(one.logged("webhook.dropped")) for one in workers) == 4)
        hooked.receiver.open.set()
        assert hooked.wait_for(photo, "tried", tried).attempts == 1
        wait_until("one message waits", lambda: hooked.messages() == (0, 0, 1))
        assert len(hooked.receiver.got) == 1

    def test_one_that_comes_later_makes_no_attempt_before_it_is_due_nor_a_next_message(self, hooked: Hooked) -> None:
        hooked.receiver.answers.append((500, {"Retry-After": "3600"}))
        photo = hooked.ended()
        hooked.stack.services.outbox.announce(photo)
        worker = hooked.worker()
        hooked.wait_for(photo, "tried", tried)
        hooked.stack.services.outbox.announce(hooked.stack.look(photo))
        wait_until("it is dropped", lambda: worker.logged("webhook.dropped"))
        wait_until("one message waits", lambda: hooked.messages() == (0, 0, 1))
        assert len(hooked.receiver.got) == 1

    def test_several_through_all_attempts_make_no_more_of_them(self, hooked: Hooked) -> None:
        hooked.receiver.answers.extend([(500, {})] * 20)
        photo = hooked.ended()
        sender = WebhookSender(hooked.stack.services, SecretStr(MASTER), threading.Event())
        for attempt in range(1, len(SCHEDULE) + 1):
            messages = [WebhookMessage.of(photo, 1) for _ in range(4)]
            threads = [threading.Thread(target=sender.handle, args=[as_received(message)]) for message in messages]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            delivery = hooked.delivery(photo)
            assert delivery is not None
            assert (delivery.attempts, len(hooked.receiver.got)) == (attempt, attempt)
            hooked.make_due(photo)
        assert delivery.given_up_at
        assert sum(hooked.messages()) == len(SCHEDULE) - 1

    def test_the_same_one_handed_out_twice_makes_one_attempt(self, hooked: Hooked) -> None:
        hooked.receiver.open.clear()
        hooked.receiver.answers.append((500, {"Retry-After": "3600"}))
        photo = hooked.ended()
        received = as_received(WebhookMessage.of(photo, 1))
        services = hooked.stack.services
        first = threading.Thread(
            target=WebhookSender(services, SecretStr(MASTER), threading.Event()).handle, args=[received]
        )
        first.start()
        wait_until("it is under way", lambda: hooked.receiver.got)
        WebhookSender(services, SecretStr(MASTER), threading.Event()).handle(received)
        assert sum(hooked.messages()) == 1, "it might be a dead worker's: one has to lead on"
        hooked.receiver.open.set()
        first.join()
        (delivery,) = (hooked.delivery(photo),)
        assert delivery is not None
        assert (delivery.attempts, len(hooked.receiver.got)) == (1, 1)
        worker = hooked.worker()
        wait_until("the one too many is dropped", lambda: worker.logged("webhook.dropped"))
        wait_until("one message waits", lambda: hooked.messages() == (0, 0, 1))
        assert len(hooked.receiver.got) == 1

    def test_no_webhook_is_sent_again_or_for_a_deleted_photo(self, hooked: Hooked) -> None:
        services = hooked.stack.services
        told, deleted, without = hooked.ended(), hooked.ended(), hooked.ended()
        for photo in (told, deleted, without):
            services.outbox.announce(photo)
        services.table.update(told.id, lambda record: record.note_delivery(1, 1))
        services.table.update(deleted.id, lambda record: record.delete())

        def forget(record: PhotoRecord) -> None:
            record.callback = None

        services.table.update(without.id, forget)
        services.outbox.announce(hooked.stack.look(told))
        hooked.worker()
        hooked.wait_until_empty()
        assert hooked.receiver.got == []

    def test_an_invalid_message_goes_to_the_dead_letter_queue_with_its_reason(self, hooked: Hooked) -> None:
        for body in ("hello", '{"v": 1, "kind": "work"}'):
            hooked.queue.send(body, group="x", deduplication_id="")
        worker = hooked.worker()
        dead = [
            message
            for _ in range(2)
            for message in wait_until("it is buried", lambda: hooked.dead_letters().receive(1, wait=1, visibility=600))
        ]
        assert {message.body for message in dead} == {"hello", '{"v": 1, "kind": "work"}'}
        assert all(message.attributes["reason"].startswith("not a Darkroom message: ") for message in dead)
        hooked.wait_until_empty()
        assert worker.process.poll() is None

    def test_what_a_newer_release_wrote_is_left_to_it(self, hooked: Hooked) -> None:
        body = '{"v": 2, "everything": "else"}'
        hooked.queue.send(body, group="x", deduplication_id="")
        newer = hooked.ended()
        hooked.stack.as_a_newer_release(newer)
        hooked.stack.services.outbox.announce(newer)
        worker = hooked.worker()
        wait_until("both were given back", lambda: len(worker.logged("webhook.postponed")) >= 2)
        worker.stop()
        assert {entry["code"] for entry in worker.logged("webhook.postponed")} == {"future_message", "future_record"}
        assert hooked.receiver.got == []
        assert hooked.stack.receive(hooked.dead_letters()) == []


def test_without_a_secret_webhooks_wait_for_a_worker_that_has_one(hooked: Hooked) -> None:
    photo = hooked.submit()
    silent = hooked.worker(DARKROOM_WEBHOOK_SECRET="")
    hooked.stack.wait_for(photo)
    wait_until("the webhook waits", lambda: hooked.queue.depth().visible == 1)
    silent.send(signal.SIGTERM)
    assert silent.wait() == 0
    assert hooked.receiver.got == []
    hooked.worker()
    hooked.wait_for(photo, "delivered", delivered)


def test_no_log_holds_the_secret_or_the_address(hooked: Hooked) -> None:
    photo = hooked.submit()
    worker = hooked.worker(DARKROOM_LOG_LEVEL="debug")
    hooked.wait_for(photo, "delivered", delivered)
    wait_until("it is logged", lambda: worker.logged("webhook.delivered"))
    (log,) = hooked.stack.directory.glob("worker-*.log")
    text = log.read_text()
    (secret,) = secrets_of("default", hooked.stack.services.settings.webhook_secret)  # type: ignore[arg-type]
    for hidden in (MASTER, secret, "from=darkroom"):
        assert hidden not in text
    assert datetime.fromisoformat(worker.logged("webhook.delivered")[0]["timestamp"])
