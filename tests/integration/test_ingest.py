"""Files that come past the API: real forms, real notifications, real workers."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import io
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from PIL import Image

from darkroom.aws.queue import Queue
from darkroom.record.clock import now
from darkroom.record.ids import new_id
from darkroom.record.keys import original_key, upload_key
from darkroom.record.messages import UploadMessage, read_order
from darkroom.record.photo import PhotoRecord
from darkroom.services import Services
from tests.support.faulty import Fault, start
from tests.support.ingesting import (
    RESIZE,
    await_upload,
    notification,
    of_upload,
    put,
    record_of,
    request,
    send,
    use_form,
)
from tests.support.stack import QUICK_LEASE, Stack
from tests.support.waiting import wait_until
from worker.ingest.notifications import Notification, read_body
from worker.sweep.sweeper import Sweeper

THUMBNAIL = [("resize", 200)]
"""The preset `thumbnail`."""


@pytest.fixture(scope="module")
def busy(deploy: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A deployment with a worker. Its tests have photos and owners of their own."""
    with contextlib.ExitStack() as workers:
        limits = {"DARKROOM_MAX_UPLOAD_BYTES": "200000", "DARKROOM_MAX_PIXELS": "1000000", "DARKROOM_BACKOFF_CAP": "2"}
        deployment = deploy(**QUICK_LEASE, **limits)
        folder = tmp_path_factory.mktemp("busy")
        stack = Stack(Services.connect(deployment.settings), deployment.environ_of("worker"), folder, workers)
        stack.worker(DARKROOM_SWEEP_INTERVAL="0.5")
        yield stack


@pytest.fixture
def owner() -> str:
    return f"owner-{new_id()[-12:]}"


def picture_of(colour: str, side: int = 300) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (side, side), colour).save(data, "JPEG")
    return data.getvalue()


def is_empty(queue: Queue) -> bool:
    depth = queue.depth()
    return depth.visible == depth.in_flight == depth.delayed == 0


def wait_until_quiet(stack: Stack) -> None:
    """Until no worker has, or will get, anything to do."""
    for queue in (stack.services.ingest, stack.services.photos):
        wait_until(f"{queue.name} is empty", lambda queue=queue: is_empty(queue))


def photos_of(stack: Stack, owner: str) -> list[PhotoRecord]:
    return stack.services.table.list_photos(owner, 10)[0]


def only_photo(stack: Stack, owner: str) -> PhotoRecord:
    """The photo that a file of this owner becomes, once it has ended."""

    def ended() -> PhotoRecord | None:
        found = photos_of(stack, owner)
        assert len(found) < 2
        return next((photo for photo in found if not photo.unfinished), None)

    return wait_until("the file is a photo, and done", ended)


def stored(stack: Stack, prefix: str) -> list[str]:
    found = stack.services.clients.s3.list_objects_v2(Bucket=stack.services.settings.bucket, Prefix=prefix)
    return [item["Key"] for item in found.get("Contents", [])]


def buried(stack: Stack) -> list[tuple[str, str, str]]:
    """Body, code and reason of each dead letter of the ingest queue, which are taken from it."""
    queue, letters = stack.services.ingest.dead_letters, []
    while messages := queue.receive(10, wait=1, visibility=30):
        letters += [(one.body, one.attributes["code"], one.attributes["reason"]) for one in messages]
        queue.delete([one.receipt_handle for one in messages])
    return letters


def check_original(stack: Stack, photo: PhotoRecord, file: bytes, filename: str) -> None:
    """It is there once, as it was sent, and nothing is left of its upload."""
    original = photo.original
    assert original is not None
    assert photo.upload is None
    assert (original.filename, original.content_type) == (filename, "image/jpeg")
    assert (original.size, original.sha256) == (len(file), hashlib.sha256(file).hexdigest())
    assert original.key.startswith(f"{original_key(photo.id)}/")
    assert stored(stack, original_key(photo.id)) == [original.key]
    assert stack.services.bucket.read(original.key) == file
    assert stored(stack, upload_key(photo.id)) == []


