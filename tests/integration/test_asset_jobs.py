"""Jobs that name assets, carried out by real workers; and the sweep of what uploads and removals leave."""

from __future__ import annotations

import io
import signal
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from darkroom.record.clock import now
from darkroom.record.keys import asset_key
from darkroom.record.owner_assets import Asset
from darkroom.record.photo import PhotoRecord
from darkroom.services import Services
from tests.support.crash_scene import OFTEN, SELDOM
from tests.support.fault_proxy import FaultProxy, error
from tests.support.stack import Stack, store_file
from tests.support.waiting import wait_until

RESIZE = {"type": "resize", "width": 160}


def saved(colour: str, size: tuple[int, int] = (16, 16)) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", size, colour).save(data, "PNG")
    return data.getvalue()


GREEN = saved("lime")


def marked(asset_id: str) -> dict[str, Any]:
    """A job that covers a corner of the photo with an asset."""
    return {
        "type": "watermark",
        "image": asset_id,
        "position": "northwest",
        "margin": 0,
        "scale": 0.5,
        "output": {"format": "png"},
    }


def corner(stack: Stack, photo: PhotoRecord, job: int = 0) -> tuple[int, ...]:
    result = list(photo.jobs.values())[job].result
    assert result is not None
    assert result.key is not None
    with Image.open(io.BytesIO(stack.services.bucket.read(result.key))) as image:
        colour = image.convert("RGB").getpixel((5, 5))
    assert isinstance(colour, tuple)
    return colour


def codes(photo: PhotoRecord) -> list[str]:
    return [job.errors[-1].code if job.errors else job.status for job in photo.jobs.values()]


def exists(stack: Stack, asset: Asset) -> bool:
    return stack.services.bucket.exists(asset.key)


def test_a_job_works_with_an_asset_of_its_owner(stack: Stack, picture: bytes) -> None:
    asset, alices = stack.add_asset(GREEN), stack.add_asset(saved("blue"), owner="alice")
    stack.worker(**SELDOM)
    ours = stack.submit(picture, marked(asset.id))
    others = stack.submit(picture, marked(alices.id))
    hers = stack.submit(picture, marked(alices.id), owner="alice")
    assert corner(stack, stack.wait_for(ours)) == (0, 255, 0)
    assert corner(stack, stack.wait_for(hers)) == (0, 0, 255)
    assert codes(stack.wait_for(others)) == ["asset_missing"]


def test_only_the_jobs_whose_asset_was_removed_fail_and_can_be_retried_after_a_new_upload(
    stack: Stack, picture: bytes
) -> None:
    gone, kept = stack.add_asset(GREEN), stack.add_asset(saved("yellow"))
    photo = stack.submit(picture, marked(gone.id), RESIZE, marked(kept.id))
    stack.services.assets.update("default", lambda record: record.remove(gone.id))
    worker = stack.worker(**SELDOM)
    photo = stack.wait_for(photo)
    assert codes(photo) == ["asset_missing", "succeeded", "succeeded"]
    assert corner(stack, photo, 2) == (255, 255, 0)
    failed = next(iter(photo.jobs.values()))
    assert f"asset {gone.id} was removed" in failed.errors[-1].detail
    assert photo.orders[photo.order_of(failed.id).id].dead_letter is None

    assert stack.add_asset(GREEN).id == gone.id
    photo, order = stack.services.table.update(photo.id, lambda record: record.retry(failed.id, 300))
    stack.services.outbox.send_order(photo, order.id)
    photo = stack.wait_for(photo)
    assert photo.status == "succeeded"
    assert corner(stack, photo) == (0, 255, 0)
    assert worker.process.poll() is None


def test_an_order_whose_assets_are_all_gone_ends_without_a_child(stack: Stack, picture: bytes) -> None:
    gone = stack.add_asset(GREEN)
    stack.services.assets.update("default", lambda record: record.remove(gone.id))
    stack.worker(**SELDOM)
    photo = stack.wait_for(stack.submit(picture, marked(gone.id)))
    assert (codes(photo), photo.status) == (["asset_missing"], "failed")
    (event,) = wait_until("the event is there", stack.events)
    assert event["data"]["status"] == "failed"


def test_an_asset_that_no_decoder_reads_fails_its_job_only(stack: Stack, picture: bytes) -> None:
    damaged = stack.add_asset(GREEN[:30])
    stack.worker(**SELDOM)
    photo = stack.wait_for(stack.submit(picture, marked(damaged.id), RESIZE))
    assert codes(photo) == ["unreadable_asset", "succeeded"]


# --- requests -------------------------------------------------------------------------------------------------------


@pytest.fixture
def counted(endpoint: str, stack: Stack) -> Iterator[FaultProxy]:
    """What a worker asks AWS for."""
    with FaultProxy(endpoint) as proxy:
        stack.worker(AWS_ENDPOINT_URL=proxy.url, DARKROOM_CHILDREN="1", **SELDOM)
        yield proxy


