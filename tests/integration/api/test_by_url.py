"""POST /v1/photos with the URL of a photo. No worker runs: the photo stays unfetched."""

from __future__ import annotations

from typing import Any

import pytest
import requests

URL = "https://example.com/beach.jpg?signature=secret"
SECRET = "whsec_" + "A" * 43 + "="


@pytest.fixture(scope="module")
def api(start_api: Any) -> Any:
    return start_api()


def fields(answer: requests.Response) -> list[str]:
    assert answer.status_code == 422, answer.text
    return [fault["field"] for fault in answer.json()["errors"]]


def test_a_photo_by_url_is_accepted_and_a_worker_is_told(api: Any) -> None:
    given = {"url": URL, "preset": "metadata", "reference": "r-1", "metadata": {"album": "Rome"}}
    answer = api.post("/v1/photos", json=given)
    assert answer.status_code == 202, answer.text
    photo = answer.json()
    assert answer.headers["Location"] == photo["links"]["self"]
    assert (photo["status"], photo["original"], photo["upload"]) == ("processing", None, None)
    assert photo["source"] == {"url": "https://example.com/beach.jpg"}
    assert (photo["reference"], photo["metadata"]) == ("r-1", {"album": "Rome"})
    record = api.record(photo["id"])
    assert record.source_url == URL
    assert record.upload.filename == "beach.jpg"
    received = api.services.ingest.receive(10, 5, 30)
    assert any(f'"photo":"{photo["id"]}"' in one.body and '"kind":"fetch"' in one.body for one in received)
    assert "secret" not in answer.text + api.log_text()


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/a.jpg",
        "https://127.0.0.1/a.jpg",
        "https://[::ffff:10.0.0.1]/a.jpg",
        "https://169.254.169.254/latest/meta-data",
        "https://user:password@example.com/a.jpg",
        "https://example.com:22/a.jpg",
        "https://localhost/a.jpg",
        "ftp://example.com/a.jpg",
        "a.jpg",
        "",
    ],
)
def test_a_url_that_is_not_allowed_is_refused_at_once(api: Any, url: str) -> None:
    answer = api.post("/v1/photos", json={"url": url, "preset": "metadata"})
    assert fields(answer) == ["url"]
    assert "password@" not in answer.text


def test_webhooks_and_fetches_have_private_hosts_of_their_own(start_api: Any) -> None:
    api = start_api(
        DARKROOM_WEBHOOK_PRIVATE_HOSTS="hooks.internal",
        DARKROOM_FETCH_PRIVATE_HOSTS="127.0.0.1:9000",
        DARKROOM_WEBHOOK_SECRET=SECRET,
    )
    hook, photo = "http://hooks.internal/", "http://127.0.0.1:9000/a.jpg"
    accepted = api.post("/v1/photos", json={"url": photo, "preset": "metadata", "callback_url": hook})
    assert accepted.status_code == 202, accepted.text
    refused = api.post("/v1/photos", json={"url": hook, "preset": "metadata", "callback_url": photo})
    assert sorted(fields(refused)) == ["callback_url", "url"]


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({"preset": "metadata"}, ["url"]),
        ({"url": URL, "preset": "none"}, ["preset"]),
        ({"url": URL, "preset": "web", "jobs": [{"type": "metadata"}]}, ["preset"]),
        ({"url": URL, "preset": "web", "colour": "red"}, ["colour"]),
        ({"url": URL, "jobs": [{"type": "paint"}]}, ["jobs[0]"]),
        ({"url": 7}, ["url"]),
    ],
)
def test_every_faulty_field_is_named(api: Any, body: dict[str, Any], wrong: list[str]) -> None:
    assert fields(api.post("/v1/photos", json=body)) == wrong


def test_a_body_that_is_not_json_or_too_long_is_refused(api: Any) -> None:
    headers = {"Content-Type": "application/json"}
    assert api.post("/v1/photos", data=b"{", headers=headers).status_code == 400
    assert api.post("/v1/photos", data=b'"' + b"x" * 2_000_000 + b'"', headers=headers).status_code == 413


def test_a_repeated_request_makes_one_photo(api: Any) -> None:
    headers = {"Idempotency-Key": "by-url-1"}
    first, second = (api.post("/v1/photos", json={"url": URL, "preset": "web"}, headers=headers) for _ in range(2))
    assert first.json() == second.json()
    assert second.headers["Idempotent-Replayed"] == "true"
    other = api.post("/v1/photos", json={"url": URL, "preset": "thumbnail"}, headers=headers)
    assert other.status_code == 422
    assert "Idempotency-Key" in other.json()["detail"]


def test_a_message_that_is_not_sent_is_left_to_the_sweep(start_api: Any) -> None:
    api = start_api()
    api.services.clients.sqs.delete_queue(QueueUrl=api.services.ingest.url)
    answer = api.post("/v1/photos", json={"url": URL, "preset": "metadata"})
    assert answer.status_code == 202, answer.text
    assert api.record(answer.json()["id"]).due_at is not None
    assert api.logged("fetch.left_to_the_sweep")


def test_more_jobs_can_be_added_and_a_photo_cancelled_before_its_file_is_fetched(api: Any) -> None:
    photo = api.post("/v1/photos", json={"url": URL, "preset": "metadata"}).json()
    added = api.post(f"/v1/photos/{photo['id']}/jobs", json={"preset": "thumbnail"})
    assert added.status_code == 202, added.text
    cancelled = api.post(f"/v1/photos/{photo['id']}/cancel").json()
    assert cancelled["status"] == "cancelled"
    assert api.ask("DELETE", f"/v1/photos/{photo['id']}").status_code == 204
