"""A photo after its upload: reading it, waiting for it, cancelling and deleting it; its jobs and their results."""

from __future__ import annotations

import json
import signal
import threading
from typing import Any
from uuid import uuid4

import pytest
import requests

from darkroom.errors import UnreadablePhoto
from darkroom.record.clock import now
from darkroom.record.keys import result_key
from darkroom.record.late_writes import LONGEST_PUT
from darkroom.record.photo import PhotoRecord
from darkroom.record.stored import Result
from tests.support.fault_proxy import FaultProxy, error


def succeed(result: dict[str, Any] | None = None) -> Any:
    """A change of a record with which every job of the photo succeeds, as a worker would make it."""

    def change(photo: PhotoRecord) -> None:
        (order,) = {order.id for order in photo.orders.values() if order.unfinished_jobs}
        claim = photo.claim(order, 5, 60, 60)
        outcomes = {}
        for job_id in claim.jobs:
            kind = {"filename": "photo.json", "content_type": "application/json"} if result is None else result
            key = result_key(photo.id, job_id, claim.fence, "bin")
            outcomes[job_id] = Result.model_validate({"key": key, "size": 4, "sha256": "0" * 64} | kind)
        photo.publish(claim, outcomes)

    return change


WRITTEN = '{"place": "Zürich → Rome 📷"}\n'.encode()

IN_THE_RECORD = {
    "key": None,
    "content": WRITTEN.decode(),
    "filename": "photo.json",
    "content_type": "application/json",
}


def fail(photo: PhotoRecord) -> None:
    (order,) = {order.id for order in photo.orders.values() if order.unfinished_jobs}
    photo.order(order).fail_unsent(UnreadablePhoto("the photo ends in the middle"))


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


def test_the_result_of_a_picture_job_is_a_redirect_to_a_presigned_url(api: Any, picture: bytes) -> None:
    photo = api.upload_photo(picture, preset="thumbnail")
    (job,) = photo["jobs"]
    api.change_record(
        photo["id"], succeed({"filename": "ünt-200.jpg", "content_type": "image/jpeg", "width": 2, "height": 2})
    )
    key = api.record(photo["id"]).jobs[job["id"]].result.key
    api.services.clients.s3.put_object(Bucket=api.settings.bucket, Key=key, Body=b"pixels")

    answer = api.get(api.get(job["links"]["self"]).json()["links"]["result"])

    assert answer.status_code == 302
    assert answer.headers["Cache-Control"] == "no-store"
    picture_answer = requests.get(answer.headers["Location"], timeout=60)
    assert picture_answer.content == b"pixels"
    assert picture_answer.headers["Content-Type"] == "image/jpeg"
    assert "filename*=UTF-8''%C3%BCnt-200.jpg" in picture_answer.headers["Content-Disposition"]