def asked(proxy: FaultProxy) -> tuple[int, int]:
    return proxy.seen("s3.GetObject"), proxy.seen("dynamodb.GetItem")


def test_an_asset_is_downloaded_once_and_read_in_the_record_for_each_order(
    stack: Stack, picture: bytes, counted: FaultProxy
) -> None:
    stack.wait_for(stack.submit(picture, RESIZE))
    without = asked(counted)
    asset = stack.add_asset(GREEN)
    seen = [without]
    for _ in range(3):
        stack.wait_for(stack.submit(picture, marked(asset.id), marked(asset.id)))
        seen.append(asked(counted))
    steps = [(after[0] - before[0], after[1] - before[1]) for before, after in pairwise(seen)]
    assert without == (1, 1)
    assert steps == [(2, 2), (1, 2), (1, 2)]


def test_an_outage_while_an_asset_is_fetched_is_tried_again(stack: Stack, picture: bytes, counted: FaultProxy) -> None:
    asset = stack.add_asset(GREEN)
    photo = stack.record(picture, [marked(asset.id)])
    stack.services.table.create(photo)
    stack.store(photo, picture)
    counted.rule("s3.GetObject", error(500, "InternalError"), times=9)
    for order in photo.orders:
        stack.services.outbox.send_order(photo, order)
    assert corner(stack, stack.wait_for(photo)) == (0, 255, 0)


# --- the sweep ------------------------------------------------------------------------------------------------------


def leave_upload(services: Services, owner: str, at: Any) -> str:
    """An upload that ended after its object was stored, as when the API dies."""
    key = asset_key(owner, "c" * 64, "1")
    store_file(services.bucket, key, GREEN, "image/png")
    services.assets.update(owner, lambda record: record.leftovers.update({key: at}))
    return key


def test_the_object_of_an_upload_that_was_not_finished_is_removed_when_its_time_is_over(stack: Stack) -> None:
    services = stack.services
    early = leave_upload(services, "alice", now() + timedelta(hours=1))
    late = leave_upload(services, "bob", now() - timedelta(seconds=1))
    stack.worker(**OFTEN)
    wait_until("the sweep has removed it", lambda: services.assets.get("bob").leftovers == {})
    assert not services.bucket.exists(late)
    assert services.bucket.exists(early)
    assert set(services.assets.get("alice").leftovers) == {early}
    assert list(services.table.overdue()) == []


def test_the_object_of_a_removed_asset_is_removed_although_the_api_has_ended(stack: Stack) -> None:
    gone, kept = stack.add_asset(GREEN), stack.add_asset(saved("yellow"))
    stack.services.assets.update("default", lambda record: record.remove(gone.id))
    assert exists(stack, gone)
    stack.worker(**OFTEN)
    wait_until("the sweep has removed it", lambda: stack.services.assets.get("default").leftovers == {})
    assert not exists(stack, gone)
    assert exists(stack, kept)


def test_assets_that_cannot_be_cleaned_up_are_tried_again_and_do_not_hide_photos(
    stack: Stack, picture: bytes, endpoint: str
) -> None:
    gone = stack.add_asset(GREEN)
    stack.services.assets.update("default", lambda record: record.remove(gone.id))
    with FaultProxy(endpoint) as proxy:
        proxy.rule("s3.DeleteObjects", error(500, "InternalError"))
        stack.worker(AWS_ENDPOINT_URL=proxy.url, **OFTEN)
        wait_until("the sweep has failed", lambda: proxy.seen("s3.DeleteObjects", "500 InternalError") >= 3)
        assert stack.wait_for(stack.submit(picture, RESIZE)).status == "succeeded"
        assert exists(stack, gone)
        proxy.heal()
        wait_until("the sweep has removed it", lambda: not exists(stack, gone))


def test_a_backlog_is_estimated_beside_assets_that_are_due(stack: Stack, picture: bytes) -> None:
    leave_upload(stack.services, "alice", now() - timedelta(seconds=1))
    photo = stack.submit(picture, RESIZE)
    assert list(stack.services.table.unfinished()) == [photo.id]


def test_a_stopped_worker_leaves_no_asset_on_its_disk(stack: Stack, picture: bytes) -> None:
    asset = stack.add_asset(GREEN)
    worker = stack.worker(**SELDOM)
    stack.wait_for(stack.submit(picture, marked(asset.id)))
    spool: Path = stack.services.settings.spool_dir
    assert [path for path in spool.glob("slot-*/*") if path.is_file() and path.name != "lock"]
    worker.send(signal.SIGTERM)
    assert worker.wait() == 0
    assert not list(spool.iterdir())