def sides(stack: Stack, photo: PhotoRecord) -> list[tuple[int, int]]:
    """Of the pictures made."""
    results = [job.result for job in photo.jobs.values() if job.result]
    return [Image.open(io.BytesIO(stack.services.bucket.read(result.key))).size for result in results]


# --- direct uploads -------------------------------------------------------------------------------------------------


def test_a_direct_upload_becomes_a_photo_and_its_jobs_are_done(stack: Stack, picture: bytes) -> None:
    worker = stack.worker()
    photo = await_upload(stack.services, RESIZE, reference="r-1")
    assert photo.status == "awaiting_upload"
    use_form(stack.services, photo, picture)
    ended = stack.wait_for(photo)
    assert ended.status == "succeeded"
    check_original(stack, ended, picture, "beach.jpg")
    assert sides(stack, ended) == [(160, 120)]
    wait_until_quiet(stack)
    assert len(worker.logged("order.handled")) == 1  # by the message that S3 sent
    (event,) = stack.events()
    assert (event["data"]["id"], event["data"]["status"]) == (photo.id, "succeeded")
    assert stack.receive(stack.services.photos.dead_letters) == []
    assert buried(stack) == []


def test_a_fifo_queue_gets_the_order_as_a_message(make_stack: Callable[..., Stack], picture: bytes) -> None:
    stack = make_stack(DARKROOM_QUEUE_TYPE="fifo")
    photo = await_upload(stack.services)
    use_form(stack.services, photo, picture)
    put(stack.services, "incoming/alice/thumbnail/x.jpg", picture)
    stack.worker()
    ended = stack.wait_for(photo)
    assert ended.status == "succeeded"
    check_original(stack, ended, picture, "beach.jpg")
    assert only_photo(stack, "alice").status == "succeeded"
    wait_until_quiet(stack)


def test_of_two_files_of_one_form_the_newest_counts(stack: Stack) -> None:
    photo = await_upload(stack.services)
    for colour in ("red", "green", "blue"):
        use_form(stack.services, photo, picture_of(colour))
    stack.worker(DARKROOM_CONCURRENCY="3")
    check_original(stack, stack.wait_for(photo), picture_of("blue"), "beach.jpg")
    wait_until_quiet(stack)
    assert len(stack.events()) >= 1
    assert len(photos_of(stack, "default")) == 1


def test_a_form_that_is_used_again_changes_nothing(busy: Stack) -> None:
    photo = await_upload(busy.services)
    use_form(busy.services, photo, picture_of("red"))
    ended = busy.wait_for(photo)
    wait_until_quiet(busy)
    use_form(busy.services, photo, picture_of("blue"))
    wait_until("the second file is gone", lambda: not stored(busy, upload_key(photo.id)))
    wait_until_quiet(busy)
    assert busy.look(photo).original == ended.original
    check_original(busy, busy.look(photo), picture_of("red"), "beach.jpg")


def test_a_file_that_was_refused_uses_up_the_form(busy: Stack) -> None:
    photo = await_upload(busy.services)
    use_form(busy.services, photo, b"no photo")
    assert busy.wait_for(photo).status == "failed"
    use_form(busy.services, photo, picture_of("red"))
    wait_until("the second file is gone", lambda: not stored(busy, upload_key(photo.id)))
    wait_until_quiet(busy)
    assert busy.look(photo).status == "failed"


@pytest.mark.parametrize(
    ("file", "code", "detail"),
    [
        (b"Dear diary", "unsupported_photo", "text file"),
        (picture_of("red")[:100], "unreadable_photo", "header"),
        (picture_of("red", 1001), "too_many_pixels", "1,002,001 pixels"),
        (picture_of("red")[:-300], "unreadable_photo", ""),
    ],
    ids=["no photo", "damaged header", "too many pixels", "damaged pixels"],
)
def test_a_bad_file_fails_as_in_the_api(busy: Stack, file: bytes, code: str, detail: str) -> None:
    busy.events()
    photo = await_upload(busy.services, RESIZE, {"type": "metadata"}, callback=None)
    use_form(busy.services, photo, file)
    ended = busy.wait_for(photo)
    assert ended.status == "failed"
    errors = [job.errors[-1] for job in ended.jobs.values()]
    assert {error.code for error in errors} == {code}
    assert all(detail in error.detail for error in errors)
    wait_until("the file is gone", lambda: not stored(busy, upload_key(photo.id)))
    wait_until("its end is told", lambda: [one for one in busy.events() if one["data"]["id"] == photo.id])
    wait_until_quiet(busy)
    assert ended.dead_letter_at is None
    assert buried(busy) == []


