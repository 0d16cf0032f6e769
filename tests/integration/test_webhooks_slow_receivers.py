"""Receivers that answer slowly hold up neither photos, nor other owners, nor the stop of a worker."""

from __future__ import annotations

import signal

from tests.support.hooked import Hooked, delivered, tried
from tests.support.receiver import Receiver
from tests.support.waiting import wait_until
from worker.webhooks.fair_share import EACH


class TestSlowReceivers:
    def test_they_hold_neither_the_work_on_photos_nor_the_end_of_the_worker(self, hooked: Hooked) -> None:
        hooked.receiver.open.clear()
        told = [hooked.ended() for _ in range(30)]  # more than are delivered at a time
        for photo in told:
            hooked.stack.services.outbox.announce(photo)
        worker = hooked.worker(DARKROOM_WEBHOOK_TIMEOUT="5")
        wait_until("receivers are being waited for", lambda: len(hooked.receiver.got) >= 10)
        photos = [hooked.submit() for _ in range(5)]
        assert {hooked.stack.wait_for(photo).status for photo in photos} == {"succeeded"}
        worker.send(signal.SIGTERM)
        assert worker.wait() == 0

    def test_an_owners_do_not_hold_up_those_of_others(self, hooked: Hooked) -> None:
        hooked.receiver.open.clear()
        slow = [hooked.ended(owner="mallory") for _ in range(40)]
        for photo in slow:
            hooked.stack.services.outbox.announce(photo)
        with Receiver() as quick:
            other = hooked.ended(quick.url, owner="bob")
            hooked.stack.services.outbox.announce(other)
            hooked.worker(
                DARKROOM_WEBHOOK_TIMEOUT="30", DARKROOM_WEBHOOK_PRIVATE_HOSTS=f"{hooked.receiver.host},{quick.host}"
            )
            hooked.wait_for(other, "delivered", delivered)
        assert len(hooked.receiver.got) <= EACH
        hooked.receiver.open.set()
        for photo in slow:
            assert hooked.wait_for(photo, "delivered", delivered).attempts == 1
        hooked.wait_until_empty()
        assert len(hooked.receiver.got) == len(slow)

    def test_a_second_sigterm_does_not_wait_for_them(self, hooked: Hooked) -> None:
        hooked.receiver.open.clear()
        photo = hooked.ended()
        hooked.stack.services.outbox.announce(photo)
        worker = hooked.worker(DARKROOM_WEBHOOK_TIMEOUT="30")
        wait_until("the receiver is waited for", lambda: hooked.receiver.got)
        worker.send(signal.SIGTERM)
        wait_until("it drains", lambda: worker.logged("worker.draining"))
        worker.send(signal.SIGTERM)
        assert worker.wait() == 0
        delivery = hooked.delivery(photo)
        assert delivery is not None
        assert (delivery.attempts, delivery.last_error) == (0, None), "it was waited for"
        assert hooked.messages() == (0, 1, 0)

    def test_what_was_not_answered_in_time_is_tried_again(self, hooked: Hooked) -> None:
        hooked.receiver.open.clear()
        photo = hooked.ended()
        hooked.stack.services.outbox.announce(photo)
        hooked.worker(DARKROOM_WEBHOOK_TIMEOUT="1")
        assert hooked.wait_for(photo, "tried", tried).last_error == "no answer within 1 s"
        hooked.receiver.open.set()
        assert hooked.wait_for(photo, "delivered", delivered).attempts >= 2
