"""Addresses take turns, and the API keys of an address too."""

from __future__ import annotations

import pytest

from api.http.fair_queue import FairQueue


def drain(queue: FairQueue[str]) -> str:
    return " ".join(queue.pop() for _ in range(len(queue)))


def test_a_caller_with_one_request_does_not_wait_for_all_of_another() -> None:
    queue = FairQueue[str]()
    for item in ("a1", "a2", "a3"):
        queue.push("192.0.2.1", b"", item)
    queue.push("192.0.2.2", b"", "b1")

    assert drain(queue) == "a1 b1 a2 a3"
    with pytest.raises(KeyError):
        queue.pop()


def test_the_keys_of_one_address_take_turns() -> None:
    queue = FairQueue[str]()
    for item in ("a1", "a2", "a3"):
        queue.push("192.0.2.1", b"alice", item)
    queue.push("192.0.2.1", b"bob", "b1")

    assert drain(queue) == "a1 b1 a2 a3"


def test_many_keys_of_one_address_have_the_turn_of_one_address() -> None:
    queue = FairQueue[str]()
    for key in (b"1", b"2", b"3"):
        queue.push("192.0.2.1", key, f"a{key.decode()}")
    for item in ("b1", "b2"):
        queue.push("192.0.2.2", b"", item)

    assert drain(queue) == "a1 b1 a2 b2 a3"


def test_what_has_had_its_turn_comes_first() -> None:
    queue = FairQueue[str]()
    queue.push("192.0.2.1", b"", "a1")
    queue.push("192.0.2.2", b"", "b1")
    queue.resume("c1")
    queue.resume("c2")

    assert drain(queue) == "c1 c2 a1 b1"
