"""How threads wait in line for the things that only some of them can have."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from worker.child.line import Line


class Stopped(Exception):
    pass


def wait_for_ever() -> None:
    """The check of a thread that nothing stops."""


def in_thread(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def waiting(line: Line[str], how_many: int) -> None:
    deadline = time.monotonic() + 30
    while len(line._waiting) < how_many:
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_a_free_thing_is_lent_at_once_and_the_last_used_one_first() -> None:
    line = Line("ab")
    first, second = line.take(wait_for_ever), line.take(wait_for_ever)
    assert {first, second} == {"a", "b"}
    line.give_back("a")
    line.give_back("b")
    assert line.take(wait_for_ever) == "b"


def test_threads_get_a_thing_in_the_order_in_which_they_asked() -> None:
    line, order = Line("a"), list[int]()
    thing = line.take(wait_for_ever)

    def take(number: int) -> None:
        taken = line.take(wait_for_ever)
        order.append(number)
        line.give_back(taken)

    threads = []
    for number in range(5):
        threads.append(in_thread(lambda number=number: take(number)))  # type: ignore[misc]
        waiting(line, number + 1)
    line.give_back(thing)
    for thread in threads:
        thread.join(30)
    assert order == [0, 1, 2, 3, 4]


def test_a_thread_whose_check_fails_leaves_the_line_and_the_next_one_gets_the_thing() -> None:
    line, taken = Line("a"), list[str]()
    thing = line.take(wait_for_ever)
    stop = threading.Event()

    def check() -> None:
        if stop.is_set():
            raise Stopped

    def leave() -> None:
        with pytest.raises(Stopped):
            line.take(check)
        taken.append("nothing")

    leaving = in_thread(leave)
    waiting(line, 1)
    staying = in_thread(lambda: taken.append(line.take(wait_for_ever)))
    waiting(line, 2)
    stop.set()
    line.call_all()
    leaving.join(30)
    line.give_back(thing)
    staying.join(30)
    assert taken == ["nothing", "a"]


def test_a_thing_that_comes_together_with_the_stop_is_not_lost() -> None:
    line, stop = Line("a"), threading.Event()
    thing = line.take(wait_for_ever)

    def check() -> None:
        if stop.is_set():
            raise Stopped

    def leave() -> None:
        with pytest.raises(Stopped):
            line.take(check)

    leaving = in_thread(leave)
    waiting(line, 1)
    stop.set()
    line.give_back(thing)
    leaving.join(30)
    assert line.take(wait_for_ever) == "a"


def test_a_stop_just_before_a_thread_waits_is_not_lost() -> None:
    """The stop comes right after the thread's first check."""
    line, stop, ended = Line("a"), threading.Event(), threading.Event()
    thing = line.take(wait_for_ever)

    def check() -> None:
        if stop.is_set():
            raise Stopped
        stop.set()
        line.call_all()

    def leave() -> None:
        with pytest.raises(Stopped):
            line.take(check)
        ended.set()

    in_thread(leave)
    assert ended.wait(10)
    line.give_back(thing)
    assert line.take(wait_for_ever) == "a"
