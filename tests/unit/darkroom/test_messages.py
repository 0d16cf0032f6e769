"""Bodies of the photos queue: which are read, and which are refused."""

from __future__ import annotations

import json
import re

import pytest

from darkroom.errors import FutureMessage, MessageError
from darkroom.jobs.job_types import MAX_JOBS
from darkroom.record.ids import new_id
from darkroom.record.keys import original_key
from darkroom.record.messages import VERSION, OrderMessage, read_order


def message(jobs: int = 1) -> OrderMessage:
    photo = new_id()
    return OrderMessage(
        photo=photo,
        owner="o" * 128,
        order=new_id(),
        jobs=[new_id() for _ in range(jobs)],
        trace="t" * 64,
        generation=1,
        send=1,
        original=original_key(photo, "0" * 36),
    )


def test_a_message_is_read_as_it_was_written() -> None:
    sent = message()
    assert read_order(sent.model_dump_json()) == sent


def test_ten_messages_of_the_largest_size_fit_into_64_kb() -> None:
    assert 10 * len(message(MAX_JOBS).model_dump_json()) <= 64 * 1024


def test_a_message_names_only_originals_of_its_own_photo() -> None:
    sent = message()
    assert sent.own_original == sent.original
    stored_by_the_api = sent.model_copy(update={"original": original_key(sent.photo)})
    assert stored_by_the_api.own_original == stored_by_the_api.original
    for foreign in (None, "incoming/x", original_key(new_id()), f"{original_key(sent.photo)}0"):
        assert sent.model_copy(update={"original": foreign}).own_original is None


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
    with pytest.raises(MessageError, match="not a Darkroom message: ") as caught:
        read_order(body)
    assert not re.search("Input|Field|parsing|input", caught.value.detail)  # pydantic's words