def test_a_file_that_is_too_large_is_not_even_fetched(busy: Stack) -> None:
    photo = await_upload(busy.services)
    put(busy.services, upload_key(photo.id), b"\xff" * 200_001)  # the form itself would refuse it
    (job,) = busy.wait_for(photo).jobs.values()
    assert (job.status, job.errors[-1].code) == ("failed", "too_large")
    assert "200,000 bytes" in job.errors[-1].detail


def test_a_photo_deleted_while_it_waits_takes_its_file_along(busy: Stack) -> None:
    photo = await_upload(busy.services)
    photo, _ = busy.services.table.update(photo.id, lambda record: record.delete())
    busy.services.cleanup.remove_deleted(photo)
    use_form(busy.services, photo, picture_of("red"))
    wait_until("the file is gone", lambda: not stored(busy, upload_key(photo.id)))
    wait_until_quiet(busy)
    assert busy.look(photo).status == "deleted"
    assert stored(busy, original_key(photo.id)) == []


def test_a_photo_that_has_expired_takes_its_file_along(busy: Stack) -> None:
    photo = await_upload(busy.services, expires_at=now() - timedelta(seconds=1))
    use_form(busy.services, photo, picture_of("red"))
    wait_until("the file is gone", lambda: not stored(busy, upload_key(photo.id)))
    wait_until_quiet(busy)
    assert busy.look(photo).original is None


def test_a_photo_cancelled_while_it_waits_takes_no_file(busy: Stack) -> None:
    photo = await_upload(busy.services)
    busy.services.table.update(photo.id, lambda record: record.cancel())
    use_form(busy.services, photo, picture_of("red"))
    wait_until("the file is gone", lambda: not stored(busy, upload_key(photo.id)))
    wait_until_quiet(busy)
    assert busy.look(photo).status == "cancelled"
    assert stored(busy, original_key(photo.id)) == []


def test_an_order_given_up_becomes_a_dead_letter_of_its_own_queue(busy: Stack) -> None:
    """Whoever redrives or reads it must not have to know by which way the photo came."""
    photo = await_upload(busy.services)
    (order,) = photo.orders
    for _ in range(5):  # five workers that claimed it and were heard of no more
        busy.services.table.update(photo.id, lambda record: record.claim(order, 5, 90, 300))
    use_form(busy.services, photo, picture_of("red"))
    ended = busy.wait_for(photo)
    assert ended.orders[order].dead_letter is not None
    wait_until_quiet(busy)
    # A sweep may be looking at it just now, and hides it for that long.
    letters = wait_until("the dead letter is there", lambda: busy.receive(busy.services.photos.dead_letters))
    assert {read_order(body).photo for body in letters} == {photo.id}
    assert buried(busy) == []


def test_deleting_removes_original_and_upload(busy: Stack) -> None:
    photo = await_upload(busy.services)
    use_form(busy.services, photo, picture_of("red"))
    busy.wait_for(photo)
    wait_until_quiet(busy)
    put(busy.services, original_key(photo.id, "0" * 32), b"left by somebody who was too late")
    busy.services.bucket.remove_photo(photo.id)
    assert stored(busy, original_key(photo.id)) == stored(busy, f"results/{photo.id}") == []


# --- two at once ----------------------------------------------------------------------------------------------------

STAGES = {
    "looked": Fault("worker.child.process:Child.look", "after", act="wait"),
    "copied": Fault("darkroom.aws.bucket:Bucket.copy", "after", act="wait"),
}
"""Where a worker is halted that takes a file in."""


