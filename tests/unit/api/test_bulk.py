"""What one request that changes many dead letters does, and where the next one continues."""

from __future__ import annotations

import pytest

from api.routes import bulk
from api.routes.bulk import BulkView, change_each
from darkroom.errors import Conflict, NotFound, Unavailable

WORK = [("a/1", None), ("b/1", "after a"), ("b/2", "after a"), ("c/1", "after b")]


def changing(**outcomes: Exception | bool) -> tuple[list[str], BulkView]:
    """Change them all; `outcomes` says how the change of each photo ends."""
    begun = []

    def change(photo_id: str, order_id: str) -> bool:
        begun.append(f"{photo_id}/{order_id}")
        outcome = outcomes.get(photo_id, True)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return begun, change_each(list(WORK), "after c", change)


def test_when_all_are_done_the_next_request_continues_behind_them() -> None:
    begun, view = changing()
    assert view == BulkView(done=begun, not_found=[], more=True, next="after c")


def test_missing_dead_letters_do_not_stop_the_others() -> None:
    _, view = changing(a=NotFound(), b=Conflict())
    assert (view.done, view.not_found) == (["c/1"], ["a/1", "b/1", "b/2"])


def test_when_aws_goes_down_the_next_request_starts_there() -> None:
    _, view = changing(c=Unavailable("SQS"))
    assert view == BulkView(done=["a/1", "b/1", "b/2"], not_found=[], more=True, next="after b")


def test_when_aws_is_down_from_the_start_the_request_fails() -> None:
    with pytest.raises(Unavailable):
        changing(a=Unavailable("SQS"))


def test_a_change_that_returns_false_is_the_last() -> None:
    begun, view = changing(a=False)
    assert begun == ["a/1"]
    assert view == BulkView(done=["a/1"], not_found=[], more=True, next="after a")


def test_after_the_time_limit_no_change_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "TIME_LIMIT", -1.0)
    begun, view = changing()
    assert begun == []
    assert view == BulkView(done=[], not_found=[], more=True, next=None)
