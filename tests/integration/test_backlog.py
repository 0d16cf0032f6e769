"""The backlog in seconds: SQS's count times the mean cost of a sample of records."""

from __future__ import annotations

import json

import pytest

from darkroom.aws.queue import Depth
from darkroom.backlog import Backlog, backlog
from darkroom.record.messages import OrderMessage
from darkroom.record.photo import PhotoRecord
from tests.support.fake_api import run
from tests.support.stack import Stack

CHEAP = {"type": "metadata"}
COSTLY = {"type": "filter", "filter": "blur"}


def cost(photo: PhotoRecord) -> float:
    return OrderMessage.of(photo, min(photo.orders)).cost


def depth(waiting: int, delayed: int = 0) -> Depth:
    return Depth("photos", waiting, 0, delayed)


def test_the_command_shows_the_seconds_of_the_orders_that_wait(stack: Stack, picture: bytes) -> None:
    environ: dict[str, str | None] = dict(stack.environ)
    # S3 sends a test event to the ingest queue when the bucket is made.
    stack.services.clients.sqs.purge_queue(QueueUrl=stack.services.ingest.url)
    assert "No orders wait." in run("queue", env=environ).stdout
    photos = [stack.submit(picture, job) for job in (CHEAP, CHEAP, COSTLY)]
    expected = sum(map(cost, photos))

    found = json.loads(run("queue", "--json", env=environ).stdout)

    waiting = found["backlog"]
    assert (waiting["orders"], waiting["sampled"]) == (3, 3)
    assert waiting["seconds"] == pytest.approx(expected)
    assert waiting["mean_cost"] == pytest.approx(expected / 3)
    assert 0 < waiting["error"] < 1
    photos_queue = stack.services.settings.photos_queue
    assert {"queue": photos_queue, "visible": 3, "in_flight": 0, "delayed": 0} in found["queues"]
    sentence = f"3 orders wait, about {expected:,.0f} s of work for one CPU."
    assert sentence in run("queue", env=environ).stdout
    received = stack.services.photos.receive(10, wait=1, visibility=1)
    assert [message.receives for message in received] == [1, 1, 1], "the command has received none of them"


def test_the_sample_has_only_unfinished_orders(stack: Stack, picture: bytes) -> None:
    done, deleted, newer, waits = (stack.record(picture, [job]) for job in (COSTLY, COSTLY, COSTLY, CHEAP))
    for photo in (done, deleted, newer, waits):
        stack.services.table.create(photo)
    stack.services.table.update(done.id, lambda record: record.cancel())
    stack.services.table.update(deleted.id, lambda record: record.delete())
    stack.as_a_newer_release(newer)

    found = backlog(stack.services.table, [depth(7, delayed=1), depth(2)])

    assert found == Backlog(orders=10, sampled=1, mean_cost=cost(waits), seconds=10 * cost(waits), error=None)


def test_the_cost_of_orders_without_records_is_not_known(stack: Stack) -> None:
    assert backlog(stack.services.table, [depth(3)]) == Backlog(3, 0, None, None, None)


def test_no_record_is_read_when_no_order_waits(stack: Stack, picture: bytes) -> None:
    stack.services.table.create(stack.record(picture, [CHEAP]))
    assert backlog(stack.services.table, [depth(0)]) == Backlog(0, 0, None, 0.0, None)


def test_the_error_is_the_standard_error_of_the_mean() -> None:
    found = Backlog.of(100, [1.0, 3.0, 1.0, 3.0])
    assert (found.mean_cost, found.seconds) == (2.0, 200.0)
    assert found.error == pytest.approx((4 / 3) ** 0.5 / 2 / 2)
