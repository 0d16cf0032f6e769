"""What one request does of much, and where the next one goes on."""

from __future__ import annotations

import pytest

from api.routes import bulk
from api.routes.bulk import BulkView, change_each
from darkroom.errors import Conflict, NotFound, Unavailable

WORK = [("a/1", None), ("b/1", "after a"), ("b/2", "after a"), ("c/1", "after b")]


def changing(**outcomes: Exception | bool) -> tuple[list[str], BulkView]:
    """Carry all out; what becomes of each photo is given."""
    begun = []

    def change(photo_id: str, order_id: str) -> bool:
        begun.append(f"{photo_id}/{order_id}")
        outcome = outcomes.get(photo_id, True)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return begun, change_each(list(WORK), "after c", change)


def test_all_are_done_and_the_cursor_leads_on() -> None:
    begun, told = changing()
    assert told == BulkView(done=begun, not_found=[], more=True, next="after c")


def test_those_that_are_gone_hold_up_nothing() -> None:
    _, told = changing(a=NotFound(), b=Conflict())
    assert (told.done, told.not_found) == (["c/1"], ["a/1", "b/1", "b/2"])


def test_when_aws_goes_down_the_next_request_begins_there() -> None:
    _, told = changing(c=Unavailable("SQS"))
    assert told == BulkView(done=["a/1", "b/1", "b/2"], not_found=[], more=True, next="after b")


def test_when_aws_is_down_from_the_first_the_request_fails() -> None:
    with pytest.raises(Unavailable):
        changing(a=Unavailable("SQS"))


def test_a_change_that_makes_no_sense_to_go_on_is_the_last() -> None:
    begun, told = changing(a=False)
    assert begun == ["a/1"]
    assert told == BulkView(done=["a/1"], not_found=[], more=True, next="after a")


def test_it_ends_when_the_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "TIME_LIMIT", -1.0)
    begun, told = changing()
    assert begun == []
    assert told == BulkView(done=[], not_found=[], more=True, next=None)
