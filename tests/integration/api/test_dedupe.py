"""`dedupe=true`: the same bytes and jobs of one owner are one photo."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import requests

from darkroom.record.ids import new_id
from darkroom.record.keys import original_key
from tests.integration.api.test_idempotency import JOBS, Held, at_once, forget_answer, listed, send
from tests.support.api import Api
from tests.support.fault_proxy import FaultProxy


@pytest.fixture
def own(api: Any) -> bytes:
    """A photo that no other test has: its end is a comment, which no reader looks at."""
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


def test_the_photo_that_is_there_is_answered(api: Any, own: bytes) -> None:
    api.messages()
    first = upload(api, own, jobs=JOBS, reference="first")
    second = upload(api, own, jobs=JOBS, reference="second", metadata={"a": 1})

    assert (first.status_code, second.status_code) == (202, 202)
    assert second.json() == first.json()  # as it is, with the first one's reference
    assert second.headers["Location"] == first.headers["Location"]
    assert len(api.messages()) == 1


def test_when_its_jobs_have_ended_it_is_200(api: Any, own: bytes) -> None:
    photo = upload(api, own, jobs=JOBS).json()["id"]

    def succeed(record: Any) -> None:
        for job in record.jobs.values():
            job.status = "succeeded"

    api.end(photo, succeed)
    again = upload(api, own, jobs=JOBS)

    assert (again.status_code, again.json()["id"], again.json()["status"]) == (200, photo, "succeeded")


def test_without_dedupe_it_is_another_photo(api: Any, own: bytes) -> None:
    first = upload(api, own, jobs=JOBS)

    assert upload(api, own, jobs=JOBS, dedupe="false").json()["id"] != first.json()["id"]


def test_the_jobs_count_and_not_how_they_were_said(api: Any, own: bytes) -> None:
    short = upload(api, own, jobs=[{"type": "resize", "width": 20}]).json()["id"]
    spelt_out = upload(api, own, jobs=[{"fit": "cover", "width": 20, "type": "resize"}])
    other = upload(api, own, jobs=[{"type": "resize", "width": 21}])
    raw = api.post("/v1/photos?dedupe=true&preset=metadata", data=own, headers={"Content-Type": "image/jpeg"})
    form = upload(api, own, preset="metadata")

    assert spelt_out.json()["id"] == short
    assert other.json()["id"] != short
    assert form.json()["id"] == raw.json()["id"]


@pytest.mark.parametrize("end", ["cancelled", "failed", "deleted"])
def test_a_photo_that_came_to_nothing_is_not_given_again(api: Any, own: bytes, end: str) -> None:
    first = upload(api, own, jobs=JOBS).json()["id"]

    def change(record: Any) -> None:
        if end == "deleted":
            record.delete()
        for job in record.jobs.values():
            job.status = end if end != "deleted" else job.status

    api.end(first, change)
    second = upload(api, own, jobs=JOBS)
    third = upload(api, own, jobs=JOBS)

    assert second.status_code == 202
    assert second.json()["id"] != first
    assert third.json()["id"] == second.json()["id"]


def test_of_identical_uploads_at_once_one_makes_a_photo(api: Any, own: bytes) -> None:
    before = set(listed(api))

    def one(_: int) -> requests.Response:
        return requests.post(
            f"{api.url}/v1/photos?dedupe=true&preset=metadata", files={"photo": ("a.jpg", own)}, timeout=120
        )

    answers = at_once(8, one)

    assert [answer.status_code for answer in answers] == [202] * 8
    (photo,) = {answer.json()["id"] for answer in answers}
    assert set(listed(api)) - before == {photo}


def test_a_batch_is_judged_photo_by_photo(api: Any, own: bytes, webp: bytes) -> None:
    there = upload(api, own, jobs=JOBS).json()["id"]
    answer = upload(api, own, webp, b"hello", webp, jobs=JOBS)

    assert answer.status_code == 202
    first, second, third, fourth = answer.json()["photos"]
    assert first["id"] == there
    assert second["id"] == fourth["id"] != there
    assert third["status"] == 415


def test_a_photo_whose_upload_broke_off_is_mended(api: Any, own: bytes) -> None:
    photo = upload(api, own, jobs=JOBS).json()["id"]
    api.messages()
    api.services.bucket.remove([original_key(photo)])  # as if the API had died before it stored the original

    again = upload(api, own, jobs=JOBS)

    assert (again.status_code, again.json()["id"]) == (202, photo)
    assert api.services.bucket.read(original_key(photo)) == own
    assert [message["photo"] for message in api.messages()] == [photo]


def test_with_a_key_too_nothing_is_made_twice(api: Any, own: bytes) -> None:
    there = upload(api, own, jobs=JOBS).json()["id"]
    key = new_id()
    first = send(api, key, ("a.jpg", own), jobs=JOBS, dedupe="true")
    forget_answer(api, key)
    again = send(api, key, ("a.jpg", own), jobs=JOBS, dedupe="true")

    assert first.json()["id"] == again.json()["id"] == there


@pytest.mark.parametrize(("operation", "answered"), [("s3.PutObject", 503), ("sqs.SendMessage", 202)])
def test_whose_upload_fails_undoes_nothing_that_another_one_has_promised(
    deploy: Any, endpoint: str, own: bytes, tmp_path: Path, operation: str, answered: int
) -> None:
    """The second finds the first one's photo while that one is still at it, and then fails."""
    with FaultProxy(endpoint) as proxy:
        api = Api(deploy(), tmp_path / "api.log", {"AWS_ENDPOINT_URL": proxy.url})
        try:
            slow = Held(proxy, operation, lambda: send(api, new_id(), ("a.jpg", own), jobs=JOBS, dedupe="true"))
            promised = send(api, new_id(), ("a.jpg", own), jobs=JOBS, dedupe="true")
            first = slow.fails()

            assert (promised.status_code, first.status_code) == (202, answered)
            photo = api.record(promised.json()["id"])
            assert photo.status == "processing"
            assert photo.due_at, "what is not sent now, the sweep sends"
            assert api.services.bucket.read(original_key(photo.id)) == own
        finally:
            api.stop()