@pytest.mark.parametrize(
    ("preset", "result"),
    [
        ("thumbnail", {"filename": "ünt-200.jpg", "content_type": "image/jpeg", "width": 2, "height": 2, "size": 6}),
        ("metadata", {"filename": "ünt-metadata.json", "content_type": "application/json", "size": 6}),
        ("metadata", IN_THE_RECORD | {"filename": "ünt-metadata.json", "size": len(WRITTEN)}),
    ],
    ids=["picture", "metadata in the bucket", "metadata in the record"],
)
def test_head_describes_a_result(api: Any, picture: bytes, preset: str, result: dict[str, Any]) -> None:
    photo = api.upload_photo(picture, preset=preset)
    (job,) = photo["jobs"]
    api.change_record(photo["id"], succeed(result))
    if key := api.record(photo["id"]).jobs[job["id"]].result.key:
        api.services.clients.s3.put_object(Bucket=api.settings.bucket, Key=key, Body=b"pixels")

    answer = api.ask("HEAD", f"{job['links']['self']}/result")

    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["Content-Type"] == result["content_type"]
    assert answer.headers["Content-Length"] == str(result["size"])
    assert answer.headers["ETag"] == f'"{"0" * 64}"'
    assert "filename*=UTF-8''%C3%BCnt-" in answer.headers["Content-Disposition"]
    again = api.ask("HEAD", f"{job['links']['self']}/result", headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert api.get(f"{job['links']['self']}/result").status_code == (302 if preset == "thumbnail" else 200)


def test_head_of_a_result_that_has_expired_is_not_found(api: Any, picture: bytes) -> None:
    photo = api.upload_photo(picture, preset="thumbnail")
    api.change_record(photo["id"], succeed())
    assert api.ask("HEAD", f"{photo['jobs'][0]['links']['self']}/result").status_code == 404


@pytest.mark.parametrize("preset", ["thumbnail", "metadata"])
def test_a_result_that_is_not_in_the_bucket_gets_404(api: Any, picture: bytes, preset: str) -> None:
    photo = api.upload_photo(picture, preset=preset)
    (job,) = photo["jobs"]
    api.change_record(photo["id"], succeed())

    answer = api.get(f"{job['links']['self']}/result")

    assert (answer.status_code, answer.json()["detail"]) == (404, "the result has expired")


@pytest.mark.parametrize("place", ["record", "bucket"])
def test_the_result_of_a_metadata_job_is_in_the_answer(api: Any, picture: bytes, place: str) -> None:
    photo = api.upload_photo(picture)
    (job,) = photo["jobs"]
    api.change_record(photo["id"], succeed(IN_THE_RECORD if place == "record" else None))
    if place == "bucket":
        key = api.record(photo["id"]).jobs[job["id"]].result.key
        api.services.clients.s3.put_object(Bucket=api.settings.bucket, Key=key, Body=WRITTEN)

    answer = api.get(f"{job['links']['self']}/result")

    assert (answer.status_code, answer.content) == (200, WRITTEN)
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "private, no-cache"
    assert "photo.json" in answer.headers["Content-Disposition"]
    assert answer.headers["ETag"] == f'"{"0" * 64}"'
    if place == "bucket":  # the record alone says that the caller has this result
        api.services.bucket.remove([key])
    again = api.get(f"{job['links']['self']}/result", headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert [again.headers[name] for name in ("ETag", "Cache-Control")] == [answer.headers["ETag"], "private, no-cache"]


@pytest.mark.parametrize("header", ["If-Match", "If-None-Match"])
def test_a_caller_that_has_another_result_gets_the_current_one(api: Any, picture: bytes, header: str) -> None:
    photo = api.upload_photo(picture)
    (job,) = photo["jobs"]
    api.change_record(photo["id"], succeed(IN_THE_RECORD))
    answer = api.get(f"{job['links']['self']}/result", headers={header: '"another"'})
    assert (answer.status_code, answer.content) == (200, WRITTEN)


def test_what_the_record_holds_is_not_in_other_answers_and_goes_with_the_photo(api: Any, picture: bytes) -> None:
    photo = api.upload_photo(picture)
    api.change_record(photo["id"], succeed(IN_THE_RECORD))
    assert "content" not in api.get(photo["links"]["self"]).json()["jobs"][0]["result"]

    assert api.ask("DELETE", photo["links"]["self"]).status_code == 204

    assert api.get(photo["jobs"][0]["links"]["self"] + "/result").status_code == 404
    (job,) = api.record(photo["id"]).jobs.values()
    assert job.result.content is None


def test_an_unfinished_failed_or_cancelled_job_has_no_result(api: Any, picture: bytes) -> None:
    queued, failed, cancelled = api.upload_photo(picture), api.upload_photo(picture), api.upload_photo(picture)
    api.change_record(failed["id"], fail)
    api.post(cancelled["links"]["cancel"])

    def result(photo: dict[str, Any]) -> requests.Response:
        answer = api.get(f"{photo['jobs'][0]['links']['self']}/result")
        assert answer.status_code == 409
        assert answer.headers["Content-Type"] == "application/problem+json"
        return answer  # type: ignore[no-any-return]

    assert result(queued).headers["Retry-After"] == "1"
    assert "the photo ends in the middle" in result(failed).json()["detail"]
    assert "Retry-After" not in result(failed).headers
    assert "cancelled" in result(cancelled).json()["detail"]
