"""Messages on the ingest queue that a worker drops, buries with the reason, or leaves to another worker."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from darkroom.record.ids import new_id
from darkroom.record.keys import upload_key
from darkroom.record.messages import UploadMessage
from tests.support.ingesting import (
    await_upload,
    buried,
    notification,
    of_upload,
    only_photo,
    photos_of,
    picture_of,
    put,
    record_of,
    request,
    send,
    wait_until_quiet,
)
from tests.support.stack import Stack
from tests.support.waiting import wait_until


def test_messages_that_need_no_work_are_deleted(busy_stack: Stack, owner: str) -> None:
    services = busy_stack.services
    put(services, f"incoming/{owner}/x.jpg", picture_of("red"))
    put(services, f"incoming/{owner}/thumbnail/", b"")
    put(services, f"{upload_key(new_id())}", picture_of("red"))
    put(services, f"{upload_key('no id at all')}", picture_of("red"))
    put(services, f"uploads/{new_id()}", picture_of("red"))
    for body in (
        json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": services.settings.bucket}),
        notification(),
        notification(record_of(services, f"incoming/{owner}/thumbnail/gone.jpg", "0" * 32)),
        notification(record_of(services, f"incoming/{owner}/thumbnail/x.jpg", event="ObjectRemoved:Delete")),
        notification(record_of(services, "results/x/y/z/1.jpg")),
        of_upload(services, await_upload(services, owner=f"{owner}-waits")),
        UploadMessage(photo=new_id()).model_dump_json(),
    ):
        send(services, body)
    wait_until_quiet(busy_stack)
    assert buried(busy_stack) == []
    assert photos_of(busy_stack, owner) == []
    assert [photo.status for photo in photos_of(busy_stack, f"{owner}-waits")] == ["awaiting_upload"]


def test_a_notification_of_a_file_that_was_replaced_leaves_it_to_the_next_one(busy_stack: Stack, owner: str) -> None:
    key = f"incoming/{owner}/thumbnail/x.jpg"
    put(busy_stack.services, key, picture_of("red"))
    only_photo(busy_stack, owner)
    send(busy_stack.services, notification(record_of(busy_stack.services, key, "0" * 32)))
    wait_until_quiet(busy_stack)
    assert only_photo(busy_stack, owner).status == "succeeded"


def test_invalid_messages_go_to_the_dead_letter_queue_with_the_reason(busy_stack: Stack) -> None:
    def dropped(key: str) -> str:
        return notification(record_of(busy_stack.services, key, "0" * 32))

    reasons = {
        "what is this?": "neither a Darkroom message nor a notification from S3",
        "[]": "expected a JSON object",
        '{"Records": [{"eventName": "ObjectCreated:Put"}]}': "Records[0].eventTime: is required",
        '{"v": 1, "kind": "work"}': "expected ingest, upload or fetch on this queue",
        '{"v": 1, "kind": "ingest", "owner": "alice"}': "key: is required",
        request("incoming/alice/x.jpg", reference="x" * 300): "reference: ",
        request("incoming/bob/x.jpg"): "does not belong to alice",
        request("incoming/alicex.jpg"): "name an object under incoming/alice/",
        request("incoming/alice%2Fx.jpg"): "does not belong to alice",
        request("incoming/alice/"): "does not belong to alice",
        request("uploads/x"): "does not belong to alice",
        request("incoming/alice/../bob/x.jpg"): "give the object another key",
        request("incoming/alice/x.jpg", preset="nonsense"): "'nonsense'; the presets are web, thumbnail",
        request("incoming/-/x.jpg", "-"): "not a valid owner",
        dropped("incoming/x.jpg"): "put files into incoming/{owner}/{preset}/",
        dropped("incoming/alice/nonsense/x.jpg"): "the presets are web, thumbnail",
        dropped("incoming/.alice/web/x.jpg"): "not a valid owner",
        dropped("incoming/alice/web/./x.jpg"): "give the object another key",
        dropped("incoming/alice/web/x.jpg").replace(
            busy_stack.services.settings.bucket, "elsewhere"
        ): "in bucket elsewhere",
    }
    for body in reasons:
        send(busy_stack.services, body)
    wait_until_quiet(busy_stack)
    letters = {body: reason for body, _, reason in buried(busy_stack)}
    assert letters.keys() == reasons.keys()
    for body, reason in reasons.items():
        assert reason in letters[body]


def test_only_owners_with_keys_may_drop_where_there_are_keys(make_stack: Callable[..., Stack], tmp_path: Path) -> None:
    owners = tmp_path / "owners.toml"
    owners.write_text(f'[alice]\nkeys = ["{"0" * 64}"]\ncallback_url = "https://example.com/hook"\n')
    secret = "whsec_" + "A" * 43 + "="
    stack = make_stack(DARKROOM_OWNERS_FILE=str(owners), DARKROOM_WEBHOOK_SECRET=secret, DARKROOM_BACKOFF_CAP="2")
    for name in ("alice", "bob"):
        put(stack.services, f"incoming/{name}/thumbnail/x.jpg", picture_of("red"))
    stack.worker()
    photo = only_photo(stack, "alice")
    assert photo.callback is not None
    assert photo.callback.url == "https://example.com/hook"
    wait_until_quiet(stack)
    ((_, _, why),) = buried(stack)
    assert "there is no owner bob" in why
    assert photos_of(stack, "bob") == []


@pytest.mark.parametrize("way", ["dropped", "asked for"])
@pytest.mark.parametrize("what", ["preset", "owner"])
def test_a_worker_that_does_not_know_the_preset_or_owner_leaves_the_file_to_a_newer_worker(
    stack: Stack, tmp_path: Path, way: str, what: str
) -> None:
    owners, presets = tmp_path / "owners.toml", tmp_path / "presets.toml"
    owners.write_text(f'[bob]\nkeys = ["{"0" * 64}"]\n[alice]\nkeys = ["{"1" * 64}"]\n')
    presets.write_text('[web]\njobs = [{ type = "metadata" }]\n[fresh]\njobs = [{ type = "metadata" }]\n')
    new = {"DARKROOM_OWNERS_FILE": str(owners), "DARKROOM_PRESETS_FILE": str(presets)}
    old = tmp_path / "old.toml"
    old.write_text(owners.read_text().partition("[alice]")[0])
    preset = "fresh" if what == "preset" else "web"
    if way == "dropped":
        put(stack.services, f"incoming/alice/{preset}/x.jpg", picture_of("red"))
    else:
        put(stack.services, "incoming/alice/x.jpg", picture_of("red"))
        send(stack.services, request("incoming/alice/x.jpg", preset=preset))
    before = stack.worker(**({} if what == "preset" else {"DARKROOM_OWNERS_FILE": str(old)}), DARKROOM_BACKOFF_CAP="2")
    (refused,) = wait_until("the old worker has had it", lambda: before.logged("message.refused"))[:1]
    assert f"there is no {what}" in refused["detail"]
    before.process.terminate()
    assert before.wait() == 0
    stack.worker(**new)
    assert only_photo(stack, "alice").status == "succeeded"
    wait_until_quiet(stack)
    assert buried(stack) == []


def test_a_message_of_a_newer_release_is_given_back(stack: Stack) -> None:
    send(stack.services, json.dumps({"v": 2, "kind": "ingest", "colour": "blue"}))
    worker = stack.worker(DARKROOM_BACKOFF_CAP="2")
    wait_until("it was received twice", lambda: len(refused := worker.logged("message.refused")) > 1 and refused)
    assert {entry["code"] for entry in worker.logged("message.refused")} == {"future_message"}
    assert buried(stack) == []
