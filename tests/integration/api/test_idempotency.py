"""Idempotency-Key: a request that is sent again gets the first answer, and nothing is made twice."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
import requests

from darkroom.owners import hash_of, new_key
from darkroom.record.ids import new_id
from tests.support.idempotent_uploads import (
    JOBS,
    change_item,
    forget_answer,
    idempotency_item,
    listed_ids,
    upload_with_key,
)


def test_a_repetition_gets_the_same_answer(api: Any, picture: bytes) -> None:
    api.messages()
    key = new_id()
    first = upload_with_key(api, key, ("a.jpg", picture), jobs=JOBS)
    again = upload_with_key(api, key, ("a.jpg", picture), jobs=JOBS)

    assert (first.status_code, again.status_code) == (202, 202)
    assert again.content == first.content
    assert again.headers["Location"] == first.headers["Location"]
    assert again.headers["Content-Type"] == "application/json"
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert listed_ids(api).count(first.json()["id"]) == 1
    assert len(api.messages()) == 1


def test_quotation_marks_around_the_key_are_optional(api: Any, picture: bytes) -> None:
    key = new_id()
    first = upload_with_key(api, f'"{key}"', ("a.jpg", picture), jobs=JOBS)
    again = upload_with_key(api, key, ("a.jpg", picture), jobs=JOBS)

    assert again.json() == first.json()


def test_each_owner_has_keys_of_its_own(start_api: Any, webp: bytes) -> None:
    keys = {owner: new_key() for owner in ("ann", "bob")}
    api = start_api(DARKROOM_API_KEYS=" ".join(f"{owner}:{hash_of(key)}" for owner, key in keys.items()))

    def upload(owner: str, preset: str) -> requests.Response:
        headers = {"Authorization": f"Bearer {keys[owner]}", "Idempotency-Key": "1", "Content-Type": "image/webp"}
        answer: requests.Response = api.post(f"/v1/photos?preset={preset}&dedupe=true", data=webp, headers=headers)
        return answer

    anns, bobs = upload("ann", "metadata"), upload("bob", "metadata")

    assert (anns.json()["owner"], bobs.json()["owner"]) == ("ann", "bob")
    assert upload("ann", "metadata").json() == anns.json()
    assert upload("bob", "metadata").json() == bobs.json()
    assert upload("bob", "web").status_code == 422


def test_a_raw_upload_takes_a_key_too(api: Any, webp: bytes) -> None:
    headers = {"Idempotency-Key": new_id(), "Content-Type": "image/webp"}
    first, again = (api.post("/v1/photos?preset=metadata", data=webp, headers=headers) for _ in range(2))
    other = api.post("/v1/photos?preset=web", data=webp, headers=headers)

    assert first.json() == again.json()
    assert other.status_code == 422


@pytest.mark.parametrize("change", ["bytes", "name", "field", "count"])
def test_another_request_under_the_key_is_refused(api: Any, picture: bytes, webp: bytes, change: str) -> None:
    key = new_id()
    assert upload_with_key(api, key, ("a.jpg", picture), jobs=JOBS).status_code == 202

    other: dict[str, Callable[[], requests.Response]] = {
        "bytes": lambda: upload_with_key(api, key, ("a.jpg", webp), jobs=JOBS),
        "name": lambda: upload_with_key(api, key, ("b.jpg", picture), jobs=JOBS),
        "field": lambda: upload_with_key(api, key, ("a.jpg", picture), jobs=JOBS, reference="r"),
        "count": lambda: upload_with_key(api, key, ("a.jpg", picture), ("a.jpg", picture), jobs=JOBS),
    }
    answer = other[change]()

    assert answer.status_code == 422
    assert answer.json()["type"] == "urn:darkroom:problem:idempotency_key_reused"
    assert "use a new key for this one" in answer.json()["detail"]


@pytest.mark.parametrize("key", ["", '""', '"open', "a b", "a,b", 'a"b', "x" * 256, '"' + "x" * 256 + '"', "\u00e9"])
def test_an_invalid_key_is_refused_and_the_answer_describes_a_valid_one(api: Any, picture: bytes, key: str) -> None:
    answer = upload_with_key(api, key.encode("latin-1"), ("a.jpg", picture))  # type: ignore[arg-type]

    assert answer.status_code == 400
    assert answer.json()["type"] == "urn:darkroom:problem:malformed_idempotency_key"
    assert "1 to 255 printable ASCII characters" in answer.json()["detail"]


def test_keys_of_255_characters_are_accepted(api: Any, webp: bytes) -> None:
    for key in (new_id().ljust(255, "x"), '"' + new_id().ljust(255, " ") + '"'):
        assert upload_with_key(api, key, ("a.webp", webp), jobs=JOBS).status_code == 202


def test_a_refused_upload_leaves_the_key_free(api: Any, picture: bytes) -> None:
    key = new_id()
    assert upload_with_key(api, key, ("a.jpg", b"hello"), jobs=JOBS).status_code == 415
    assert upload_with_key(api, key, ("a.jpg", picture), jobs=JOBS).status_code == 202


def test_an_expired_key_is_free_before_ttl_deletes_its_item(api: Any, webp: bytes) -> None:
    key = new_id()
    first = upload_with_key(api, key, ("a.webp", webp), jobs=JOBS)
    stored = idempotency_item(api, key)
    assert stored["ttl"] == stored["expires_at"]
    assert stored["expires_at"] > time.time() + 23 * 3600
    assert not {"owner", "photo"} & stored.keys(), "the item must not appear in lists of photos"
    change_item(api, key, expires_at=int(time.time()) - 1)

    second = upload_with_key(api, key, ("a.webp", webp), jobs=JOBS)

    assert second.json()["id"] != first.json()["id"]


def test_a_batch_is_made_once(api: Any, picture: bytes, webp: bytes) -> None:
    key, photos = new_id(), (("a.jpg", picture), ("b.jpg", b"hello"), ("c.webp", webp))
    first, again = (upload_with_key(api, key, *photos, jobs=JOBS) for _ in range(2))

    assert again.content == first.content
    assert again.headers["Idempotent-Replayed"] == "true"
    assert [photo["status"] for photo in again.json()["photos"]] == ["processing", 415, "processing"]


def test_a_repeated_batch_hides_photos_that_were_deleted(api: Any, picture: bytes, webp: bytes) -> None:
    key, photos = new_id(), (("a.jpg", picture), ("b.jpg", b"hello"), ("c.webp", webp))
    first = upload_with_key(api, key, *photos, jobs=JOBS).json()
    existing, refused, deleted = first["photos"]
    assert api.ask("DELETE", f"/v1/photos/{deleted['id']}").status_code == 204

    again = upload_with_key(api, key, *photos, jobs=JOBS)

    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (202, "true")
    assert again.json()["photos"][:2] == [existing, refused]
    assert again.json()["photos"][2]["status"] == 404
    assert "c.webp" not in again.text
    assert api.ask("DELETE", f"/v1/photos/{existing['id']}").status_code == 204
    assert upload_with_key(api, key, *photos, jobs=JOBS).status_code == 404


def test_repeated_jobs_of_a_deleted_photo_get_404(api: Any, picture: bytes) -> None:
    photo, key = api.upload_photo(picture)["id"], {"Idempotency-Key": new_id()}
    more = [api.post(f"/v1/photos/{photo}/jobs", json={"jobs": JOBS}, headers=key) for _ in range(2)]
    assert [answer.status_code for answer in more] == [202, 202]
    assert api.ask("DELETE", f"/v1/photos/{photo}").status_code == 204

    assert api.post(f"/v1/photos/{photo}/jobs", json={"jobs": JOBS}, headers=key).status_code == 404


def test_the_largest_batch_gets_the_same_answer(api: Any, webp: bytes) -> None:
    key = new_id()
    jobs = [{"type": "resize", "width": 1 + number, "height": 20} for number in range(50)]
    photos = [(f"{number}.webp", webp) for number in range(50)]
    first, again = (upload_with_key(api, key, *photos, jobs=jobs) for _ in range(2))

    assert len(first.json()["photos"]) == 50
    assert again.json() == first.json()
    assert again.headers["Idempotent-Replayed"] == "true"


def test_jobs_are_added_once(api: Any, picture: bytes) -> None:
    photo = api.upload_photo(picture)["id"]
    api.messages()
    headers = {"Idempotency-Key": new_id()}
    first, again = (api.post(f"/v1/photos/{photo}/jobs", json={"jobs": JOBS}, headers=headers) for _ in range(2))
    other = api.post(f"/v1/photos/{photo}/jobs", json={"preset": "web"}, headers=headers)

    assert first.status_code == 202
    assert again.content == first.content
    assert again.headers["Idempotent-Replayed"] == "true"
    assert other.status_code == 422
    forget_answer(api, headers["Idempotency-Key"])
    taken_over = api.post(f"/v1/photos/{photo}/jobs", json={"jobs": JOBS}, headers=headers)
    assert taken_over.json() == first.json()
    assert len(api.record(photo).jobs) == 2
    assert {message["order"] for message in api.messages()} == {
        api.record(photo).order_of(first.json()["jobs"][0]["id"]).id
    }


def test_a_job_is_retried_once(api: Any, picture: bytes) -> None:
    photo = api.upload_photo(picture)
    job = photo["jobs"][0]["id"]
    api.change_record(photo["id"], lambda record: record.cancel())
    headers = {"Idempotency-Key": new_id()}
    path = f"/v1/photos/{photo['id']}/jobs/{job}/retry"
    first, again = (api.post(path, headers=headers) for _ in range(2))
    forget_answer(api, headers["Idempotency-Key"])
    taken_over = api.post(path, headers=headers)

    assert [answer.status_code for answer in (first, again, taken_over)] == [202] * 3
    assert again.content == first.content == taken_over.content
    assert api.post(path).status_code == 409  # without the key it is a new request
    assert len(api.record(photo["id"]).orders) == 1


def test_the_openapi_document_says_which_operations_take_a_key(api: Any) -> None:
    paths = api.get("/openapi.json").json()["paths"]
    for path in ("/v1/photos", "/v1/photos/{photo_id}/jobs", "/v1/photos/{photo_id}/jobs/{job_id}/retry"):
        post = paths[path]["post"]
        (header,) = [parameter for parameter in post["parameters"] if parameter["in"] == "header"]
        assert header["name"] == "Idempotency-Key"
        assert "it is not carried out again" in header["description"]
        assert "Retry-After" in post["responses"]["409"]["headers"]
        assert "another request" in post["responses"]["422"]["description"]
