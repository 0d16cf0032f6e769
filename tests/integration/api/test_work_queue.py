"""GET /v1/queue: how much work waits, how old it is, and how fast the workers are."""

from __future__ import annotations

from typing import Any

from darkroom.aws.worker_list import Activity
from darkroom.errors import AttemptsExhausted


def drop_test_events(api: Any) -> None:
    """Delete what S3 sends to a queue when it is connected."""
    queue = api.services.ingest
    while messages := queue.receive(10, wait=1, visibility=30):
        queue.delete([message.receipt_handle for message in messages])


def test_activity_adds_up_the_workers() -> None:
    keys = ["worker#000000001#a#0", "worker#000000002#a#30", "worker#000000002#b#5"]
    assert Activity.of(keys) == Activity(workers=2, per_minute=20.0)
    assert Activity.of([]) == Activity(workers=0, per_minute=0)


def test_the_queue_shows_what_waits_and_which_workers_are_alive(start_api: Any, picture: bytes) -> None:
    api = start_api()
    drop_test_events(api)
    for _ in range(3):
        photo = api.upload_photo(picture, preset="web")
    api.services.workers.note("a", 12)
    api.services.workers.note("b", 6)
    answer = api.get("/v1/queue")
    assert answer.status_code == 200, answer.text
    queue = answer.json()
    assert (queue["waiting"] + queue["in_flight"], queue["delayed"]) == (3, 0)
    assert queue["oldest_seconds"] is not None
    assert queue["oldest_seconds"] >= 0
    assert queue["backlog_seconds"] > 0
    assert (queue["workers"], queue["per_minute"], queue["dead_letters"]) == (2, 18, 0)

    def bury(record: Any) -> None:
        (order,) = record.orders.values()
        order.bury(AttemptsExhausted("each attempt failed"))

    api.change_record(photo["id"], bury)
    assert api.get("/v1/queue").json()["dead_letters"] == 1


def test_an_empty_queue_has_no_oldest_photo(start_api: Any) -> None:
    api = start_api()
    drop_test_events(api)
    queue = api.get("/v1/queue").json()
    assert (queue["waiting"], queue["oldest_seconds"], queue["backlog_seconds"], queue["workers"]) == (0, None, 0, 0)