@contextlib.contextmanager
def halted(stack: Stack, stage: str, folder: Path) -> Iterator[Path]:
    """A worker that waits at a stage until the file is there which this gives the name of."""
    fault = dataclasses.replace(STAGES[stage], folder=str(folder))
    environ = stack.environ | {"DARKROOM_SWEEP_INTERVAL": "3600", "DARKROOM_CONCURRENCY": "1", "DARKROOM_PREFETCH": "0"}
    process = start("worker", [fault], environ, folder / "halted.log")
    try:
        wait_until("the worker is halted", lambda: list(folder.glob("reached-*")))
        yield folder / "go"
        wait_until_quiet(stack)
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("stage", STAGES)
def test_of_two_files_of_one_form_at_once_one_is_the_original(stack: Stack, tmp_path: Path, stage: str) -> None:
    photo = await_upload(stack.services)
    use_form(stack.services, photo, picture_of("red"))
    with halted(stack, stage, tmp_path) as go:
        use_form(stack.services, photo, picture_of("blue"))
        worker = stack.worker()
        ended = stack.wait_for(photo)
        go.touch()
    check_original(stack, stack.look(photo), picture_of("blue"), "beach.jpg")
    assert stack.look(photo).jobs == ended.jobs
    assert worker.process.poll() is None
    assert {event["id"] for event in stack.events()} == {ended.event_id("photo.completed")}


@pytest.mark.parametrize("stage", STAGES)
def test_a_photo_deleted_while_its_file_is_taken_in_leaves_nothing(stack: Stack, tmp_path: Path, stage: str) -> None:
    photo = await_upload(stack.services)
    use_form(stack.services, photo, picture_of("red"))
    with halted(stack, stage, tmp_path) as go:
        photo, _ = stack.services.table.update(photo.id, lambda record: record.delete())
        stack.services.cleanup.remove_deleted(photo)
        go.touch()
    assert stored(stack, original_key(photo.id)) == stored(stack, upload_key(photo.id)) == []
    assert stack.look(photo).status == "deleted"
    assert stack.events() == []


# --- files dropped into the bucket ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["beach.jpg", "Rom & Söhne 100% (1)+2.jpg", "2026/June/%2e%2e.jpg"])
def test_a_dropped_file_becomes_a_photo_of_its_folders_owner(busy: Stack, owner: str, name: str) -> None:
    key = f"incoming/{owner}/thumbnail/{name}"
    put(busy.services, key, picture_of("red"))
    photo = only_photo(busy, owner)
    assert photo.status == "succeeded"
    check_original(busy, photo, picture_of("red"), name.rpartition("/")[2])
    assert [(job.spec.type, getattr(job.spec, "width", None)) for job in photo.jobs.values()] == THUMBNAIL
    assert stored(busy, key) == [key]  # it is whoever dropped it who takes it away
    assert photo.orders[min(photo.orders)].trace


@pytest.mark.parametrize("way", ["copy", "multipart"])
def test_large_and_copied_files_are_dropped_files_too(busy: Stack, owner: str, way: str) -> None:
    s3, bucket, key = busy.services.clients.s3, busy.services.settings.bucket, f"incoming/{owner}/thumbnail/x.jpg"
    if way == "copy":
        source = f"incoming/{owner}/x.jpg"  # where it only waits
        put(busy.services, source, picture_of("red"))
        s3.copy_object(Bucket=bucket, Key=key, CopySource={"Bucket": bucket, "Key": source})
    else:
        upload = s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
        part = s3.upload_part(Bucket=bucket, Key=key, UploadId=upload, PartNumber=1, Body=picture_of("red"))
        parts: Any = {"Parts": [{"ETag": part["ETag"], "PartNumber": 1}]}
        s3.complete_multipart_upload(Bucket=bucket, Key=key, UploadId=upload, MultipartUpload=parts)
    check_original(busy, only_photo(busy, owner), picture_of("red"), "x.jpg")
    wait_until_quiet(busy)


