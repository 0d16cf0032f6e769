"""A photo after its upload: reading it, waiting for it, cancelling and deleting it; its jobs and their results."""

from __future__ import annotations

import json
import signal
import threading
from typing import Any
from uuid import uuid4

import pytest
import requests

from darkroom.record.clock import now
from darkroom.record.keys import result_key
from darkroom.record.late_writes import LONGEST_PUT
from darkroom.record.photo import PhotoRecord
from tests.support.ended_jobs import fail, succeed
from tests.support.fault_proxy import FaultProxy, error

REFUSED = "2"
"""Retry-After of a request that found no free place to wait."""


def wait(photo: dict[str, Any], answers: list[requests.Response]) -> None:
    """Wait for a photo with ?wait. If there is no free place to wait, ask again."""
    while (answer := requests.get(photo["links"]["self"] + "?wait=60", timeout=120)).headers.get(
        "Retry-After"
    ) == REFUSED:
        pass
    answers.append(answer)


def test_an_unfinished_photo_says_when_to_ask_again(api: Any, picture: bytes) -> None:
    photo = api.upload_photo(picture)

    answer = api.get(f"/v1/photos/{photo['id']}")

    assert answer.status_code == 200
    assert answer.json() == photo
    assert answer.headers["Retry-After"] == "1"


def test_waiting_ends_when_the_jobs_have_ended(api: Any, picture: bytes) -> None:
    photo = api.upload_photo(picture)
    ender = threading.Timer(0.3, api.change_record, (photo["id"], succeed()))
    ender.start()

    answer = api.get(f"/v1/photos/{photo['id']}?wait=60")

    ender.join()
    assert answer.json()["status"] == "succeeded"
    assert "Retry-After" not in answer.headers


def test_waiting_ends_at_its_time_limit(api: Any, picture: bytes) -> None:
    photo = api.upload_photo(picture)

    answer = api.get(f"/v1/photos/{photo['id']}?wait=0.2")

    assert answer.json()["status"] == "processing"
    assert answer.headers["Retry-After"] == "1"


def test_waiting_ends_when_the_photo_is_deleted(api: Any, picture: bytes) -> None:
    photo = api.upload_photo(picture)
    remover = threading.Timer(0.3, requests.delete, (photo["links"]["self"],))
    remover.start()

    answer = api.get(f"/v1/photos/{photo['id']}?wait=60")

    remover.join()
    assert answer.status_code == 404


def test_waiting_requests_take_only_a_share_of_the_threads(start_api: Any, picture: bytes) -> None:
    api = start_api(DARKROOM_API_PROCESSES="1", DARKROOM_API_THREADS="4", DARKROOM_WAIT_SHARE="0.5")
    photo = api.upload_photo(picture)
    answers: list[requests.Response] = []
    waiting = [threading.Thread(target=wait, args=(photo, answers)) for _ in range(2)]
    for thread in waiting:
        thread.start()

    def refused() -> bool:
        return bool(api.get(f"/v1/photos/{photo['id']}?wait=0.1").headers["Retry-After"] == REFUSED)

    api.wait_until("a third wait is refused", refused)
    assert not answers
    api.change_record(photo["id"], succeed())
    for thread in waiting:
        thread.join()
    assert [answer.json()["status"] for answer in answers] == ["succeeded", "succeeded"]


def test_sigterm_ends_waits_and_lets_requests_finish(start_api: Any, picture: bytes) -> None:
    api = start_api(DARKROOM_API_PROCESSES="1", DARKROOM_API_THREADS="2")
    photo = api.upload_photo(picture)
    answers: list[requests.Response] = []
    waiting = threading.Thread(target=wait, args=(photo, answers))
    waiting.start()
    api.wait_until(
        "the request waits", lambda: api.get(f"/v1/photos/{photo['id']}?wait=0.1").headers["Retry-After"] == REFUSED
    )

    api.process.send_signal(signal.SIGTERM)

    waiting.join()
    assert answers[0].json()["status"] == "processing"
    assert api.process.wait(120) == 0


def test_unknown_deleted_and_expired_photos_are_not_found(api: Any, picture: bytes) -> None:
    deleted, expired = api.upload_photo(picture), api.upload_photo(picture)
    api.ask("DELETE", f"/v1/photos/{deleted['id']}")

    def expire(photo: PhotoRecord) -> None:
        photo.expires_at = photo.created_at

    api.change_record(expired["id"], expire)

    for photo_id in (deleted["id"], expired["id"], str(uuid4()), "1", "not-an-id", deleted["id"] + "0"):
        for method, path in (
            ("GET", ""),
            ("GET", "/jobs"),
            ("POST", "/cancel"),
            ("GET", f"/jobs/{uuid4()}"),
            ("GET", f"/jobs/{uuid4()}/result"),
            ("GET", f"/jobs/{uuid4()}/receipt"),
            ("POST", f"/jobs/{uuid4()}/retry"),
        ):
            answer = api.ask(method, f"/v1/photos/{photo_id}{path}")
            assert answer.status_code == 404, (method, photo_id, path)
            assert answer.json()["type"] == "urn:darkroom:problem:not_found"
        answer = api.post(f"/v1/photos/{photo_id}/jobs", json={"preset": "web"})
        assert answer.status_code == 404
    photo = api.upload_photo(picture)
    assert api.get(f"/v1/photos/{photo['id']}/jobs/{uuid4()}").status_code == 404


