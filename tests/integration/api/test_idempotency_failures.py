"""Idempotency-Key: when requests overlap, the API dies or AWS fails, a repeated upload still makes one photo."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import requests

from darkroom.aws.idempotency_store import LOCK, ReservedIds, StoredAnswer
from darkroom.errors import RequestInFlight, Unavailable
from darkroom.record.ids import new_id
from darkroom.record.keys import original_key
from tests.support.api import Api
from tests.support.exhaustive import matrix
from tests.support.fault_proxy import FaultProxy
from tests.support.idempotent_uploads import (
    JOBS,
    HeldRequest,
    change_item,
    forget_answer,
    listed_ids,
    run_at_once,
    upload_with_key,
)


def test_identical_uploads_at_once_make_one_photo(api: Any, picture: bytes) -> None:
    key, before = new_id(), set(listed_ids(api))

    answers = run_at_once(8, lambda _: upload_with_key(api, key, ("a.jpg", picture), jobs=JOBS))

    statuses = Counter(answer.status_code for answer in answers)
    assert statuses.keys() <= {202, 409}
    assert statuses[202] >= 1
    assert len({answer.json()["id"] for answer in answers if answer.status_code == 202}) == 1
    for answer in answers:
        if answer.status_code == 409:
            assert 1 <= int(answer.headers["Retry-After"]) <= LOCK
            assert answer.json()["type"] == "urn:darkroom:problem:request_in_flight"
    assert len(set(listed_ids(api)) - before) == 1


def test_a_repetition_gets_409_until_the_lock_of_the_first_request_expires(api: Any, picture: bytes) -> None:
    key = new_id()
    first = upload_with_key(api, key, ("a.jpg", picture), jobs=JOBS)
    forget_answer(api, key)
    change_item(api, key, locked_until=int(time.time()) + LOCK)

    waiting = upload_with_key(api, key, ("a.jpg", picture), jobs=JOBS)
    assert waiting.status_code == 409
    assert "Retry-After" in waiting.headers
    change_item(api, key, locked_until=int(time.time()))

    second = upload_with_key(api, key, ("a.jpg", picture), jobs=JOBS)
    assert second.status_code == 202
    assert second.json()["id"] == first.json()["id"]
    assert second.json()["jobs"] == first.json()["jobs"]


def test_an_answer_that_was_not_stored_is_made_from_the_record(api: Any, picture: bytes, webp: bytes) -> None:
    key, photos = new_id(), (("a.jpg", picture), ("b.jpg", b"hello"), ("c.webp", webp))
    first = upload_with_key(api, key, *photos, jobs=JOBS)
    forget_answer(api, key)

    again = upload_with_key(api, key, *photos, jobs=JOBS)

    assert "Idempotent-Replayed" not in again.headers
    assert again.json()["batch"] == first.json()["batch"]
    assert [photo.get("id") for photo in again.json()["photos"]] == [
        photo.get("id") for photo in first.json()["photos"]
    ]


@pytest.mark.parametrize("claimed", [False, True])
def test_a_repetition_finishes_what_a_killed_api_left_undone(api: Any, picture: bytes, claimed: bool) -> None:
    key = new_id()
    photo = upload_with_key(api, key, ("a.jpg", picture), jobs=JOBS).json()["id"]
    api.messages()
    api.services.bucket.remove([original_key(photo)])  # as if the API had died before it stored the original
    if claimed:  # the sweep sent the order again, and the worker found no original
        (order,) = api.record(photo).orders

        def fail(record: Any) -> None:
            claim = record.claim(order, 5, 90, 300)
            record.publish(claim, {job: Unavailable("no original") for job in claim.jobs})

        api.change_record(photo, fail)
        assert api.record(photo).status == "failed"
    forget_answer(api, key)

    again = upload_with_key(api, key, ("a.jpg", picture), jobs=JOBS)

    assert again.status_code == 202, again.text
    assert again.json()["id"] == photo
    assert again.json()["status"] == "processing"
    assert api.services.bucket.read(original_key(photo)) == picture
    (message,) = api.messages()
    assert message["photo"] == photo


def test_a_repetition_shows_a_photo_that_has_ended_since(api: Any, picture: bytes) -> None:
    key = new_id()
    photo = upload_with_key(api, key, ("a.jpg", picture), jobs=JOBS).json()["id"]
    api.messages()
    api.change_record(photo, lambda record: record.cancel())
    forget_answer(api, key)

    again = upload_with_key(api, key, ("a.jpg", picture), jobs=JOBS)

    assert again.status_code == 200
    assert (again.json()["id"], again.json()["status"]) == (photo, "cancelled")
    assert not api.messages()


@pytest.mark.parametrize("kept", [True, False])
def test_a_repetition_does_not_restore_a_deleted_photo(api: Any, picture: bytes, kept: bool) -> None:
    key = new_id()
    photo = upload_with_key(api, key, ("a.jpg", picture), jobs=JOBS, reference="secret").json()["id"]
    assert api.ask("DELETE", f"/v1/photos/{photo}").status_code == 204
    if not kept:
        forget_answer(api, key)

    again = upload_with_key(api, key, ("a.jpg", picture), jobs=JOBS, reference="secret")

    assert again.status_code == 404
    assert "new Idempotency-Key" in again.json()["detail"]
    assert photo not in again.text
    assert "secret" not in again.text
    assert api.get(f"/v1/photos/{photo}").status_code == 404
    assert not api.services.bucket.exists(original_key(photo))


def test_a_repetition_after_503_retries_the_same_photo(start_api: Any, picture: bytes) -> None:
    """The bucket does not exist: the order fails, and the answer asks the client to try again."""
    api = start_api()
    s3, bucket, key = api.services.clients.s3, api.settings.bucket, new_id()
    s3.delete_bucket(Bucket=bucket)

    refused = upload_with_key(api, key, ("a.jpg", picture), jobs=JOBS)

    assert refused.status_code == 503
    (failed,) = api.get("/v1/photos").json()["photos"]
    assert failed["status"] == "failed"
    s3.create_bucket(Bucket=bucket)

    taken = upload_with_key(api, key, ("a.jpg", picture), jobs=JOBS)

    assert taken.status_code == 202
    assert (taken.json()["id"], taken.json()["status"]) == (failed["id"], "processing")
    assert listed_ids(api) == [failed["id"]]
    (message,) = api.messages()
    assert message["jobs"] == [job["id"] for job in failed["jobs"]]


@pytest.mark.parametrize(
    "held_at", matrix(["s3.PutObject", "sqs.SendMessage", "dynamodb.UpdateItem"], keep=["sqs.SendMessage"])
)
def test_an_api_killed_during_an_upload_leaves_one_photo(
    deploy: Any, endpoint: str, picture: bytes, tmp_path: Path, held_at: str
) -> None:
    """It dies between record and original, between original and message, or before it stores the answer."""
    deployment, key = deploy(), new_id()
    with FaultProxy(endpoint) as proxy:
        proxy.hang(held_at)
        dying = Api(deployment, tmp_path / "dying.log", {"AWS_ENDPOINT_URL": proxy.url})
        errors: list[Exception] = []

        def upload() -> None:
            try:
                upload_with_key(dying, key, ("a.jpg", picture), jobs=JOBS)
            except requests.RequestException as error:
                errors.append(error)

        client = threading.Thread(target=upload)
        client.start()
        dying.wait_until(f"the API calls {held_at}", lambda: proxy.seen(held_at, "black hole"))
        for process in (dying.process.pid, *dying.processes()):
            os.kill(process, signal.SIGKILL)
        client.join()
    dying.process.wait()
    assert errors
    (photo,), _ = dying.services.table.list_photos("default", 10)
    assert dying.services.bucket.exists(original_key(photo.id)) == (held_at != "s3.PutObject")

    api = Api(deployment, tmp_path / "api.log", {})
    try:
        change_item(api, key, locked_until=int(time.time()) + 60)  # its own lock may have expired
        assert upload_with_key(api, key, ("a.jpg", picture), jobs=JOBS).status_code == 409
        change_item(api, key, locked_until=int(time.time()))
        answer = upload_with_key(api, key, ("a.jpg", picture), jobs=JOBS)

        assert answer.status_code == 202
        assert answer.json()["id"] == photo.id
        assert listed_ids(api) == [photo.id]
        assert api.services.bucket.read(original_key(photo.id)) == picture
        messages = api.messages()
        assert {message["photo"] for message in messages} == {photo.id}
        assert len(messages) == (2 if held_at == "dynamodb.UpdateItem" else 1)  # the killed API had sent one
    finally:
        api.stop()


def test_a_request_that_fails_late_keeps_what_another_request_has_accepted(
    deploy: Any, endpoint: str, picture: bytes, tmp_path: Path
) -> None:
    """The first request is held while it stores the original. The second one takes over, then the first one fails."""
    key = new_id()
    with FaultProxy(endpoint) as proxy:
        api = Api(deploy(), tmp_path / "api.log", {"AWS_ENDPOINT_URL_S3": proxy.url})
        try:
            slow = HeldRequest(proxy, "s3.PutObject", lambda: upload_with_key(api, key, ("a.jpg", picture), jobs=JOBS))
            change_item(api, key, locked_until=int(time.time()))
            accepted = upload_with_key(api, key, ("a.jpg", picture), jobs=JOBS)
            failed = slow.fail()

            assert (accepted.status_code, failed.status_code) == (202, 503)
            photo = accepted.json()["id"]
            assert api.get(f"/v1/photos/{photo}").json()["status"] == "processing"
            assert api.services.bucket.read(original_key(photo)) == picture
            assert [message["photo"] for message in api.messages()] == [photo]
            assert upload_with_key(api, key, ("a.jpg", picture), jobs=JOBS).content == accepted.content
        finally:
            api.stop()


def test_an_answer_too_large_to_store_keeps_the_reserved_ids(api: Any) -> None:
    store, key = api.services.idempotency, new_id()
    turn = store.begin("ann", key, "f", 2)
    store.finish(turn, StoredAnswer(202, {}, os.urandom(500_000)))

    again = store.begin("ann", key, "f", 2)

    assert again.reserved == ReservedIds(turn.reserved.ids, reused=True)


def test_a_request_whose_lock_was_taken_over_changes_nothing(api: Any) -> None:
    store, key = api.services.idempotency, new_id()
    slow = store.begin("default", key, "f", 1)
    change_item(api, key, locked_until=int(time.time()))
    store.begin("default", key, "f", 1)
    store.release(slow)
    store.finish(slow, StoredAnswer(202, {}, b"late"))

    with pytest.raises(RequestInFlight):
        store.begin("default", key, "f", 1)