def test_a_repeated_notification_makes_no_second_photo(stack: Stack) -> None:
    key = "incoming/alice/thumbnail/x.jpg"
    etag = put(stack.services, key, picture_of("red"))
    real = [body for body in stack.receive(stack.services.ingest) if "Records" in body]
    told = notification(record_of(stack.services, key, etag))
    for body in (told, told, told):
        send(stack.services, body)
    stack.worker(DARKROOM_CONCURRENCY="3")
    photo = only_photo(stack, "alice")
    wait_until_quiet(stack)
    send(stack.services, told)
    wait_until_quiet(stack)
    assert only_photo(stack, "alice") == photo
    (notice,) = read_body(real[0])  # type: ignore[misc]
    assert isinstance(notice, Notification)
    assert (notice.key, notice.etag) == (key, etag)


def test_a_deleted_photo_does_not_come_back(stack: Stack) -> None:
    key = "incoming/alice/thumbnail/x.jpg"
    etag = put(stack.services, key, picture_of("red"))
    stack.receive(stack.services.ingest)
    send(stack.services, notification(record_of(stack.services, key, etag)))
    stack.worker()
    photo = only_photo(stack, "alice")
    wait_until_quiet(stack)
    photo, _ = stack.services.table.update(photo.id, lambda record: record.delete())
    stack.services.cleanup.remove_deleted(photo)
    send(stack.services, notification(record_of(stack.services, key, etag)))
    wait_until_quiet(stack)
    assert stack.look(photo).status == "deleted"
    assert stored(stack, original_key(photo.id)) == []
    assert photos_of(stack, "alice") == []


def test_several_files_in_one_notification_are_all_brought_in(busy: Stack, owner: str) -> None:
    records = []
    for number in range(3):
        key = f"incoming/{owner}/{number}.jpg"
        etag = put(busy.services, key, picture_of("red"))
        records.append(record_of(busy.services, key, etag))
    wait_until_quiet(busy)
    for number, record in enumerate(records):  # as if they had been dropped there
        copied = f"incoming/{owner}-{number}/thumbnail/x.jpg"
        busy.services.clients.s3.copy_object(
            Bucket=busy.services.settings.bucket,
            Key=copied,
            CopySource={"Bucket": busy.services.settings.bucket, "Key": f"incoming/{owner}/{number}.jpg"},
        )
        record["s3"]["object"]["key"] = copied
    bad = record_of(busy.services, f"incoming/{owner}/nonsense/x.jpg")
    send(busy.services, notification(*records, bad))
    for number in range(3):
        wait_until(
            "both its own notification and ours are done",
            lambda number=number: (
                len([photo for photo in photos_of(busy, f"{owner}-{number}") if photo.status == "succeeded"]) == 2
            ),
        )
    wait_until_quiet(busy)
    ((_, code, reason),) = buried(busy)
    assert code == "ingest_refused"
    assert "nonsense" in reason


def test_a_bad_dropped_file_is_shown_to_its_owner(busy: Stack, owner: str) -> None:
    put(busy.services, f"incoming/{owner}/thumbnail/notes.txt", b"Dear diary")
    photo = only_photo(busy, owner)
    (job,) = photo.jobs.values()
    assert (photo.status, job.errors[-1].code) == ("failed", "unsupported_photo")
    assert photo.upload is not None
    assert photo.upload.filename == "notes.txt"


# --- what a gateway asks for ----------------------------------------------------------------------------------------


def test_a_request_brings_a_waiting_file_in(busy: Stack, owner: str) -> None:
    key = f"incoming/{owner}/beach.jpg"
    put(busy.services, key, picture_of("red"))
    wait_until_quiet(busy)
    assert photos_of(busy, owner) == []
    body = request(key, owner, reference="r-7", metadata={"album": "Rome", "page": 3})
    for _ in range(2):
        send(busy.services, body)
    photo = only_photo(busy, owner)
    wait_until_quiet(busy)
    assert only_photo(busy, owner).id == photo.id
    check_original(busy, photo, picture_of("red"), "beach.jpg")
    assert (photo.reference, photo.metadata) == ("r-7", {"album": "Rome", "page": 3})
    assert photo.orders[min(photo.orders)].trace == json.loads(body)["trace"]


def test_a_request_for_a_file_that_is_not_there_is_shown_to_its_owner(busy: Stack, owner: str) -> None:
    send(busy.services, request(f"incoming/{owner}/baech.jpg", owner))
    photo = only_photo(busy, owner)
    (job,) = photo.jobs.values()
    assert (photo.status, job.errors[-1].code) == ("failed", "not_found")
    assert f"incoming/{owner}/baech.jpg" in job.errors[-1].detail


