"""How photo processors are lent to messages. No child process is started here."""

from __future__ import annotations

import math
from typing import Any

import pytest

from darkroom.aws.queue import Received
from darkroom.errors import Interrupted, LeaseLost
from darkroom.settings import Settings
from worker.child.runner import PhotoProcessors
from worker.lease import Lease

NO_QUEUE: Any = None


def new_lease() -> Lease:
    return Lease(Received(id="a", receipt_handle="a", body="", group=None, receives=1), NO_QUEUE, until=math.inf)


def test_messages_at_the_same_time_have_different_processors_and_later_ones_use_them_again() -> None:
    processors = PhotoProcessors(Settings())
    with processors.use(new_lease()) as first, processors.use(new_lease()) as second:
        assert first is not second
    with processors.use(new_lease()) as third:
        assert third in (first, second)


def test_a_lost_lease_stops_the_work_on_its_message_only() -> None:
    processors, lost = PhotoProcessors(Settings()), new_lease()
    with processors.use(lost) as first, processors.use(new_lease()) as second:
        lost.lose()
        with pytest.raises(LeaseLost):
            first.check()
        second.check()
    with processors.use(new_lease()) as reused:
        reused.check()


def test_an_interrupt_stops_all_work_for_good() -> None:
    processors = PhotoProcessors(Settings())
    with processors.use(new_lease()) as running:
        processors.interrupt()
        with pytest.raises(Interrupted):
            running.check()
    with processors.use(new_lease()) as later, pytest.raises(Interrupted):
        later.check()
