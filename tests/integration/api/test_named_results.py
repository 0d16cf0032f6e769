"""Names of results: in requests, in answers, and as addresses that a caller can write before the work is done."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import requests

from tests.support.ended_jobs import IN_THE_RECORD, WRITTEN, fail, succeed
from tests.support.stack import store_file

THUMB = {"type": "resize", "width": 20, "name": "thumb"}
PICTURE = {"filename": "photo-thumb.jpg", "content_type": "image/jpeg", "width": 20, "height": 15, "size": 6}


def named(photo: dict[str, Any], name: str) -> str:
    """The address of a result, as a caller writes it."""
    return f"/v1/photos/{photo['id']}/results/{name}"


def store(api: Any, photo: dict[str, Any]) -> None:
    """Put the files of all results into the bucket; each file is the id of its job."""
    for job in api.record(photo["id"]).jobs.values():
        if job.result:
            store_file(api.services.bucket, job.result.key, job.id.encode(), served_as=job.result.filename)


def test_a_name_stands_in_the_answer_with_the_address_of_its_result(api: Any, picture: bytes) -> None:
    photo = api.upload_photo(picture, jobs=[THUMB, {"type": "metadata"}])
    thumb, metadata = photo["jobs"]
    assert (thumb["name"], metadata["name"]) == ("thumb", None)
    assert thumb["links"]["named_result"].endswith(named(photo, "thumb"))
    assert "named_result" not in metadata["links"]


def test_the_address_answers_before_and_after_the_work_is_done(api: Any, picture: bytes) -> None:
    photo = api.upload_photo(picture, jobs=[THUMB])
    early = api.get(named(photo, "thumb"))
    assert (early.status_code, early.headers["Retry-After"]) == (409, "1")
    assert early.json()["type"].endswith(":not_finished")

    api.change_record(photo["id"], succeed(PICTURE))
    store(api, photo)

    answer = api.get(named(photo, "thumb"))
    assert (answer.status_code, answer.headers["Cache-Control"]) == (302, "no-store")
    file = requests.get(answer.headers["Location"], timeout=60)
    assert file.text == photo["jobs"][0]["id"]
    assert "photo-thumb.jpg" in file.headers["Content-Disposition"]
    head = api.ask("HEAD", named(photo, "thumb"))
    assert (head.status_code, head.headers["Content-Length"], head.content) == (200, "6", b"")


def test_named_metadata_is_in_the_answer_and_has_an_etag(api: Any, picture: bytes) -> None:
    photo = api.upload_photo(picture, preset="metadata")
    api.change_record(photo["id"], succeed(IN_THE_RECORD))
    answer = api.get(named(photo, "metadata"))
    assert (answer.status_code, answer.content) == (200, WRITTEN)
    again = api.get(named(photo, "metadata"), headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_the_newest_result_with_the_name_counts(api: Any, picture: bytes) -> None:
    photo = api.upload_photo(picture, jobs=[THUMB])
    api.change_record(photo["id"], succeed(PICTURE))
    later = api.post(f"/v1/photos/{photo['id']}/jobs", json={"jobs": [THUMB | {"width": 30}]})
    assert later.status_code == 202, later.text
    store(api, photo)

    def job_of_result() -> str:
        return requests.get(api.get(named(photo, "thumb")).headers["Location"], timeout=60).text

    assert job_of_result() == photo["jobs"][0]["id"], "the newer job has not ended"
    api.change_record(photo["id"], succeed(PICTURE))
    store(api, photo)
    assert job_of_result() == later.json()["jobs"][0]["id"]


def test_waiting_ends_when_the_job_has_ended_although_others_have_not(api: Any, picture: bytes) -> None:
    photo = api.upload_photo(picture, jobs=[THUMB])
    api.change_record(photo["id"], fail)
    api.post(f"/v1/photos/{photo['id']}/jobs", json={"preset": "metadata"})
    assert api.get(named(photo, "thumb") + "?wait=60").status_code == 409
    assert api.get(named(photo, "metadata") + "?wait=0.2").headers["Retry-After"] == "1"
    ender = threading.Timer(0.3, api.change_record, (photo["id"], succeed(IN_THE_RECORD)))
    ender.start()

    answer = api.get(named(photo, "metadata") + "?wait=60")

    ender.join()
    assert (answer.status_code, answer.content) == (200, WRITTEN)


def test_the_result_of_a_job_can_be_waited_for_too(api: Any, picture: bytes) -> None:
    photo = api.upload_photo(picture, preset="metadata")
    ender = threading.Timer(0.3, api.change_record, (photo["id"], succeed(IN_THE_RECORD)))
    ender.start()
    answer = api.get(photo["jobs"][0]["links"]["self"] + "/result?wait=60")
    ender.join()
    assert (answer.status_code, answer.content) == (200, WRITTEN)


@pytest.mark.parametrize("seconds", ["-1", "soon", "nan"])
def test_a_wrong_wait_is_refused(api: Any, picture: bytes, seconds: str) -> None:
    photo = api.upload_photo(picture, jobs=[THUMB])
    answer = api.get(named(photo, "thumb") + f"?wait={seconds}")
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "wait")


def test_a_failed_or_cancelled_job_says_why_there_is_no_result(api: Any, picture: bytes) -> None:
    failed, cancelled = (api.upload_photo(picture, jobs=[THUMB]) for _ in range(2))
    api.change_record(failed["id"], fail)
    api.post(cancelled["links"]["cancel"])
    answer = api.get(named(failed, "thumb"))
    assert (answer.status_code, "Retry-After" in answer.headers) == (409, False)
    assert "the photo ends in the middle" in answer.json()["detail"]
    answer = api.get(named(cancelled, "thumb"))
    assert answer.status_code == 409
    assert "cancelled" in answer.json()["detail"]


@pytest.mark.parametrize("name", ["hero", "Thumb", "-thumb", "thumb.jpg", "a" * 65, "%C3%BC"])
def test_an_unknown_name_gets_404_and_the_names_that_exist(api: Any, picture: bytes, name: str) -> None:
    photo = api.upload_photo(picture, jobs=[THUMB, {"type": "metadata", "name": "facts"}])
    answer = api.get(named(photo, name))
    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert "thumb, facts" in answer.json()["detail"]


def test_a_photo_without_names_says_so(api: Any, picture: bytes) -> None:
    photo = api.upload_photo(picture, jobs=[{"type": "metadata"}])
    answer = api.get(named(photo, "metadata"))
    assert answer.status_code == 404
    assert "none of its jobs has a name" in answer.json()["detail"]


def test_a_deleted_photo_has_no_named_results(api: Any, picture: bytes) -> None:
    photo = api.upload_photo(picture, jobs=[THUMB])
    api.ask("DELETE", photo["links"]["self"])
    assert api.get(named(photo, "thumb")).status_code == 404


def test_a_result_that_has_expired_gets_404(api: Any, picture: bytes) -> None:
    photo = api.upload_photo(picture, jobs=[THUMB])
    api.change_record(photo["id"], succeed(PICTURE))
    answer = api.get(named(photo, "thumb"))
    assert (answer.status_code, answer.json()["detail"]) == (404, "the result has expired")


def test_the_presets_name_their_results(api: Any, picture: bytes) -> None:
    photo = api.upload_photo(picture, preset="web")
    assert [job["name"] for job in photo["jobs"]] == ["thumbnail", "small", "large", "metadata"]


@pytest.mark.parametrize("way", ["form", "jobs", "direct"])
def test_names_are_unique_in_a_request(api: Any, picture: bytes, way: str) -> None:
    jobs = [THUMB, {"type": "metadata"}, {"type": "filter", "filter": "sepia", "name": "thumb"}]
    if way == "form":
        answer = api.upload(("photo.jpg", picture), jobs=jobs)
    elif way == "jobs":
        answer = api.post(f"/v1/photos/{api.upload_photo(picture)['id']}/jobs", json={"jobs": jobs})
    else:
        answer = api.post("/v1/uploads", json={"jobs": jobs, "size": 1000})
    assert answer.status_code == 422
    (fault,) = answer.json()["errors"]
    assert (fault["field"], fault["code"]) == ("jobs[2].name", "duplicate_name")
    assert fault["detail"] == '"thumb" is the name of jobs[0] too; give each job of a request a name of its own'


@pytest.mark.parametrize("name", ["Thumb", "", "a" * 65, "-a", "a/b", "a.jpg", "ü", "a\n", 5])
def test_a_name_that_cannot_be_an_address_is_refused(api: Any, picture: bytes, name: object) -> None:
    answer = api.upload(("photo.jpg", picture), jobs=[THUMB | {"name": name}])
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "jobs[0].name"
