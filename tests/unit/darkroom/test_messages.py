"""Bodies of the photos queue: which are read, and which are refused."""

from __future__ import annotations

import json

import pytest

from darkroom.errors import FutureMessage, MessageError
from darkroom.jobs.job_types import MAX_JOBS
from darkroom.record.ids import new_id
from darkroom.record.messages import VERSION, OrderMessage, read_order


def message(jobs: int = 1) -> OrderMessage:
    return OrderMessage(
        photo=new_id(),
        owner="o" * 128,
        order=new_id(),
        jobs=[new_id() for _ in range(jobs)],
        trace="t" * 64,
        generation=1,
        send=1,
    )


def test_a_message_is_read_as_it_was_written() -> None:
    sent = message()
    assert read_order(sent.model_dump_json()) == sent


def test_ten_messages_of_the_largest_size_fit_into_64_kb() -> None:
    assert 10 * len(message(MAX_JOBS).model_dump_json()) <= 64 * 1024


def test_a_later_version_raises_future_message() -> None:
    body = json.dumps({"v": VERSION + 1, "everything": "else"})
    with pytest.raises(FutureMessage, match="version 2"):
        read_order(body)


def test_an_unknown_field_is_ignored() -> None:
    body = json.loads(message().model_dump_json()) | {"colour": "blue"}
    read_order(json.dumps(body))


@pytest.mark.parametrize(
    "body",
    [
        "",
        "hello",
        "[]",
        "{}",
        '{"v": 1}',
        '{"v": "x"}',
        '{"v": 0}',
        json.dumps({"v": 1, "photo": "../x", "order": "y"}),
    ],
)
def test_any_other_body_is_refused_with_the_reason(body: str) -> None:
    with pytest.raises(MessageError, match="not a Darkroom message: "):
        read_order(body)
