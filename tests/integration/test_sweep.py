"""The sweep repairs, from the records, what crashes leave behind without a message."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from darkroom.aws.table import Table
from darkroom.errors import Unavailable
from darkroom.outbox import Outbox
from darkroom.record.clock import now
from darkroom.record.keys import result_key, upload_key
from darkroom.record.messages import OrderMessage
from darkroom.record.photo import PhotoRecord
from darkroom.services import Services
from tests.support.ingesting import await_upload, put
from tests.support.records import end_late_writes
from tests.support.stack import Stack, is_empty
from tests.support.waiting import wait_until
from worker.child.workspace import Workspace, is_in_use
from worker.sweep.sweeper import Sweeper

RESIZE = {"type": "resize", "width": 160}
OFTEN = {"DARKROOM_SWEEP_INTERVAL": "0.5"}


def overdue(photo: PhotoRecord) -> PhotoRecord:
    """The API has died, and the sweep checks the orders now."""
    for order in photo.orders.values():
        order.due_at = order.storing_until = now() - timedelta(minutes=1)
        for job in order.jobs.values():
            job.queued_at = now() - timedelta(hours=1)
    return photo


def test_an_order_whose_message_the_api_did_not_send_is_sent(stack: Stack, picture: bytes) -> None:
    photo = overdue(stack.record(picture, [RESIZE]))
    stack.services.table.create(photo)
    stack.store(photo, picture)
    worker = stack.worker(**OFTEN)
    ended = stack.wait_for(photo)
    assert ended.status == "succeeded"
    assert [order.send_count for order in ended.orders.values()] == [2]
    assert worker.logged("sweep.resent")


def test_an_upload_whose_original_the_api_did_not_store_fails(stack: Stack, picture: bytes) -> None:
    photo = overdue(stack.record(picture, [RESIZE]))
    stack.services.table.create(photo)
    stack.worker(**OFTEN)
    (job,) = stack.wait_for(photo).jobs.values()
    assert (job.status, job.errors[0].code) == ("failed", "unavailable")
    assert "the upload was not completed" in job.errors[0].detail.lower()
    (event,) = wait_until("the event is there", stack.events)
    assert event["data"]["status"] == "failed"


def test_a_deletion_that_the_api_did_not_finish_is_finished(stack: Stack, picture: bytes) -> None:
    photo = stack.record(picture, [RESIZE])
    photo.delete()
    end_late_writes(photo)
    stack.services.table.create(photo)
    stack.store(photo, picture)
    stack.worker(**OFTEN)
    wait_until("the deletion is finished", lambda: stack.look(photo).late_writes is None)
    assert photo.original is not None
    assert not stack.services.bucket.exists(photo.original.key)


def test_an_expired_photo_whose_result_was_stored_late(stack: Stack, picture: bytes) -> None:
    photo = stack.record(picture, [RESIZE])
    photo.cancel()
    photo.expires_at = now()
    photo.expect_late_writes(now())
    end_late_writes(photo)
    stack.services.table.create(photo)
    stack.store(photo, picture)
    put(stack.services, result_key(photo.id, next(iter(photo.jobs)), 1, "jpg"), picture)
    stack.worker(**OFTEN)
    wait_until("the sweep has looked", lambda: stack.look(photo).late_writes is None)
    assert stack.objects(photo) == []
    assert photo.original is not None
    assert not stack.services.bucket.exists(photo.original.key)
    assert list(stack.services.table.overdue()) == []


def test_an_order_of_a_worker_that_died_with_its_message_is_sent_again(stack: Stack, picture: bytes) -> None:
    photo = stack.record(picture, [RESIZE])
    (order,) = photo.orders
    photo.claim(order, max_attempts=5, time_limit=90, resend_after=300)
    stack.services.table.create(overdue(photo))
    stack.store(photo, picture)
    stack.worker(**OFTEN)
    (job,) = stack.wait_for(photo).jobs.values()
    assert (job.status, job.attempts) == ("succeeded", 2)


def test_the_event_of_a_cancelled_upload_that_the_api_did_not_send_is_sent(stack: Stack) -> None:
    photo = await_upload(stack.services)
    photo, _ = stack.services.table.update(photo.id, cancel_long_ago)
    stack.worker(**OFTEN)
    (event,) = wait_until("the event is there", stack.events)
    assert (event["data"]["id"], event["data"]["status"]) == (photo.id, "cancelled")
    wait_until("the sweep has nothing left to do", lambda: stack.look(photo).due_at is None)
    assert list(stack.services.table.overdue()) == []
    assert stack.events() == []


def cancel_long_ago(photo: PhotoRecord) -> None:
    photo.cancel()
    assert photo.upload is not None
    assert photo.upload.sweep_at is not None
    photo.upload.sweep_at -= timedelta(hours=1)


def test_a_photo_that_cannot_be_repaired_does_not_hide_the_others(stack: Stack, picture: bytes) -> None:
    photos = [overdue(stack.record(picture, [RESIZE])) for _ in range(20)]
    for photo in photos:
        stack.services.table.create(photo)
        stack.store(photo, picture)
    for photo in photos[:10]:
        stack.as_a_newer_release(photo)
    worker = stack.worker(**OFTEN)
    assert {stack.wait_for(photo).status for photo in photos[10:]} == {"succeeded"}
    assert worker.process.poll() is None


@pytest.mark.parametrize("trouble", ["unreadable", "S3 refuses", "expired"])
def test_many_photos_that_cannot_be_repaired_do_not_hide_the_others(
    stack: Stack, picture: bytes, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    """All photos are in one partition of the index, and those that cannot be repaired come first."""
    monkeypatch.setattr("darkroom.aws.items.SHARDS", 1)
    services, long_ago = stack.services, now() - timedelta(hours=9)
    for _ in range(26):
        make_unrepairable(stack, picture, trouble, long_ago)
    good = overdue(stack.record(picture, [RESIZE]))
    services.table.create(good)

    def refuse(_self: Services, photo: PhotoRecord) -> None:
        raise Unavailable(f"S3 refuses the file of {photo.id}")

    monkeypatch.setattr(Outbox, "send_upload", refuse)
    sweeper = Sweeper(services, threading.Event())
    for _ in range(2):
        sweeper.sweep_shards()
    assert [order.send_count for order in stack.look(good).orders.values()] == [2]
    assert list(services.table.overdue()) == []


def make_unrepairable(stack: Stack, picture: bytes, trouble: str, since: datetime) -> None:
    if trouble == "S3 refuses":
        photo = await_upload(stack.services, until=since)
        put(stack.services, upload_key(photo.id), picture)
        return
    photo = stack.record(picture, [RESIZE])
    for order in photo.orders.values():
        order.due_at = since
    if trouble == "expired":
        photo.expires_at = now() + timedelta(days=1)
    stack.services.table.create(photo)
    if trouble == "unreadable":
        stack.as_a_newer_release(photo)
    else:  # it expires later, and the index is not updated
        stack.edit_record(photo, lambda record: record.update(expires_at=since.isoformat()))


def test_a_postponed_photo_is_repaired_when_that_is_possible(stack: Stack, picture: bytes) -> None:
    photo = overdue(stack.record(picture, [RESIZE]))
    stack.services.table.create(photo)
    stack.as_a_newer_release(photo)
    sweeper = Sweeper(stack.services, threading.Event())
    sweeper.sweep_shards()
    stack.as_this_release(photo)
    stack.services.table.postpone(photo.id, now() - timedelta(seconds=1))  # five minutes later
    assert stack.look(photo).orders == photo.orders
    sweeper.sweep_shards()
    assert [order.send_count for order in stack.look(photo).orders.values()] == [2]


def test_a_photo_that_is_not_overdue_stays_unchanged(stack: Stack, picture: bytes) -> None:
    waiting = stack.record(picture, [RESIZE])
    stack.services.table.create(waiting)
    stack.store(waiting, picture)
    late = overdue(stack.record(picture, [RESIZE]))
    stack.services.table.create(late)
    stack.store(late, picture)
    stack.worker(**OFTEN)
    stack.wait_for(late)
    assert stack.look(waiting) == waiting


def test_a_photo_that_is_in_the_index_too_early_is_moved(stack: Stack, picture: bytes) -> None:
    """A claim leaves the time in the index as it was, and the photo is in progress for longer than that."""
    photo = overdue(stack.record(picture, [RESIZE]))
    stack.services.table.create(photo)
    (order,) = photo.orders
    in_progress, _ = stack.services.table.update(photo.id, lambda record: record.claim(order, 5, 90, 300))
    stack.services.table.postpone(photo.id, now() - timedelta(seconds=1))
    assert list(stack.services.table.overdue()) == [photo.id]
    Sweeper(stack.services, threading.Event()).sweep_shards()
    assert list(stack.services.table.overdue()) == []
    assert stack.look(photo).orders == in_progress.orders
    stack.services.table.postpone(photo.id, now() - timedelta(seconds=1))
    assert list(stack.services.table.overdue()) == [photo.id]  # it has stayed in the index


def test_a_repaired_photo_is_not_written_once_more(
    stack: Stack, picture: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = overdue(stack.record(picture, [RESIZE]))
    stack.services.table.create(photo)
    monkeypatch.setattr(Table, "postpone", refuse_to_postpone)
    Sweeper(stack.services, threading.Event()).repair(photo.id)
    (order,) = stack.look(photo).orders.values()
    assert order.send_count == 2
    assert list(stack.services.table.overdue()) == []


def test_workers_that_sweep_at_the_same_time_share_the_shards(stack: Stack, picture: bytes) -> None:
    photo = overdue(stack.record(picture, [RESIZE]))
    stack.services.table.create(photo)
    first, second = (Sweeper(stack.services, threading.Event()) for _ in range(2))
    first.sweep()
    moment, _ = stack.services.table.update(photo.id, lambda record: overdue(record))
    second.sweep()  # the first one has just looked
    assert stack.look(photo).orders == moment.orders


@pytest.mark.parametrize("large", [False, True])
def test_every_overdue_photo_is_found_in_a_small_index_and_in_a_large_one(
    stack: Stack, picture: bytes, monkeypatch: pytest.MonkeyPatch, large: bool
) -> None:
    whole = stack.services.table.overdue_in_whole_index
    monkeypatch.setattr(Table, "overdue_in_whole_index", lambda _: whole(5 if large else 100))
    photos = [overdue(stack.record(picture, [RESIZE])) for _ in range(9)]
    for photo in photos:
        stack.services.table.create(photo)
    Sweeper(stack.services, threading.Event()).sweep()
    assert [order.send_count for photo in photos for order in stack.look(photo).orders.values()] == [2] * 9


def test_files_of_a_killed_worker_are_removed(stack: Stack) -> None:
    spool = stack.services.settings.spool_dir
    spool.mkdir(parents=True, exist_ok=True)
    without_lock, not_held = spool / "slot-without-lock", spool / "slot-not-held"
    for folder in (without_lock, not_held):
        Path(folder, "photo").mkdir(parents=True)
        Path(folder, "photo", "original").write_text("pixels")
    Path(not_held, "lock").touch()
    neighbour = Workspace(spool)
    with neighbour.files() as in_progress:
        (in_progress / "original").write_text("pixels")
        stack.worker(**OFTEN)
        wait_until("they are removed", lambda: not without_lock.exists() and not not_held.exists())
        assert (in_progress / "original").exists()
    neighbour.close()
    assert not neighbour.folder.exists()


def test_a_folder_of_a_slot_that_was_removed_is_made_again(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    with workspace.files():
        assert is_in_use(workspace.folder)
    shutil.rmtree(workspace.folder)
    with workspace.files() as folder:
        (folder / "original").touch()
        assert is_in_use(workspace.folder)
    workspace.close()
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_removed_does_not_stop_the_worker(stack: Stack) -> None:
    spool = stack.services.settings.spool_dir
    odd, old = spool / "slot-a-file", spool / "slot-old"
    old.mkdir(parents=True)
    odd.write_text("no folder")
    worker = stack.worker(**OFTEN)
    wait_until("the folder is removed", lambda: not old.exists())
    wait_until("the worker has swept on", lambda: len(worker.logged("spool.not_removed")) > 2)
    assert worker.logged("spool.not_removed")[0]["folder"] == odd.name
    assert worker.process.poll() is None


def test_an_unexpected_error_with_one_photo_does_not_hide_the_others(
    stack: Stack, picture: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = [overdue(stack.record(picture, [RESIZE])) for _ in range(5)]
    for photo in photos:
        stack.services.table.create(photo)
    sweeper = Sweeper(stack.services, threading.Event())
    repair = sweeper.repair

    def fail_for_one(photo_id: str) -> None:
        if photo_id == photos[2].id:
            raise ZeroDivisionError
        repair(photo_id)

    monkeypatch.setattr(sweeper, "repair", fail_for_one)
    sweeper.sweep_shards()
    sends = [order.send_count for photo in photos for order in stack.look(photo).orders.values()]
    assert sends == [2, 2, 1, 2, 2]


def refuse_to_postpone(*_: object) -> None:
    raise Unavailable("the table does not answer")


def test_a_photo_that_cannot_be_postponed_does_not_hide_the_others(
    stack: Stack, picture: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("darkroom.aws.items.SHARDS", 1)
    photos = [overdue(stack.record(picture, [RESIZE])) for _ in range(5)]
    for photo in photos:
        stack.services.table.create(photo)
    stack.as_a_newer_release(photos[2])
    monkeypatch.setattr(Table, "postpone", refuse_to_postpone)
    Sweeper(stack.services, threading.Event()).sweep_shards()
    del photos[2]
    assert [order.send_count for photo in photos for order in stack.look(photo).orders.values()] == [2, 2, 2, 2]


@pytest.mark.parametrize("part", ["sweep", "clean_spool"])
def test_a_failure_of_one_part_of_the_sweep_does_not_stop_the_others(
    make_stack: Callable[..., Stack], picture: bytes, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = make_stack(DARKROOM_SWEEP_INTERVAL="0.1")
    send_stale_dead_letter(stack, picture)
    stopping = threading.Event()
    sweeper = Sweeper(stack.services, stopping)
    failures: list[str] = []

    def fail() -> None:
        failures.append(part)
        raise ZeroDivisionError

    monkeypatch.setattr(sweeper, part, fail)
    thread = threading.Thread(target=sweeper.run, daemon=True)
    thread.start()
    wait_until("the dead letters are swept", lambda: is_empty(stack.services.photos.dead_letters))
    wait_until("the part has failed again", lambda: len(failures) > 1)
    assert thread.is_alive()
    stopping.set()
    thread.join()


def test_photos_that_take_all_the_time_of_a_sweep_do_not_stop_the_other_parts(
    stack: Stack, picture: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    send_stale_dead_letter(stack, picture)
    stopping = threading.Event()
    sweeper = Sweeper(stack.services, stopping)
    monkeypatch.setattr(sweeper, "sweep", stopping.set)
    sweeper.sweep_all()
    assert is_empty(stack.services.photos.dead_letters)


def send_stale_dead_letter(stack: Stack, picture: bytes) -> None:
    """A copy in the dead-letter queue whose photo has no record: the sweep removes it."""
    gone = stack.record(picture, [RESIZE])
    copy = OrderMessage.of(gone, min(gone.orders)).model_dump_json()
    stack.services.photos.dead_letters.send(copy, "ann", "1", {"code": "attempts_exhausted", "reason": "it is removed"})
