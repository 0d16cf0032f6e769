"""The results of jobs: a redirect to a picture, metadata in the answer, and what HEAD says of both."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from tests.support.ended_jobs import IN_THE_RECORD, WRITTEN, fail, succeed
from tests.support.stack import store_file


def test_the_result_of_a_picture_job_is_a_redirect_to_a_presigned_url(api: Any, picture: bytes) -> None:
    photo = api.upload_photo(picture, preset="thumbnail")
    (job,) = photo["jobs"]
    api.change_record(
        photo["id"], succeed({"filename": "ünt-200.jpg", "content_type": "image/jpeg", "width": 2, "height": 2})
    )
    key = api.record(photo["id"]).jobs[job["id"]].result.key
    store_file(api.services.bucket, key, b"pixels", "image/jpeg", served_as="ünt-200.jpg")

    answer = api.get(api.get(job["links"]["self"]).json()["links"]["result"])

    assert answer.status_code == 302
    assert answer.headers["Cache-Control"] == "no-store"
    picture_answer = requests.get(answer.headers["Location"], timeout=60)
    assert picture_answer.content == b"pixels"
    assert picture_answer.headers["Content-Type"] == "image/jpeg"
    assert picture_answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    shown = picture_answer.headers["Content-Disposition"]
    assert (shown.partition(";")[0], shown.rpartition("; ")[2]) == ("inline", "filename*=UTF-8''%C3%BCnt-200.jpg")


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


def test_the_receipt_of_a_result_is_there_without_its_file(api: Any, picture: bytes) -> None:
    photo = api.upload_photo(picture, preset="thumbnail")
    (job,) = photo["jobs"]
    assert api.get(f"{job['links']['self']}/receipt").status_code == 409
    api.change_record(photo["id"], succeed({"filename": "x.jpg", "content_type": "image/jpeg"}))

    answer = api.get(api.get(job["links"]["self"]).json()["links"]["receipt"])

    assert answer.status_code == 200
    receipt = answer.json()
    assert (receipt["photo"], receipt["job"]) == (photo["id"], job["id"])
    assert receipt["input"]["sha256"] == photo["original"]["sha256"]
    assert receipt["made_with"] == [{"job": job["id"], "recipe": receipt["recipe"]}]


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