# --- what must do no harm -------------------------------------------------------------------------------------------


def test_what_is_nothing_to_us_is_dropped(busy: Stack, owner: str) -> None:
    services = busy.services
    put(services, f"incoming/{owner}/x.jpg", picture_of("red"))
    put(services, f"incoming/{owner}/thumbnail/", b"")
    put(services, f"{upload_key(new_id())}", picture_of("red"))
    put(services, f"{upload_key('no id at all')}", picture_of("red"))
    for body in (
        json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": services.settings.bucket}),
        notification(),
        notification(record_of(services, f"incoming/{owner}/thumbnail/gone.jpg", "0" * 32)),
        notification(record_of(services, f"incoming/{owner}/thumbnail/x.jpg", event="ObjectRemoved:Delete")),
        notification(record_of(services, "results/x/y/1.jpg")),
        of_upload(services, await_upload(services, owner=f"{owner}-waits")),
        UploadMessage(photo=new_id()).model_dump_json(),
    ):
        send(services, body)
    wait_until_quiet(busy)
    assert buried(busy) == []
    assert photos_of(busy, owner) == []
    assert [photo.status for photo in photos_of(busy, f"{owner}-waits")] == ["awaiting_upload"]


def test_a_notification_of_a_file_that_was_replaced_leaves_it_to_the_next_one(busy: Stack, owner: str) -> None:
    key = f"incoming/{owner}/thumbnail/x.jpg"
    put(busy.services, key, picture_of("red"))
    only_photo(busy, owner)
    send(busy.services, notification(record_of(busy.services, key, "0" * 32)))
    wait_until_quiet(busy)
    assert only_photo(busy, owner).status == "succeeded"


