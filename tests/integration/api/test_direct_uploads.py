"""Direct uploads: the API makes a form that uploads a file to S3. No worker runs: the photo stays awaited."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from botocore.exceptions import CredentialRetrievalError

from api.app import create_app
from darkroom.aws.queue import Queue
from darkroom.aws.table import Table
from darkroom.errors import Unavailable
from darkroom.owners import hash_of, new_key
from darkroom.record.clock import now
from darkroom.record.keys import upload_key
from darkroom.record.photo import PhotoRecord
from darkroom.record.stored import Original
from tests.support.idempotent_uploads import forget_answer
from tests.support.waiting import PATIENCE

ALICE, BOB = new_key(), new_key()
KEYS = f"alice:{hash_of(ALICE)} bob:{hash_of(BOB)}"
ADDRESS = "/v1/uploads"
MOST = 200_000


@pytest.fixture(scope="module")
def api(start_api: Any) -> Any:
    return start_api(DARKROOM_MAX_UPLOAD_BYTES=str(MOST), DARKROOM_MAX_REQUEST_BYTES=str(MOST))


def direct_upload(api: Any, headers: dict[str, str] | None = None, **body: Any) -> dict[str, Any]:
    answer = api.post(ADDRESS, json=body or {"preset": "metadata"}, headers=headers or {})
    assert answer.status_code == 201, answer.text
    assert answer.headers["Location"] == answer.json()["links"]["self"]
    photo: dict[str, Any] = answer.json()
    return photo


def send(photo: dict[str, Any], content: bytes, **changed: str) -> requests.Response:
    """Send the form to S3, as a browser would."""
    upload = photo["upload"]
    files = {"file": ("a.jpg", content, "image/jpeg")}
    return requests.post(upload["url"], data=upload["fields"] | changed, files=files, timeout=PATIENCE)


def stored(api: Any, photo: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = api.services.clients.s3.head_object(Bucket=api.settings.bucket, Key=upload_key(photo["id"]))
    return found


def fields(answer: requests.Response) -> list[str]:
    assert answer.status_code == 422, answer.text
    return [fault["field"] for fault in answer.json()["errors"]]


def test_a_form_uploads_the_file_to_s3(api: Any, picture: bytes) -> None:
    photo = direct_upload(
        api, filename="../rome.jpg", content_type="image/jpeg", reference="r1", metadata={"album": "Rome"}
    )

    assert (photo["status"], photo["original"], photo["counts"]) == ("awaiting_upload", None, {"queued": 4})
    assert (photo["reference"], photo["metadata"]) == ("r1", {"album": "Rome"})
    assert photo["upload"]["filename"] == "rome.jpg"
    assert (photo["upload"]["method"], photo["upload"]["max_bytes"]) == ("POST", MOST)
    assert photo["upload"]["fields"]["key"] == upload_key(photo["id"])
    assert photo["upload"]["fields"]["Content-Type"] == "image/jpeg"
    assert send(photo, picture).status_code == 204

    found = stored(api, photo)
    assert (found["ContentLength"], found["ContentType"]) == (len(picture), "image/jpeg")
    record = api.record(photo["id"])
    assert record.status == "awaiting_upload"
    assert record.upload.until == record.created_at + timedelta(seconds=api.settings.upload_ttl)
    assert record.due_at > record.upload.until
    assert api.messages() == [], "the worker that finds the file starts the jobs"


def test_an_awaited_photo_is_shown_and_listed(api: Any) -> None:
    photo = direct_upload(api, filename="sea.jpg", jobs=[{"type": "metadata"}])

    shown = api.get(photo["links"]["self"])
    assert shown.json() == photo | {"upload": {name: photo["upload"][name] for name in ("filename", "until")}}
    assert shown.headers["Retry-After"]
    listed = api.get("/v1/photos?status=awaiting_upload").json()["photos"]
    assert photo["id"] in [found["id"] for found in listed]
    assert api.get(photo["links"]["jobs"]).json()["jobs"][0]["status"] == "queued"
    result = api.get(f"{photo['jobs'][0]['links']['self']}/result")
    assert (result.status_code, result.json()["type"]) == (409, "urn:darkroom:problem:not_finished")


def test_jobs_cannot_be_added_before_the_file_arrives(api: Any) -> None:
    photo = direct_upload(api)

    answer = api.post(photo["links"]["jobs"], json={"preset": "web"})

    assert answer.status_code == 409
    assert "has not arrived yet" in answer.json()["detail"]


def test_the_form_is_for_one_key_and_one_type(api: Any, picture: bytes) -> None:
    photo, other = direct_upload(api), direct_upload(api)

    assert send(photo, picture, key=upload_key(other["id"])).status_code == 403
    assert send(photo, picture, **{"Content-Type": "text/html"}).status_code == 403
    assert send(photo, picture).status_code == 204


@pytest.mark.parametrize("size", [None, 1000])
def test_s3_refuses_a_file_larger_than_the_form_allows(api: Any, size: int | None) -> None:
    photo = direct_upload(api, **({"size": size} if size else {}))
    most = photo["upload"]["max_bytes"]

    assert most == (size or MOST)
    for content, reason in ((bytes(most + 1), "EntityTooLarge"), (b"", "EntityTooSmall")):
        answer = send(photo, content)
        assert (answer.status_code, reason in answer.text) == (400, True), answer.text
    assert send(photo, bytes(most)).status_code == 204


def test_a_photo_that_is_too_large_gets_no_form(api: Any) -> None:
    answer = api.post(ADDRESS, json={"size": MOST + 1})

    assert (answer.status_code, answer.json()["type"]) == (413, "urn:darkroom:problem:too_large")
    assert "200,000 bytes" in answer.json()["detail"]


def test_all_faults_are_listed_at_once(api: Any) -> None:
    wrong = {"size": 0, "content_type": "text/html", "dedupe": True, "metadata": {"a": [1]}, "jobs": [{"type": "x"}]}

    assert sorted(fields(api.post(ADDRESS, json=wrong))) == ["content_type", "dedupe", "jobs[0]", "metadata.a", "size"]
    assert fields(api.post(ADDRESS, json={"jobs": [{"type": "metadata"}], "preset": "web"})) == ["preset"]
    assert fields(api.post(ADDRESS, json={"preset": "nope", "callback_url": "https://example.com"})) == [
        "preset",
        "callback_url",
    ]
    assert fields(api.post(ADDRESS, json=[])) == ["body"]
    assert api.post(ADDRESS, data="{}").status_code == 415
    assert [job["type"] for job in direct_upload(api, filename="a.jpg")["jobs"]] == [
        "resize",
        "resize",
        "resize",
        "metadata",
    ]


def test_a_repetition_gets_the_same_form(api: Any, picture: bytes) -> None:
    key = {"Idempotency-Key": '"once"'}
    photo = direct_upload(api, key, preset="metadata")
    again = api.post(ADDRESS, json={"preset": "metadata"}, headers=key)

    assert (again.status_code, again.json(), again.headers["Idempotent-Replayed"]) == (201, photo, "true")
    assert again.headers["Location"] == photo["links"]["self"]
    assert send(again.json(), picture).status_code == 204
    assert api.post(ADDRESS, json={"preset": "web"}, headers=key).status_code == 422
    assert api.ask("DELETE", photo["links"]["self"]).status_code == 204
    assert api.post(ADDRESS, json={"preset": "metadata"}, headers=key).status_code == 404


def test_a_repetition_continues_what_a_killed_api_began(api: Any) -> None:
    photo = direct_upload(api, {"Idempotency-Key": '"lost"'}, preset="metadata")
    forget_answer(api, "lost")

    again = direct_upload(api, {"Idempotency-Key": '"lost"'}, preset="metadata")

    assert (again["id"], again["jobs"], again["upload"]["until"]) == (
        photo["id"],
        photo["jobs"],
        photo["upload"]["until"],
    )


def test_a_repetition_after_the_file_arrived_shows_the_photo(api: Any) -> None:
    key = {"Idempotency-Key": '"come"'}
    photo = direct_upload(api, key, preset="metadata")
    original = Original(
        key="k", filename="a.jpg", content_type="image/jpeg", size=1, sha256="0" * 64, width=1, height=1
    )
    api.change_record(photo["id"], lambda record: record.accept_upload(original, 60))
    forget_answer(api, "come")

    again = api.post(ADDRESS, json={"preset": "metadata"}, headers=key)

    assert (again.status_code, again.json()) == (200, api.get(photo["links"]["self"]).json())
    assert (again.json()["status"], again.json()["upload"]) == ("processing", None)
    assert again.headers["Location"] == photo["links"]["self"]


def expire_form(record: PhotoRecord) -> None:
    assert record.upload
    record.upload = record.upload.model_copy(update={"until": now() - timedelta(seconds=1)})


@pytest.mark.parametrize("answer_lost", [False, True])
def test_a_repetition_shows_the_present_state_of_the_photo(api: Any, picture: bytes, answer_lost: bool) -> None:
    key = {"Idempotency-Key": f"became-{answer_lost}"}
    photo = direct_upload(api, key, preset="metadata")

    def repeat() -> dict[str, Any]:
        if answer_lost:
            forget_answer(api, key["Idempotency-Key"])
        again = api.post(ADDRESS, json={"preset": "metadata"}, headers=key)
        assert (again.status_code, again.json()) == (200, api.get(photo["links"]["self"]).json())
        assert again.headers["Location"] == photo["links"]["self"]
        view: dict[str, Any] = again.json()
        return view

    assert send(photo, picture).status_code == 204
    api.change_record(photo["id"], expire_form)  # while the file waits in the queue
    waiting = repeat()
    assert (waiting["status"], "fields" in waiting["upload"]) == ("awaiting_upload", False)
    original = Original(
        key="k", filename="a.jpg", content_type="image/jpeg", size=1, sha256="0" * 64, width=1, height=1
    )
    api.change_record(photo["id"], lambda record: record.accept_upload(original, 60))
    assert (repeat()["status"], repeat()["upload"]) == ("processing", None)
    api.change_record(photo["id"], PhotoRecord.cancel)
    assert repeat()["status"] == "cancelled"


@pytest.mark.parametrize("answer_lost", [False, True])
def test_a_repetition_after_the_form_expired_gets_404(api: Any, answer_lost: bool) -> None:
    key = f"late-{answer_lost}"
    photo = direct_upload(api, {"Idempotency-Key": key}, preset="metadata")
    api.change_record(photo["id"], expire_form)
    if answer_lost:
        forget_answer(api, key)

    again = api.post(ADDRESS, json={"preset": "metadata"}, headers={"Idempotency-Key": key})

    assert again.status_code == 404
    assert "the form of this request has expired" in again.json()["detail"]
    assert "new Idempotency-Key" in again.json()["detail"]


def test_a_photo_can_be_cancelled_and_deleted_before_its_file_arrives(api: Any, picture: bytes) -> None:
    photo = direct_upload(api)
    cancelled = api.post(photo["links"]["cancel"])
    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")
    assert api.record(photo["id"]).due_at is None
    job = cancelled.json()["jobs"][0]["links"]
    assert api.post(job["retry"]).status_code == 409, "there is no file to make it from"

    assert send(photo, picture).status_code == 204
    assert api.ask("DELETE", photo["links"]["self"]).status_code == 204
    assert api.get(photo["links"]["self"]).status_code == 404
    found = api.services.clients.s3.list_objects_v2(Bucket=api.settings.bucket, Prefix=upload_key(photo["id"]))
    assert found["KeyCount"] == 0


def test_a_cancellation_whose_event_cannot_be_sent_is_left_to_the_sweep(
    api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = direct_upload(api)
    with monkeypatch.context() as down:
        error = Unavailable("the events queue is down")
        down.setattr(Queue, "send_batch", lambda _, messages: dict.fromkeys(range(len(messages)), error))
        cancelled = create_app(api.settings, api.services).test_client().post(f"/v1/photos/{photo['id']}/cancel")
    assert (cancelled.status_code, cancelled.get_json()["status"]) == (200, "cancelled")
    assert api.record(photo["id"]).due_at is not None


def key(of: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {of}"}


def test_awaited_photos_belong_to_owners_and_count_for_their_hour(start_api: Any) -> None:
    api = start_api(
        DARKROOM_API_KEYS=KEYS,
        DARKROOM_API_PROCESSES="1",
        DARKROOM_UPLOAD_BYTES_PER_HOUR="1000",
        DARKROOM_MAX_UPLOAD_BYTES="2000",
        DARKROOM_MAX_REQUEST_BYTES="2000",
    )
    assert api.post(ADDRESS, json={"size": 10}).status_code == 401
    photo = direct_upload(api, key(ALICE), size=600)

    assert photo["owner"] == "alice"
    assert api.get(photo["links"]["self"], headers=key(BOB)).status_code == 404
    spent = api.post(ADDRESS, json={"size": 600}, headers=key(ALICE))
    assert (spent.status_code, spent.json()["type"]) == (429, "urn:darkroom:problem:upload_quota_spent")
    assert direct_upload(api, key(ALICE), size=400)
    assert direct_upload(api, key(BOB), size=600)
    # Without a size the largest photo counts, which is more than the bytes of an hour here.
    too_large = api.post(ADDRESS, json={}, headers=key(BOB))
    assert too_large.status_code == 413
    assert "without size the largest photo counts, 2,000 bytes" in too_large.json()["detail"]
    assert "without size" not in spent.json()["detail"]


def test_a_repetition_is_counted_once(start_api: Any) -> None:
    api = start_api(DARKROOM_API_KEYS=KEYS, DARKROOM_API_PROCESSES="1", DARKROOM_UPLOAD_BYTES_PER_HOUR="1000")
    named = key(ALICE) | {"Idempotency-Key": "once-only"}
    photo = direct_upload(api, named, size=600)
    forget_answer(api, "once-only", "alice")

    assert direct_upload(api, named, size=600)["id"] == photo["id"]
    assert direct_upload(api, key(ALICE), size=400)


@pytest.mark.parametrize("broken", ["table", "credentials"])
def test_a_form_that_could_not_be_made_is_not_counted(
    start_api: Any, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    api = start_api(DARKROOM_API_KEYS=KEYS, DARKROOM_API_PROCESSES="1", DARKROOM_UPLOAD_BYTES_PER_HOUR="1000")
    caller = create_app(api.settings, api.services).test_client()
    with monkeypatch.context() as down:
        if broken == "table":
            down.setattr(Table, "create", failing(Unavailable("the table is down")))
        else:
            cannot = CredentialRetrievalError(provider="container-role", error_msg="timed out")
            signer = api.services.clients.s3_public._request_signer
            down.setattr(signer, "_credentials", SimpleNamespace(get_frozen_credentials=failing(cannot)))
        refused = caller.post(ADDRESS, json={"size": 600}, headers=key(ALICE))

    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5"), refused.text
    assert caller.post(ADDRESS, json={"size": 1000}, headers=key(ALICE)).status_code == 201
    assert caller.post(ADDRESS, json={"size": 1}, headers=key(ALICE)).status_code == 429


def failing(error: Exception) -> Any:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    return fail


def test_an_awaited_photo_expires_after_the_retention_period(start_api: Any) -> None:
    api = start_api(DARKROOM_RETENTION_DAYS="7")

    record = api.record(direct_upload(api)["id"])

    assert record.expires_at == record.created_at + timedelta(days=7)
