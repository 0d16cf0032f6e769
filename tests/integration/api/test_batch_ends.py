"""When a batch has ended: its event, and what may come in between."""

from __future__ import annotations

import json
import threading
from datetime import timedelta
from typing import Any

import pytest

from darkroom.jobs.job_types import MetadataJob
from darkroom.record.clock import now
from darkroom.record.ids import new_id
from darkroom.record.photo import PhotoRecord
from darkroom.record.photo_batch import Batch
from tests.support.ended_jobs import fail, succeed
from tests.support.fake_api import run
from tests.support.fault_proxy import FaultProxy
from worker.sweep.sweeper import Sweeper


@pytest.fixture(scope="module")
def quick(start_api: Any) -> Any:
    """An API whose batches may be looked at again after 0.1 s."""
    return start_api(DARKROOM_SWEEP_INTERVAL="0.1")


def upload(api: Any, *files: bytes, **fields: Any) -> dict[str, Any]:
    answer = api.upload(*((f"{number}.jpg", file) for number, file in enumerate(files)), **fields)
    assert answer.status_code == 202, answer.text
    sent: dict[str, Any] = answer.json()
    return sent


def ids_of(sent: dict[str, Any]) -> list[str]:
    return [photo["id"] for photo in sent["photos"]]


def end(api: Any, photo_id: str, change: Any = None) -> None:
    """End the jobs of a photo, and send what a worker sends then."""
    api.change_record(photo_id, change or succeed())
    announce(api, photo_id)


def announce(api: Any, photo_id: str) -> None:
    api.services.outbox.announce(api.record(photo_id))


def add_jobs(api: Any, photo_id: str) -> None:
    api.change_record(photo_id, lambda photo: photo.add_order([MetadataJob()], 300))


def events(api: Any, batch_id: str) -> list[dict[str, Any]]:
    """The events of a batch on the queue. All events are deleted from it."""
    found = []
    while received := api.services.events.receive(10, wait=0, visibility=30):
        api.services.events.delete([message.receipt_handle for message in received])
        found += [json.loads(message.body) for message in received]
    return [event for event in found if event["type"] == "batch.completed" and event["data"]["id"] == batch_id]


def sweep(api: Any) -> None:
    Sweeper(api.services, threading.Event()).sweep_shards()


def view(api: Any, batch_id: str) -> dict[str, Any]:
    answer = api.get(f"/v1/batches/{batch_id}")
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


def stored(api: Any, batch_id: str) -> Batch:
    batch: Batch | None = api.services.batches.get(batch_id)
    assert batch is not None
    return batch


def change_batch(api: Any, batch_id: str, **values: Any) -> None:
    def change(batch: Batch) -> None:
        for name, value in values.items():
            setattr(batch, name, value)

    api.services.batches.update(batch_id, change)


def test_the_event_comes_with_the_end_of_the_last_photo_in_any_order(api: Any, picture: bytes) -> None:
    sent = upload(api, picture, picture, picture)
    first, second, third = ids_of(sent)
    end(api, third, fail)
    end(api, first)
    assert events(api, sent["batch"]) == []

    end(api, second)

    (event,) = events(api, sent["batch"])
    assert event["id"] == stored(api, sent["batch"]).event_id(1)
    assert (event["data"]["photos"], event["data"]["counts"]) == ([first, second, third], {"failed": 1, "succeeded": 2})
    assert event["data"]["links"]["archive"] == f"{sent['links']['batch']}/archive"
    announce(api, second)  # after a crash
    assert events(api, sent["batch"]) == []
    assert stored(api, sent["batch"]).due_at is None


def test_a_photo_that_is_not_accepted_is_not_waited_for(api: Any, picture: bytes) -> None:
    sent = upload(api, picture, b"text")
    photo = sent["photos"][0]["id"]
    end(api, photo)
    assert [event["data"]["photos"] for event in events(api, sent["batch"])] == [[photo]]


def test_a_deleted_photo_is_not_waited_for(api: Any, picture: bytes) -> None:
    sent = upload(api, picture, picture, picture)
    first, second, third = ids_of(sent)
    for photo_id in (third, second):
        assert api.ask("DELETE", f"/v1/photos/{photo_id}").status_code == 204
    assert events(api, sent["batch"]) == []
    end(api, first)
    assert [event["data"]["photos"] for event in events(api, sent["batch"])] == [[first]]
    assert [photo["id"] for photo in view(api, sent["batch"])["photos"]] == [first]


