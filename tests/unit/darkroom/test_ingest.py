"""What is read from the ingest queue, whose photo a file becomes, and what a file's arrival does to a record."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import jsonschema
import pytest
from pydantic import ValidationError

from darkroom.errors import (
    ChildDied,
    Conflict,
    DarkroomError,
    FutureMessage,
    IngestRefused,
    IngestUnknown,
    MessageError,
    ObjectDenied,
    OutOfMemory,
    PhotoGone,
    UnsupportedPhoto,
)
from darkroom.jobs.job_types import jobs_adapter
from darkroom.owners import Owners
from darkroom.presets import Preset
from darkroom.record.clock import now
from darkroom.record.ids import new_id
from darkroom.record.ingest_request import IngestRequest
from darkroom.record.messages import IngestMessage, OrderMessage, UploadMessage
from darkroom.record.photo import PhotoRecord
from darkroom.record.stored import Original
from darkroom.record.upload import UPLOAD_MARGIN, DirectUpload
from darkroom.record.views import photo_view
from worker.ingest.notifications import Notification, derived_id, read_body, split_body
from worker.ingest.rules import IngestRules

RESEND = 300.0
AT = datetime(2026, 11, 23, 15, 0, 0, 123_000, UTC)


def notification(key: str, **object_: Any) -> str:
    given = {"key": key, "eTag": "e", "sequencer": "1"} | object_
    record = {
        "eventName": "ObjectCreated:Put",
        "eventTime": "2026-11-23T15:00:00.123Z",
        "responseElements": {"x-amz-request-id": "C3D13FE58DE4C810"},
        "s3": {"bucket": {"name": "photos"}, "object": given},
    }
    return json.dumps({"Records": [record]})


def notice(key: str, **object_: Any) -> Notification:
    (found,) = read_body(notification(key, **object_))  # type: ignore[misc]
    assert isinstance(found, Notification)
    return found


# --- the queue ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("incoming/a/web/a+b.jpg", "incoming/a/web/a b.jpg"),
        ("incoming/a/web/a%20b%2B.jpg", "incoming/a/web/a b+.jpg"),
        ("incoming/a/web/s%C3%B6mmer%252F.jpg", "incoming/a/web/sömmer%2F.jpg"),
    ],
)
def test_keys_arrive_encoded(written: str, key: str) -> None:
    assert notice(written).key == key


def test_a_notice_says_what_it_is_about() -> None:
    found = notice("incoming/a/web/x.jpg")
    assert (found.bucket, found.etag, found.at, found.trace) == ("photos", "e", AT, "C3D13FE58DE4C810")


def test_what_s3_says_of_nothing_created_is_nothing() -> None:
    assert read_body('{"Service": "Amazon S3", "Event": "s3:TestEvent"}') == []
    assert read_body('{"Records": []}') == []
    assert read_body(notification("x").replace("ObjectCreated:Put", "ObjectRemoved:Delete")) == []


def test_our_own_messages_are_read_as_they_were_written() -> None:
    asked = IngestMessage(kind="ingest", owner="a", key="incoming/a/x", preset="web", metadata={"n": 1}, at=1)
    assert read_body(asked.model_dump_json()) == asked
    found = UploadMessage(photo=new_id())
    assert read_body(found.model_dump_json()) == found


def test_a_key_has_as_many_bytes_as_s3_takes() -> None:
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


def test_a_request_is_of_a_year_that_there_is() -> None:
    def asked(at: int) -> str:
        return json.dumps(
            {"v": 1, "kind": "ingest", "owner": "bob", "key": "incoming/bob/x", "preset": "web", "at": at}
        )

    latest = read_body(asked(253_402_300_799_999))
    assert isinstance(latest, IngestMessage)
    assert OPEN.asked(latest).at.year == 9999
    with pytest.raises(MessageError, match="at: "):
        read_body(asked(253_402_300_800_000))


def test_a_notification_of_several_objects_is_as_several() -> None:
    body = notification("incoming/a/web/x.jpg")
    several = json.dumps({"Records": json.loads(body)["Records"] + json.loads(notification("y"))["Records"]})
    assert [read_body(one) for one in split_body(several)] == [[found] for found in read_body(several)]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "body", ["", "null", "1", "{}", '{"Records": {}}', '{"Records": [{}]}', '{"v": 1}', '{"v": 1, "kind": "upload"}']
)
def test_anything_else_is_no_message(body: str) -> None:
    with pytest.raises(MessageError):
        read_body(body)


def test_a_later_version_is_left_to_a_newer_worker() -> None:
    with pytest.raises(FutureMessage):
        read_body('{"v": 2, "kind": "ingest"}')


# --- ids ------------------------------------------------------------------------------------------------------------


def test_the_same_notice_gives_the_same_id_and_another_one_another() -> None:
    first = notice("incoming/a/web/x.jpg")
    assert notice("incoming/a/web/x.jpg", eTag="other").photo == first.photo
    assert notice("incoming/a/web/y.jpg").photo != first.photo
    assert notice("incoming/a/web/x.jpg", sequencer="2").photo != first.photo


def test_derived_ids_have_the_shape_and_the_order_of_all_others() -> None:
    for number in range(200):
        id_ = UUID(derived_id(AT, str(number)))
        assert (id_.version, id_.variant) == (7, "specified in RFC 4122")
        assert id_.int >> 80 == round(AT.timestamp() * 1000)
    before, now_, after = derived_id(now() - timedelta(seconds=1), "z"), new_id(), derived_id(now(), "")
    assert before < now_
    assert before < after


def test_the_time_zone_of_a_notice_does_not_matter() -> None:
    same = datetime.fromisoformat("2026-11-23T16:00:00.123+01:00")
    assert derived_id(same, "x") == derived_id(AT, "x")


def test_parts_do_not_run_together() -> None:
    assert derived_id(AT, "ab", "c") != derived_id(AT, "a", "bc")


# --- whose photo ----------------------------------------------------------------------------------------------------

PRESETS = {"web": Preset(jobs=jobs_adapter.validate_python([{"type": "metadata"}]))}
OPEN = IngestRules(PRESETS, Owners())
KEYS = IngestRules(PRESETS, Owners(keys={"0" * 64: "alice"}, callback_urls={"alice": "https://example.com/"}))


def test_a_dropped_file_is_its_folders() -> None:
    drop = KEYS.noticed(notice("incoming/alice/web/2026/x.jpg"))
    assert drop is not None
    assert (drop.owner, drop.key, drop.jobs) == ("alice", "incoming/alice/web/2026/x.jpg", PRESETS["web"].jobs)
    assert (drop.etag, drop.at, drop.callback_url) == ("e", AT, "https://example.com/")


@pytest.mark.parametrize("key", ["incoming/alice/x.jpg", "incoming/alice/web/", "incoming/alice/", "incoming/"])
def test_what_only_waits_is_nobodys_business(key: str) -> None:
    assert KEYS.noticed(notice(key)) is None


@pytest.mark.parametrize(
    ("rules", "key", "reason"),
    [
        (OPEN, "incoming/bo b/web/x.jpg", "cannot be an owner"),
        (OPEN, "incoming//web/x.jpg", "cannot be an owner"),
        (OPEN, "incoming/x.jpg", "put files into incoming/{owner}/{preset}/"),
        (OPEN, "incoming/bob/web/../../alice/web/x.jpg", "give the object another key"),
    ],
)
def test_a_file_in_a_wrong_place_is_refused(rules: IngestRules, key: str, reason: str) -> None:
    with pytest.raises(IngestRefused, match=reason.replace("{", r"\{").replace("..", r"\.\.")):
        rules.noticed(notice(key))


@pytest.mark.parametrize(
    ("rules", "key", "reason"),
    [
        (KEYS, "incoming/bob/web/x.jpg", "there is no owner bob"),
        (KEYS, "incoming/Alice/web/x.jpg", "there is no owner Alice"),
        (OPEN, "incoming/bob//x.jpg", "there is no preset ''; the presets are web"),
        (OPEN, "incoming/bob/WEB/x.jpg", "there is no preset 'WEB'; the presets are web"),
    ],
)
def test_a_file_for_an_owner_or_preset_that_is_unknown_here_says_so(rules: IngestRules, key: str, reason: str) -> None:
    with pytest.raises(IngestUnknown, match=reason):
        rules.noticed(notice(key))


def test_without_keys_any_owner_may_drop() -> None:
    assert OPEN.noticed(notice("incoming/bob/web/x.jpg")) is not None


def test_a_request_names_a_file_of_its_owner() -> None:
    def asked(key: str) -> IngestMessage:
        return IngestMessage(kind="ingest", owner="alice", key=key, preset="web", trace="t", at=1_790_000_000_123)

    drop = KEYS.asked(asked("incoming/alice/x.jpg"))
    assert (drop.owner, drop.trace, drop.etag) == ("alice", "t", None)
    assert drop.photo == KEYS.asked(asked("incoming/alice/x.jpg")).photo
    assert drop.photo != KEYS.asked(asked("incoming/alice/y.jpg")).photo
    for key in ("incoming/bob/x.jpg", "incoming/alice", "incoming/alice/", "incoming/alice2/x.jpg", "originals/x"):
        with pytest.raises(IngestRefused, match="name an object under incoming/alice/"):
            KEYS.asked(asked(key))


@pytest.mark.parametrize(
    ("body", "good"),
    [
        ({"key": "incoming/alice/x.jpg", "preset": "web"}, True),
        ({"key": "incoming/alice/a/b c.jpg", "preset": "web", "reference": "r", "metadata": {"a": 1, "b": True}}, True),
        ({"key": "incoming/alice", "preset": "web"}, False),
        ({"key": "incoming/alice/", "preset": "web"}, False),
        ({"key": "uploads/x", "preset": "web"}, False),
        ({"key": "incoming/alice/\n", "preset": "web"}, False),
        ({"key": "incoming/alice/x.jpg", "preset": "We b"}, False),
        ({"key": "incoming/alice/x.jpg"}, False),
        ({"key": "incoming/alice/x.jpg", "preset": "web", "owner": "bob"}, False),
        ({"key": "incoming/alice/x.jpg", "preset": "web", "reference": "x" * 257}, False),
        ({"key": "incoming/alice/x.jpg", "preset": "web", "metadata": {"a": []}}, False),
    ],
)
def test_a_gateway_takes_by_the_schema_what_the_model_takes(body: dict[str, Any], good: bool) -> None:
    schema = jsonschema.Draft202012Validator(IngestRequest.model_json_schema())
    assert schema.is_valid(body) == good
    if good:
        IngestRequest.model_validate(body)
    else:
        with pytest.raises(ValidationError):
            IngestRequest.model_validate(body)


# --- the record -----------------------------------------------------------------------------------------------------


def waiting(until: datetime | None = None) -> PhotoRecord:
    upload = DirectUpload(filename="x.jpg", until=until or now() + timedelta(hours=1))
    photo = PhotoRecord(id=new_id(), owner="ann", created_at=now(), upload=upload)
    photo.add_order(jobs_adapter.validate_python([{"type": "metadata"}] * 2), RESEND)
    return photo


def original(photo: PhotoRecord, etag: str = "e") -> Original:
    return Original(
        key=f"originals/{photo.id}/{etag}",
        filename="x.jpg",
        content_type="image/jpeg",
        size=1,
        sha256="0" * 64,
        width=1,
        height=1,
    )


def test_a_photo_waits_for_its_file_until_some_time_after_the_form_ends() -> None:
    photo = waiting()
    assert photo.upload is not None
    assert photo.status == "awaiting_upload"
    assert photo.due_at == photo.upload.until + UPLOAD_MARGIN
    assert not photo.overdue_upload()
    view = photo_view(photo, "")
    assert view.upload is not None
    assert (view.upload.filename, view.original) == ("x.jpg", None)


def test_the_first_file_is_the_original_and_its_jobs_are_due() -> None:
    photo = waiting()
    assert photo.accept_upload(original(photo), RESEND)
    assert photo.status == "processing"
    assert photo.upload is None
    assert photo.due_at is not None
    assert photo.due_at <= now() + timedelta(seconds=RESEND)
    assert photo.accept_upload(original(photo), RESEND)  # somebody else who has read the same file
    before = photo.model_copy(deep=True)
    assert not photo.accept_upload(original(photo, "another"), RESEND)
    assert not photo.reject_upload(UnsupportedPhoto())
    assert photo == before


def test_a_file_that_is_none_fails_all_jobs_for_good() -> None:
    photo = waiting()
    assert photo.reject_upload(UnsupportedPhoto("a text file"))
    assert photo.status == "failed"
    assert {job.errors[0].code for job in photo.jobs.values()} == {"unsupported_photo"}
    assert photo.due_at is None
    assert not photo.accept_upload(original(photo), RESEND)
    assert photo.original is None


def test_nothing_can_be_asked_of_a_photo_without_its_file() -> None:
    photo = waiting()
    with pytest.raises(Conflict, match="has not arrived yet"):
        photo.add_order(jobs_adapter.validate_python([{"type": "metadata"}]), RESEND)
    photo.reject_upload(UnsupportedPhoto())
    assert photo.upload is not None
    assert not photo.upload.keep_file
    with pytest.raises(Conflict, match="upload the photo again"):
        photo.retry(next(iter(photo.jobs)), RESEND)
    (order,) = photo.orders
    photo.resume_order(order, RESEND)
    assert photo.status == "failed"


@pytest.mark.parametrize("error", [OutOfMemory(), ChildDied(), DarkroomError("a bug"), ObjectDenied()])
def test_a_file_that_may_be_good_is_kept(error: DarkroomError) -> None:
    photo = waiting()
    assert photo.reject_upload(error)
    assert photo.status == "failed"
    assert photo.upload is not None
    assert photo.upload.keep_file


def test_attempts_are_counted_as_long_as_a_file_is_waited_for() -> None:
    photo = waiting()
    assert [photo.count_upload_attempt() for _ in range(3)] == [1, 2, 3]
    photo.accept_upload(original(photo), RESEND)
    assert photo.count_upload_attempt() == 0


def test_what_was_cancelled_takes_no_file() -> None:
    photo = waiting()
    photo.cancel()
    assert not photo.accept_upload(original(photo), RESEND)
    assert photo.status == "cancelled"


def test_what_was_cancelled_before_its_file_came_is_due_until_it_is_told_of() -> None:
    photo = waiting()
    photo.cancel()
    assert photo.due_at is not None
    assert now() < photo.due_at < now() + timedelta(hours=1)
    photo.mark_notified()
    assert photo.due_at is None


def test_what_was_refused_after_it_was_looked_for_is_due_no_more() -> None:
    photo = waiting(now() - UPLOAD_MARGIN)
    photo.recheck_upload_later()
    photo.reject_upload(UnsupportedPhoto())
    assert photo.due_at is None


@pytest.mark.parametrize("gone", ["deleted", "expired"])
def test_what_is_gone_takes_no_file(gone: str) -> None:
    photo = waiting(now() - timedelta(hours=1))
    if gone == "deleted":
        photo.delete()
    else:
        photo.expire_upload()
    assert photo.status == gone
    for change in (lambda: photo.accept_upload(original(photo), RESEND), lambda: photo.reject_upload(Conflict())):
        with pytest.raises(PhotoGone):
            change()


def test_only_what_is_overdue_expires() -> None:
    early = waiting(now() - UPLOAD_MARGIN + timedelta(minutes=1))
    with pytest.raises(Conflict):
        early.expire_upload()
    late = waiting(now() - UPLOAD_MARGIN)
    late.expire_upload()
    assert (late.status, late.due_at) == ("expired", None)
    with pytest.raises(Conflict):
        late.expire_upload()


def test_each_look_is_later_than_the_one_before() -> None:
    photo = waiting(now() - UPLOAD_MARGIN)
    photo.recheck_upload_later()
    assert photo.due_at is not None
    waits = photo.due_at - now()
    assert 3.9 * UPLOAD_MARGIN < waits < 4.1 * UPLOAD_MARGIN
    with pytest.raises(Conflict):
        photo.recheck_upload_later()
    with pytest.raises(Conflict):
        photo.expire_upload()


def test_the_message_of_an_order_that_has_ended_still_names_its_jobs() -> None:
    photo = waiting()
    photo.reject_upload(UnsupportedPhoto())
    (order,) = photo.orders
    assert OrderMessage.of(photo, order).jobs == list(photo.jobs)


def test_a_body_nested_without_end_is_no_message() -> None:
    with pytest.raises(MessageError):
        read_body("[" * 200_000)
