"""`dedupe=true`: the same bytes and jobs of one owner are one photo."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import requests

from darkroom.record.ids import new_id
from darkroom.record.keys import original_key
from tests.support.api import Api
from tests.support.fault_proxy import FaultProxy
from tests.support.idempotent_uploads import JOBS, HeldRequest, forget_answer, listed_ids, run_at_once, upload_with_key


@pytest.fixture
def unique_photo(api: Any) -> bytes:
    """A JPEG that no other test uploads: a comment in it is unique."""
    from io import BytesIO

    from PIL import Image

    data = BytesIO()
    Image.new("RGB", (40, 30), "green").save(data, "JPEG", comment=new_id().encode())
    return data.getvalue()


def upload(api: Any, *photos: bytes, **fields: Any) -> requests.Response:
    answer: requests.Response = api.upload(
        *((f"{number}.jpg", photo) for number, photo in enumerate(photos)), **({"dedupe": "true"} | fields)
    )
    return answer


def test_the_answer_is_the_existing_photo(api: Any, unique_photo: bytes) -> None:
    api.messages()
    first = upload(api, unique_photo, jobs=JOBS, reference="first")
    second = upload(api, unique_photo, jobs=JOBS, reference="second", metadata={"a": 1})

    assert (first.status_code, second.status_code) == (202, 202)
    assert second.json() == first.json()  # with the reference of the first upload
    assert second.headers["Location"] == first.headers["Location"]
    assert len(api.messages()) == 1


def test_an_existing_photo_whose_jobs_have_ended_gets_200(api: Any, unique_photo: bytes) -> None:
    photo = upload(api, unique_photo, jobs=JOBS).json()["id"]

    def succeed(record: Any) -> None:
        for job in record.jobs.values():
            job.status = "succeeded"

    api.change_record(photo, succeed)
    again = upload(api, unique_photo, jobs=JOBS)

    assert (again.status_code, again.json()["id"], again.json()["status"]) == (200, photo, "succeeded")


def test_without_dedupe_each_upload_makes_a_photo(api: Any, unique_photo: bytes) -> None:
    first = upload(api, unique_photo, jobs=JOBS)

    assert upload(api, unique_photo, jobs=JOBS, dedupe="false").json()["id"] != first.json()["id"]


def test_equal_jobs_are_equal_however_they_are_written(api: Any, unique_photo: bytes) -> None:
    short = upload(api, unique_photo, jobs=[{"type": "resize", "width": 20}]).json()["id"]
    full = upload(api, unique_photo, jobs=[{"fit": "cover", "width": 20, "type": "resize"}])
    other = upload(api, unique_photo, jobs=[{"type": "resize", "width": 21}])
    raw = api.post("/v1/photos?dedupe=true&preset=metadata", data=unique_photo, headers={"Content-Type": "image/jpeg"})
    form = upload(api, unique_photo, preset="metadata")

    assert full.json()["id"] == short
    assert other.json()["id"] != short
    assert form.json()["id"] == raw.json()["id"]


@pytest.mark.parametrize("end", ["cancelled", "failed", "deleted"])
def test_a_photo_that_did_not_succeed_is_not_reused(api: Any, unique_photo: bytes, end: str) -> None:
    first = upload(api, unique_photo, jobs=JOBS).json()["id"]

    def change(record: Any) -> None:
        if end == "deleted":
            record.delete()
        for job in record.jobs.values():
            job.status = end if end != "deleted" else job.status

    api.change_record(first, change)
    second = upload(api, unique_photo, jobs=JOBS)
    third = upload(api, unique_photo, jobs=JOBS)

    assert second.status_code == 202
    assert second.json()["id"] != first
    assert third.json()["id"] == second.json()["id"]


def test_identical_uploads_at_once_make_one_photo(api: Any, unique_photo: bytes) -> None:
    before = set(listed_ids(api))

    def upload_form(_: int) -> requests.Response:
        return requests.post(
            f"{api.url}/v1/photos?dedupe=true&preset=metadata", files={"photo": ("a.jpg", unique_photo)}, timeout=120
        )

    answers = run_at_once(8, upload_form)

    assert [answer.status_code for answer in answers] == [202] * 8
    (photo,) = {answer.json()["id"] for answer in answers}
    assert set(listed_ids(api)) - before == {photo}


def test_dedupe_applies_to_each_photo_of_a_batch(api: Any, unique_photo: bytes, webp: bytes) -> None:
    existing = upload(api, unique_photo, jobs=JOBS).json()["id"]
    answer = upload(api, unique_photo, webp, b"hello", webp, jobs=JOBS)

    assert answer.status_code == 202
    first, second, third, fourth = answer.json()["photos"]
    assert first["id"] == existing
    assert second["id"] == fourth["id"] != existing
    assert third["status"] == 415


def test_a_photo_without_its_original_is_repaired(api: Any, unique_photo: bytes) -> None:
    photo = upload(api, unique_photo, jobs=JOBS).json()["id"]
    api.messages()
    api.services.bucket.remove([original_key(photo)])  # as if the API had died before it stored the original

    again = upload(api, unique_photo, jobs=JOBS)

    assert (again.status_code, again.json()["id"]) == (202, photo)
    assert api.services.bucket.read(original_key(photo)) == unique_photo
    assert [message["photo"] for message in api.messages()] == [photo]


def test_dedupe_and_a_key_together_make_one_photo(api: Any, unique_photo: bytes) -> None:
    existing = upload(api, unique_photo, jobs=JOBS).json()["id"]
    key = new_id()
    first = upload_with_key(api, key, ("a.jpg", unique_photo), jobs=JOBS, dedupe="true")
    forget_answer(api, key)
    again = upload_with_key(api, key, ("a.jpg", unique_photo), jobs=JOBS, dedupe="true")

    assert first.json()["id"] == again.json()["id"] == existing


@pytest.mark.parametrize(("operation", "answered"), [("s3.PutObject", 503), ("sqs.SendMessage", 202)])
def test_a_request_that_fails_late_keeps_what_another_request_has_accepted(
    deploy: Any, endpoint: str, unique_photo: bytes, tmp_path: Path, operation: str, answered: int
) -> None:
    """The second request finds the photo of the first one, which is held and then fails."""
    with FaultProxy(endpoint) as proxy:
        api = Api(deploy(), tmp_path / "api.log", {"AWS_ENDPOINT_URL": proxy.url})
        try:
            slow = HeldRequest(
                proxy,
                operation,
                lambda: upload_with_key(api, new_id(), ("a.jpg", unique_photo), jobs=JOBS, dedupe="true"),
            )
            accepted = upload_with_key(api, new_id(), ("a.jpg", unique_photo), jobs=JOBS, dedupe="true")
            first = slow.fail()

            assert (accepted.status_code, first.status_code) == (202, answered)
            photo = api.record(accepted.json()["id"])
            assert photo.status == "processing"
            assert photo.due_at, "the sweep sends the message if the API could not"
            assert api.services.bucket.read(original_key(photo.id)) == unique_photo
        finally:
            api.stop()


def test_a_value_other_than_true_or_false_is_refused(api: Any, unique_photo: bytes) -> None:
    answer = upload(api, unique_photo, dedupe="perhaps")

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "dedupe"


def deduped_photos(api: Any) -> list[str]:
    """Ids of the photos that dedupe items refer to."""
    items = api.services.clients.dynamodb.scan(TableName=api.settings.table)["Items"]
    return [str(item["photo_id"]) for item in items if "photo_id" in item]


def test_the_dedupe_item_is_deleted_with_its_photo(start_api: Any, unique_photo: bytes) -> None:
    api = start_api()
    first = upload(api, unique_photo, jobs=JOBS).json()["id"]
    api.ask("POST", f"/v1/photos/{first}/jobs", json={"jobs": JOBS})  # more jobs do not change its dedupe item
    assert deduped_photos(api) == [first]

    assert api.ask("DELETE", f"/v1/photos/{first}").status_code == 204
    assert deduped_photos(api) == []

    second = upload(api, unique_photo, jobs=JOBS).json()["id"]
    api.services.cleanup.clean_up(api.record(first))  # a second removal, after another upload
    assert deduped_photos(api) == [second]


def test_the_dedupe_item_expires_with_its_photo(start_api: Any, unique_photo: bytes) -> None:
    api = start_api(DARKROOM_RETENTION_DAYS="1")
    photo = upload(api, unique_photo, jobs=JOBS).json()["id"]

    items = api.services.clients.dynamodb.scan(TableName=api.settings.table)["Items"]

    (named,) = [item for item in items if item["pk"].startswith("dedupe#default#")]
    (record,) = [item for item in items if item["pk"] == f"photo#{photo}"]
    assert named["ttl"] == record["ttl"]
    assert not {"owner", "photo"} & named.keys(), "the item must not appear in lists of photos"