def test_a_repeated_request_completes_a_batch_of_which_nothing_was_accepted(
    start_api: Any, endpoint: str, picture: bytes
) -> None:
    with FaultProxy(endpoint) as proxy:
        api = start_api(AWS_ENDPOINT_URL_S3=proxy.url, DARKROOM_AWS_TIMEOUT="1", DARKROOM_API_PROCESSES="1")
        request = {
            "files": [("photo", ("a.jpg", picture)), ("photo", ("b.jpg", picture))],
            "headers": {"Idempotency-Key": '"again"'},
        }
        with proxy.down():
            refused = api.post("/v1/photos", **request)
        assert refused.status_code == 503
        # The record of the first photo was written, but the answer said that it was not accepted.
        assert view(api, refused.json()["batch"])["photos"] == []

        sent = api.post("/v1/photos", **request).json()

        assert sent["batch"] == refused.json()["batch"]
        for photo_id in ids_of(sent):
            end(api, photo_id)
        assert [event["data"]["photos"] for event in events(api, sent["batch"])] == [ids_of(sent)]


def test_a_batch_has_the_photos_that_dedupe_has_found(api: Any, picture: bytes, webp: bytes) -> None:
    earlier = upload(api, picture, dedupe="true")["id"]
    end(api, earlier)
    sent = upload(api, picture, webp, webp, dedupe="true")
    ids = ids_of(sent)
    assert ids == [earlier, ids[1], ids[1]]
    assert [photo["id"] for photo in view(api, sent["batch"])["photos"]] == [earlier, ids[1]]
    assert events(api, sent["batch"]) == []

    end(api, ids[1])

    assert [event["data"]["photos"] for event in events(api, sent["batch"])] == [[earlier, ids[1]]]


def test_the_sweep_sees_the_end_of_a_found_photo_that_was_unfinished(quick: Any, picture: bytes, webp: bytes) -> None:
    earlier = upload(quick, picture, dedupe="true")["id"]
    sent = upload(quick, picture, webp, dedupe="true")
    end(quick, ids_of(sent)[1])
    sweep(quick)
    assert events(quick, sent["batch"]) == []
    end(quick, earlier)
    assert events(quick, sent["batch"]) == [], "its record names no batch"

    quick.wait_until("the sweep has seen it", lambda: sweep(quick) or stored(quick, sent["batch"]).generation)

    assert [event["data"]["photos"] for event in events(quick, sent["batch"])] == [ids_of(sent)]


def test_the_sweep_ends_a_batch_whose_request_was_not_completed(quick: Any, picture: bytes) -> None:
    batch_id = new_id()
    photo = PhotoRecord(id=new_id(), owner="default", created_at=now(), batch=batch_id)
    photo.add_order([MetadataJob()], 300)
    batch = Batch(id=batch_id, owner="default", created_at=now(), photos=[])
    quick.services.batch_ends.open(batch, [photo.id, new_id(), new_id()], now() + timedelta(minutes=1), None)
    quick.services.table.create(photo)
    end(quick, photo.id)
    sweep(quick)
    assert events(quick, batch_id) == [], "the API may still write the other two photos"
    assert view(quick, batch_id)["status"] == "processing"

    change_batch(quick, batch_id, accepting_until=now(), due_at=now())
    sweep(quick)

    assert [event["data"]["photos"] for event in events(quick, batch_id)] == [[photo.id]]
    assert view(quick, batch_id)["status"] == "completed"


def test_the_sweep_looks_for_a_worker_that_died_before_it_looked(quick: Any, picture: bytes) -> None:
    sent = upload(quick, picture, picture)
    for photo_id in ids_of(sent):
        quick.change_record(photo_id, succeed())
    change_batch(quick, sent["batch"], due_at=now())

    sweep(quick)

    assert len(events(quick, sent["batch"])) == 1
    assert stored(quick, sent["batch"]).due_at is None


def test_the_sweep_sends_an_event_whose_end_was_written_and_not_announced(quick: Any, picture: bytes) -> None:
    sent = upload(quick, picture, picture)
    for photo_id in ids_of(sent):
        quick.change_record(photo_id, succeed())
    services = quick.services
    batch = stored(quick, sent["batch"])
    records = services.batch_ends.records(batch)
    services.batches.update(batch.id, lambda record: record.look_at(records, timedelta()))
    assert stored(quick, batch.id).unannounced

    sweep(quick)

    assert [event["id"] for event in events(quick, batch.id)] == [batch.event_id(1)]