def test_cancel_ends_unfinished_jobs_and_sends_an_event(api: Any, picture: bytes) -> None:
    photo = api.upload_photo(picture)

    answer = api.post(photo["links"]["cancel"])

    assert answer.status_code == 200
    assert answer.json()["status"] == "cancelled"
    assert "Retry-After" not in answer.headers
    events = [json.loads(message.body) for message in api.services.events.receive(10, 0, 60)]
    assert photo["id"] in [event["data"]["id"] for event in events]
    again = api.post(photo["links"]["cancel"])
    assert again.status_code == 409
    assert "no job is left to cancel" in again.json()["detail"]


def test_delete_removes_all_objects_even_while_a_worker_has_the_photo(api: Any, picture: bytes) -> None:
    photo = api.upload_photo(picture)
    record = api.record(photo["id"])
    api.change_record(photo["id"], lambda record: record.claim(next(iter(record.orders)), 5, 60, 60))
    result = result_key(photo["id"], photo["jobs"][0]["id"], 1, "jpg")
    api.services.clients.s3.put_object(Bucket=api.settings.bucket, Key=result, Body=b"result")

    answer = api.ask("DELETE", photo["links"]["self"])

    assert (answer.status_code, answer.content) == (204, b"")
    assert not api.services.bucket.exists(record.original.key)
    assert not api.services.bucket.exists(result)
    late = api.record(photo["id"]).late_writes
    assert late.look_at == late.until > now() + LONGEST_PUT, "the worker may still store a result"
    assert api.ask("DELETE", f"/v1/photos/{uuid4()}").status_code == 404


@pytest.mark.parametrize("cleaned_up", [False, True])
def test_a_repeated_delete_looks_for_objects_again(api: Any, picture: bytes, cleaned_up: bool) -> None:
    photo = api.upload_photo(picture)
    assert api.ask("DELETE", photo["links"]["self"]).status_code == 204
    if cleaned_up:  # the sweep is done with the tombstone
        api.change_record(photo["id"], lambda record: record.note_look(record.late_writes.until))
    late = result_key(photo["id"], photo["jobs"][0]["id"], 1, "jpg")
    api.services.clients.s3.put_object(Bucket=api.settings.bucket, Key=late, Body=b"stored late")

    assert api.ask("DELETE", photo["links"]["self"]).status_code == 204

    assert not api.services.bucket.exists(late)
    assert (api.record(photo["id"]).late_writes is None) == cleaned_up


def test_a_repeated_delete_that_cannot_look_gets_503_and_the_photo_stays_due(
    start_api: Any, endpoint: str, picture: bytes
) -> None:
    with FaultProxy(endpoint) as proxy:
        api = start_api(AWS_ENDPOINT_URL_S3=proxy.url)
        photo = api.upload_photo(picture)
        proxy.rule("s3.ListObjectsV2", error(503, "SlowDown"))
        assert api.ask("DELETE", photo["links"]["self"]).status_code == 204, "the record keeps it"
        assert api.ask("DELETE", photo["links"]["self"]).status_code == 503
        record = api.record(photo["id"])
        assert record.due_at < record.late_writes.until, "the sweep does not wait for late writers"
        proxy.heal()
        assert api.ask("DELETE", photo["links"]["self"]).status_code == 204
    assert not api.services.bucket.exists(record.original.key)
    record = api.record(photo["id"])
    assert record.due_at == record.late_writes.until


@pytest.mark.parametrize("body", [{"jobs": [{"type": "resize", "width": 9}]}, {"preset": "thumbnail"}])
def test_more_jobs_are_sent_as_a_new_order(api: Any, picture: bytes, body: dict[str, Any]) -> None:
    photo = api.upload_photo(picture)
    api.change_record(photo["id"], succeed())
    api.messages()

    answer = api.post(photo["links"]["jobs"], json=body)

    assert answer.status_code == 202
    assert answer.headers["Location"] == photo["links"]["self"]
    (job,) = answer.json()["jobs"]
    assert (job["type"], job["status"]) == ("resize", "queued")
    (message,) = api.messages()
    assert message["jobs"] == [job["id"]]
    listed = api.get(photo["links"]["jobs"])
    assert [found["id"] for found in listed.json()["jobs"]] == [photo["jobs"][0]["id"], job["id"]]
    assert api.get(job["links"]["self"]).json() == job
    assert api.record(photo["id"]).generation == 2


def test_a_photo_has_at_most_50_jobs(api: Any, picture: bytes) -> None:
    photo = api.upload_photo(picture, jobs=[{"type": "metadata"}] * 50)

    answer = api.post(photo["links"]["jobs"], json={"preset": "metadata"})

    assert answer.status_code == 422
    assert "at most 50 jobs" in answer.json()["detail"]


def test_a_failed_job_can_be_run_again(api: Any, picture: bytes) -> None:
    photo = api.upload_photo(picture)
    (job,) = photo["jobs"]
    assert api.post(f"{job['links']['self']}/retry").status_code == 409
    api.change_record(photo["id"], fail)
    api.messages()
    failed = api.get(job["links"]["self"]).json()
    assert failed["error"] == {"code": "unreadable_photo", "detail": "the photo ends in the middle"}

    answer = api.post(failed["links"]["retry"])

    assert answer.status_code == 202
    assert answer.json()["status"] == "queued"
    assert answer.headers["Location"] == job["links"]["self"]
    (message,) = api.messages()
    assert message["jobs"] == [job["id"]]
