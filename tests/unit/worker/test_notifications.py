"""Bodies of the ingest queue, and the ids of the photos that they lead to."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from pydantic import ValidationError

from darkroom.errors import (
    FutureMessage,
    MessageError,
)
from darkroom.record.clock import now
from darkroom.record.ids import new_id
from darkroom.record.ingest_request import IngestRequest
from darkroom.record.messages import IngestMessage, UploadMessage
from tests.support.notifications import AT, created, notification
from worker.ingest.notifications import derived_id, read_body, split_body


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("incoming/a/web/a+b.jpg", "incoming/a/web/a b.jpg"),
        ("incoming/a/web/a%20b%2B.jpg", "incoming/a/web/a b+.jpg"),
        ("incoming/a/web/s%C3%B6mmer%252F.jpg", "incoming/a/web/sömmer%2F.jpg"),
    ],
)
def test_a_key_in_a_notification_is_url_encoded(written: str, key: str) -> None:
    assert created(written).key == key


def test_a_notification_names_bucket_etag_time_and_request() -> None:
    found = created("incoming/a/web/x.jpg")
    assert (found.bucket, found.etag, found.at, found.trace) == ("photos", "e", AT, "C3D13FE58DE4C810")


def test_a_test_event_and_other_events_notify_of_no_object() -> None:
    assert read_body('{"Service": "Amazon S3", "Event": "s3:TestEvent"}') == []
    assert read_body('{"Records": []}') == []
    assert read_body(notification("x").replace("ObjectCreated:Put", "ObjectRemoved:Delete")) == []


def test_our_messages_are_read_as_they_were_written() -> None:
    asked = IngestMessage(kind="ingest", owner="a", key="incoming/a/x", preset="web", metadata={"n": 1}, at=1)
    assert read_body(asked.model_dump_json()) == asked
    found = UploadMessage(photo=new_id())
    assert read_body(found.model_dump_json()) == found


def test_a_key_has_at_most_as_many_bytes_as_in_s3() -> None:
    def asked(key: str) -> str:
        return json.dumps({"v": 1, "kind": "ingest", "owner": "a", "key": key, "preset": "web", "at": 1})

    longest = "incoming/a/" + "é" * 506 + "x"
    assert len(longest.encode()) == 1024
    read_body(asked(longest))
    IngestRequest(key=longest, preset="web")
    with pytest.raises(MessageError, match=r"key: has 1025 bytes in UTF-8; a key in S3 has at most 1024"):
        read_body(asked(longest + "x"))
    with pytest.raises(ValidationError, match="1025 bytes"):
        IngestRequest(key=longest + "x", preset="web")


def test_a_notification_of_several_objects_is_split_into_several_bodies() -> None:
    body = notification("incoming/a/web/x.jpg")
    several = json.dumps({"Records": json.loads(body)["Records"] + json.loads(notification("y"))["Records"]})
    assert [read_body(one) for one in split_body(several)] == [[found] for found in read_body(several)]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "body", ["", "null", "1", "{}", '{"Records": {}}', '{"Records": [{}]}', '{"v": 1}', '{"v": 1, "kind": "upload"}']
)
def test_any_other_body_is_refused(body: str) -> None:
    with pytest.raises(MessageError):
        read_body(body)


def test_a_message_of_a_later_version_is_left_to_a_newer_worker() -> None:
    with pytest.raises(FutureMessage):
        read_body('{"v": 2, "kind": "ingest"}')


def test_a_deeply_nested_body_is_refused() -> None:
    with pytest.raises(MessageError):
        read_body("[" * 200_000)


def test_a_repeated_notification_gives_the_same_photo_id_and_another_event_a_new_one() -> None:
    first = created("incoming/a/web/x.jpg")
    assert created("incoming/a/web/x.jpg", eTag="other").photo == first.photo
    assert created("incoming/a/web/y.jpg").photo != first.photo
    assert created("incoming/a/web/x.jpg", sequencer="2").photo != first.photo


def test_derived_ids_have_the_form_of_uuid7_and_sort_by_time() -> None:
    for number in range(200):
        id_ = UUID(derived_id(AT, str(number)))
        assert (id_.version, id_.variant) == (7, "specified in RFC 4122")
        assert id_.int >> 80 == round(AT.timestamp() * 1000)
    before, now_, after = derived_id(now() - timedelta(seconds=1), "z"), new_id(), derived_id(now(), "")
    assert before < now_
    assert before < after


def test_the_time_zone_does_not_change_a_derived_id() -> None:
    same = datetime.fromisoformat("2026-11-23T16:00:00.123+01:00")
    assert derived_id(same, "x") == derived_id(AT, "x")


def test_parts_of_a_derived_id_are_kept_apart() -> None:
    assert derived_id(AT, "ab", "c") != derived_id(AT, "a", "bc")
