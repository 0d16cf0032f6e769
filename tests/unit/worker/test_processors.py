"""How photo processors are lent to messages. No child process is started here."""

from __future__ import annotations

import math
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from darkroom.aws.queue import Received
from darkroom.errors import Interrupted, LeaseLost
from darkroom.settings import Settings
from worker.child.process import Child
from worker.child.runner import CLAIMED_AHEAD, MOST_WAITING_RESULTS, PhotoProcessors
from worker.lease import Lease, Stage

NO_QUEUE: Any = None


def new_lease() -> Lease:
    return Lease(Received(id="a", receipt_handle="a", body="", group=None, receives=1), NO_QUEUE, until=math.inf)


def test_messages_at_the_same_time_have_different_processors_and_later_ones_use_them_again() -> None:
    processors = PhotoProcessors(Settings(), children=1)
    with processors.use(new_lease()) as first, processors.use(new_lease()) as second:
        assert first is not second
    with processors.use(new_lease()) as third:
        assert third in (first, second)


def test_a_lost_lease_stops_the_work_on_its_message_only() -> None:
    processors, lost = PhotoProcessors(Settings(), children=1), new_lease()
    with processors.use(lost) as first, processors.use(new_lease()) as second:
        lost.lose()
        with pytest.raises(LeaseLost):
            first.check()
        second.check()
    with processors.use(new_lease()) as reused:
        reused.check()


def test_an_interrupt_stops_all_work_for_good() -> None:
    processors = PhotoProcessors(Settings(), children=1)
    with processors.use(new_lease()) as running:
        processors.interrupt()
        with pytest.raises(Interrupted):
            running.check()
    with processors.use(new_lease()) as later, pytest.raises(Interrupted):
        later.check()


def test_a_child_is_lent_to_one_message_at_a_time() -> None:
    processors, order = PhotoProcessors(Settings(), children=1), list[str]()
    with processors.use(new_lease()) as first, processors.use(new_lease()) as second:

        def wait() -> None:
            with second.child() as waited:
                order.append("second")
                assert waited > 0

        with first.child():
            waiting = threading.Thread(target=wait)
            waiting.start()
            order.append("first")
        waiting.join(30)
    assert order == ["first", "second"]


def test_a_child_that_cannot_be_started_again_is_lent_to_the_next_message(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_child: Child) -> None:
        raise RuntimeError("the fork server answers with nonsense")

    monkeypatch.setattr(Child, "start", fail)
    processors = PhotoProcessors(Settings(), children=1)
    for _ in range(2):
        with processors.use(new_lease()) as processor:
            assert processor.child_is_free
            with processor.child():
                pass


def test_after_a_look_at_its_file_a_message_waits_for_a_child_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What a message brings counts as work that waits until its jobs are done."""
    monkeypatch.setattr(Child, "start", lambda _child: None)
    monkeypatch.setattr(Child, "look", lambda *_: "what it is")
    processors, lease, stages = PhotoProcessors(Settings(), children=1), new_lease(), list[Stage]()
    lease.on_stage = stages.append
    with processors.use(lease) as processor:
        processor.look(tmp_path)
        assert stages == ["in a child", "waiting"]
        with processor.child():
            pass
        assert stages[2:] == ["in a child", "after it"]


@pytest.mark.parametrize("stop", ["lease", "interrupt"])
def test_a_message_that_must_not_go_on_stops_waiting_for_a_child(stop: str) -> None:
    processors, lease, raised = PhotoProcessors(Settings(), children=1), new_lease(), list[Exception]()
    with processors.use(new_lease()) as first, processors.use(lease) as second, first.child():

        def wait() -> None:
            try:
                with second.child():
                    pass
            except (LeaseLost, Interrupted) as error:
                raised.append(error)

        waiting = threading.Thread(target=wait)
        waiting.start()
        lease.lose() if stop == "lease" else processors.interrupt()
        waiting.join(30)
        assert not waiting.is_alive()
    assert [type(error) for error in raised] == [LeaseLost if stop == "lease" else Interrupted]


def test_few_orders_are_claimed_before_a_child_is_free_for_them() -> None:
    processors = PhotoProcessors(Settings(), children=1)
    with ExitStack() as stack:
        in_use = [stack.enter_context(processors.use(new_lease())) for _ in range(CLAIMED_AHEAD + 2)]
        for processor in in_use[:-1]:
            stack.enter_context(processor.claim_permit())
        claimed = list[str]()

        def wait() -> None:
            with pytest.raises(Interrupted), in_use[-1].claim_permit():
                claimed.append("too many")

        waiting = threading.Thread(target=wait)
        waiting.start()
        processors.drain()
        waiting.join(30)
        assert claimed == []
        in_use[0].check()  # what is claimed goes on


def test_no_order_begins_after_the_worker_has_begun_to_stop() -> None:
    processors = PhotoProcessors(Settings(), children=1)
    processors.drain()
    with processors.use(new_lease()) as processor, pytest.raises(Interrupted), processor.claim_permit():
        pass


def test_results_may_wait_for_their_upload_until_they_take_too_much_disk_space() -> None:
    processors = PhotoProcessors(Settings(), children=1)
    with processors.use(new_lease()) as first, processors.use(new_lease()) as second:
        assert first.let_results_wait(MOST_WAITING_RESULTS - 1)
        assert not second.let_results_wait(2)
        assert second.let_results_wait(1)
    with processors.use(new_lease()) as later:
        assert later.let_results_wait(MOST_WAITING_RESULTS)