def test_more_jobs_bring_one_more_event_under_an_id_of_its_own(api: Any, picture: bytes) -> None:
    sent = upload(api, picture, picture)
    first, second = ids_of(sent)
    end(api, first)
    end(api, second)
    (before,) = events(api, sent["batch"])
    add_jobs(api, first)
    add_jobs(api, second)
    assert (view(api, sent["batch"])["status"], view(api, sent["batch"])["generation"]) == ("processing", 1)
    end(api, first)
    assert events(api, sent["batch"]) == [], "a photo of the batch is unfinished again"

    end(api, second)

    (after,) = events(api, sent["batch"])
    assert after["id"] == stored(api, sent["batch"]).event_id(2) != before["id"]
    assert (before["data"]["generation"], after["data"]["generation"]) == (1, 2)


def test_a_photo_that_gets_more_jobs_before_the_end_is_waited_for_again(api: Any, picture: bytes) -> None:
    sent = upload(api, picture, picture)
    first, second = ids_of(sent)
    end(api, first)
    add_jobs(api, first)
    end(api, second)
    assert events(api, sent["batch"]) == []
    end(api, first)
    assert len(events(api, sent["batch"])) == 1


def test_a_batch_expires_with_its_photos(start_api: Any, picture: bytes) -> None:
    api = start_api(DARKROOM_RETENTION_DAYS="3")
    sent = upload(api, picture, picture)
    photos, batch = [api.record(photo_id) for photo_id in ids_of(sent)], stored(api, sent["batch"])
    assert batch.expires_at is not None
    assert all(photo.expires_at and photo.expires_at <= batch.expires_at for photo in photos)
    assert batch.expires_at - now() < timedelta(days=3, hours=1)
    assert int(item(api, batch.id)["ttl"]) >= batch.expires_at.timestamp()

    change_batch(api, batch.id, expires_at=now(), due_at=now())

    assert api.get(f"/v1/batches/{batch.id}").status_code == 404
    sweep(api)
    assert "due_at" not in item(api, batch.id)


def test_without_retention_a_batch_is_kept_until_its_photos_are_deleted(api: Any, picture: bytes) -> None:
    sent = upload(api, picture, picture)
    first, second = ids_of(sent)
    end(api, first)
    end(api, second)
    assert api.ask("DELETE", f"/v1/photos/{second}").status_code == 204
    assert "ttl" not in item(api, sent["batch"])

    assert api.ask("DELETE", f"/v1/photos/{first}").status_code == 204

    assert stored(api, sent["batch"]).expires_at is not None
    assert {"ttl", "due_at"} & set(item(api, sent["batch"])) == {"ttl"}
    assert len(events(api, sent["batch"])) == 1


def test_the_sweep_completes_a_deletion_of_which_the_batch_has_not_learned(quick: Any, picture: bytes) -> None:
    sent = upload(quick, picture, picture)
    first, second = ids_of(sent)
    end(quick, first)
    quick.change_record(second, lambda photo: photo.delete())  # and the API dies
    quick.change_record(second, lambda photo: setattr(photo.late_writes, "look_at", now()))

    sweep(quick)

    assert [event["data"]["photos"] for event in events(quick, sent["batch"])] == [[first]]


def test_the_command_shows_a_batch_and_its_photos(api: Any, picture: bytes) -> None:
    sent = upload(api, picture, picture, jobs=[{"type": "metadata"}])
    first, second = ids_of(sent)
    end(api, first)

    shown = run("batch", sent["batch"], url=api.url)

    assert shown.exit_code == 0, shown.stderr
    lines = [line.split() for line in shown.stdout.splitlines()]
    assert ["status", "processing"] in lines
    assert ["PHOTO", "FILE", "STATUS", "JOBS"] in lines
    assert [line for line in lines if line and line[0] == first] == [[first, "0.jpg", "succeeded", "1"]]
    assert [line for line in lines if line and line[0] == second] == [[second, "1.jpg", "processing", "1"]]
    assert json.loads(run("batch", sent["batch"], "--json", url=api.url).stdout) == view(api, sent["batch"])
    unknown = run("batch", first, url=api.url)
    assert (unknown.exit_code, unknown.stderr) == (1, f"Error: there is no batch {first} at {api.url}\n")


def item(api: Any, batch_id: str) -> dict[str, Any]:
    key = {"pk": f"batch#{batch_id}"}
    found: dict[str, Any] = api.services.clients.dynamodb.get_item(TableName=api.settings.table, Key=key)["Item"]
    return found