def test_what_is_neither_true_nor_false_is_a_fault(api: Any, own: bytes) -> None:
    answer = upload(api, own, dedupe="perhaps")

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "dedupe"


def names(api: Any) -> list[str]:
    """The photos that items of their own name."""
    items = api.services.clients.dynamodb.scan(TableName=api.settings.table)["Items"]
    return [str(item["photo_id"]) for item in items if "photo_id" in item]


def test_it_goes_when_the_photo_is_deleted(start_api: Any, own: bytes) -> None:
    api = start_api()
    first = upload(api, own, jobs=JOBS).json()["id"]
    api.ask("POST", f"/v1/photos/{first}/jobs", json={"jobs": JOBS})  # with more jobs it is still found by the first
    assert names(api) == [first]

    assert api.ask("DELETE", f"/v1/photos/{first}").status_code == 204
    assert names(api) == []

    second = upload(api, own, jobs=JOBS).json()["id"]
    api.services.cleanup.remove_deleted(api.record(first))  # once more, late
    assert names(api) == [second]


def test_it_goes_when_the_photo_goes(start_api: Any, own: bytes) -> None:
    api = start_api(DARKROOM_RETENTION_DAYS="1")
    photo = upload(api, own, jobs=JOBS).json()["id"]

    items = api.services.clients.dynamodb.scan(TableName=api.settings.table)["Items"]

    (named,) = [item for item in items if item["pk"].startswith("dedupe#default#")]
    (record,) = [item for item in items if item["pk"] == f"photo#{photo}"]
    assert named["ttl"] == record["ttl"]
    assert not {"owner", "photo"} & named.keys(), "it must stand in no list of photos"