def test_what_cannot_be_is_buried_with_the_reason(busy: Stack) -> None:
    def dropped(key: str) -> str:
        return notification(record_of(busy.services, key, "0" * 32))

    reasons = {
        "what is this?": "neither a Darkroom message nor a notification from S3",
        "[]": "expected a JSON object",
        '{"Records": [{"eventName": "ObjectCreated:Put"}]}': "Records.0.eventTime",
        '{"v": 1, "kind": "work"}': "expected ingest or upload on this queue",
        '{"v": 1, "kind": "ingest", "owner": "alice"}': "key: Field required",
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
        dropped("incoming/alice/web/x.jpg").replace(busy.services.settings.bucket, "elsewhere"): "in bucket elsewhere",
    }
    for body in reasons:
        send(busy.services, body)
    wait_until_quiet(busy)
    letters = {body: reason for body, _, reason in buried(busy)}
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
def test_a_worker_that_does_not_know_it_yet_leaves_it_to_one_that_does(
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


def test_a_decoder_that_crashes_over_a_header_costs_that_photo_only(stack: Stack, picture: bytes) -> None:
    poison, good = await_upload(stack.services), await_upload(stack.services)
    use_form(stack.services, poison, b"CRASH" + picture)
    use_form(stack.services, good, picture)
    worker = stack.worker("tests.support.misbehaving", DARKROOM_CONCURRENCY="1")
    (job,) = stack.wait_for(poison).jobs.values()
    assert (job.status, job.errors[-1].code) == ("failed", "child_died")
    assert stack.wait_for(good).status == "succeeded"
    assert worker.process.poll() is None
    wait_until_quiet(stack)
    assert stored(stack, upload_key(poison.id))  # for whoever wants to know what it was


def test_an_error_that_nobody_foresaw_is_tried_again_and_then_shown(stack: Stack, picture: bytes) -> None:
    photo = await_upload(stack.services)
    use_form(stack.services, photo, b"BUGGY" + picture)
    settings = {"DARKROOM_MAX_ATTEMPTS": "2", "DARKROOM_BACKOFF_CAP": "2"}
    worker = stack.worker("tests.support.misbehaving", **settings)
    (job,) = stack.wait_for(photo).jobs.values()
    assert (job.status, job.errors[-1].code) == ("failed", "internal_error")
    assert "the service's log has the reason" in job.errors[-1].detail
    wait_until_quiet(stack)
    attempts = worker.logged("ingest.attempt_failed")
    assert [entry["attempt"] for entry in attempts] == [1, 2]
    assert all("nobody thought of this" in entry["exception"] for entry in attempts)
    assert "in _sniff" in attempts[0]["exception"]  # the child's own trace
    assert stored(stack, upload_key(photo.id))
    assert buried(stack) == []
    assert [event["data"]["status"] for event in stack.events()] == ["failed"]


def test_a_stop_gives_back_what_is_looked_at(stack: Stack, picture: bytes) -> None:
    photo = await_upload(stack.services)
    use_form(stack.services, photo, b"SLEEP" + picture)
    worker = stack.worker("tests.support.misbehaving", DARKROOM_CONCURRENCY="1", DARKROOM_STOP_GRACE="1")
    wait_until("a child looks", lambda: worker.children())
    worker.process.terminate()
    assert worker.wait() == 0
    assert stack.look(photo).status == "awaiting_upload"
    depth = stack.services.ingest.depth()
    assert (depth.visible, depth.in_flight) == (1, 0)


# --- the sweep ------------------------------------------------------------------------------------------------------


def test_a_lost_notification_is_made_up_for(stack: Stack, picture: bytes) -> None:
    photo = await_upload(stack.services, until=now() - timedelta(hours=1))
    use_form(stack.services, photo, picture)
    stack.receive(stack.services.ingest)  # lost
    worker = stack.worker(DARKROOM_SWEEP_INTERVAL="0.5")
    check_original(stack, stack.wait_for(photo), picture, "beach.jpg")
    assert len(worker.logged("sweep.upload_found")) == 1
    wait_until_quiet(stack)


def test_a_form_that_was_never_used_expires(stack: Stack) -> None:
    late, early = await_upload(stack.services, until=now() - timedelta(hours=1)), await_upload(stack.services)
    stack.worker(DARKROOM_SWEEP_INTERVAL="0.5")
    wait_until("it has expired", lambda: stack.look(late).status == "expired")
    assert stack.look(late).due_at is None
    assert stack.look(early).status == "awaiting_upload"


def test_a_file_that_waits_in_a_long_queue_does_not_expire(stack: Stack, picture: bytes) -> None:
    photo = await_upload(stack.services, until=now() - timedelta(hours=1))
    use_form(stack.services, photo, picture)
    sweeper = Sweeper(stack.services, Event())
    for _ in range(3):
        sweeper.sweep()
    waiting = stack.look(photo)
    assert waiting.status == "awaiting_upload"
    assert waiting.due_at is not None
    assert waiting.due_at - now() > timedelta(hours=3)  # each look is later than the one before
    asked = [body for body in stack.receive(stack.services.ingest) if "upload" in json.loads(body).get("kind", "")]
    assert len(asked) == 1
    send(stack.services, asked[0])
    stack.worker()
    check_original(stack, stack.wait_for(photo), picture, "beach.jpg")


def test_a_dropped_file_whose_worker_died_is_not_forgotten(stack: Stack, picture: bytes) -> None:
    key = "incoming/alice/thumbnail/x.jpg"
    put(stack.services, key, picture)
    stack.receive(stack.services.ingest)
    upload = {"filename": "x.jpg", "until": now() - timedelta(hours=1), "key": key}
    photo = await_upload(stack.services, owner="alice", upload=upload)
    stack.worker(DARKROOM_SWEEP_INTERVAL="0.5")
    check_original(stack, stack.wait_for(photo), picture, "x.jpg")
    assert stored(stack, key) == [key]


def test_copies_of_workers_that_were_too_late_are_removed(stack: Stack, picture: bytes) -> None:
    photo = await_upload(stack.services)
    put(stack.services, original_key(photo.id, "0" * 32), b"of another file")
    use_form(stack.services, photo, picture)
    for received in stack.services.ingest.receive(10, wait=1, visibility=0):  # a worker that died at once
        assert received.receives == 1
    stack.worker()
    check_original(stack, stack.wait_for(photo), picture, "beach.jpg")
