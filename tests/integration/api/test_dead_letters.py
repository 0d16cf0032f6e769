"""/v1/dead-letters: looking at them, sending them again, leaving them."""

from __future__ import annotations

from typing import Any

import pytest

from darkroom.errors import AttemptsExhausted, DarkroomError, OutOfMemory, Unavailable
from darkroom.record.ids import new_id
from darkroom.record.photo import PhotoRecord
from darkroom.record.stored import Result
from darkroom.redrive import DeadLetters

JOBS = [{"type": "resize", "width": 40}, {"type": "resize", "width": 20}, {"type": "metadata"}]


@pytest.fixture
def clean(api: Any) -> Any:
    """The API without dead letters of other tests, and without messages."""
    for dead in DeadLetters(api.services, None).all():
        api.services.table.update(dead.photo.id, lambda record: record.delete())
    api.messages()
    return api


def dead_letter(api: Any, picture: bytes, error: DarkroomError | None = None, **fields: Any) -> PhotoRecord:
    """A photo whose first two jobs left pictures; the third was tried twice and buried."""
    photo_id = api.taken(picture, jobs=JOBS, **fields)["id"]
    order = next(iter(api.record(photo_id).orders))

    def work(record: PhotoRecord) -> None:
        record.postpone(record.claim(order, 5, 90, 300), Unavailable("S3 was slow"), True, 1, 300)
        claim = record.claim(order, 5, 90, 300)
        large, small, _ = record.jobs
        record.publish(claim, {large: result(900, 40), small: result(300, 20)})
        record.bury(claim, error or AttemptsExhausted("tried 2 times"))

    api.end(photo_id, work)
    api.messages()
    return api.record(photo_id)


def result(size: int, width: int) -> Result:
    key = f"results/{new_id()}"
    return Result(key=key, filename="x.jpg", content_type="image/jpeg", size=size, sha256="0" * 64, width=width)


def id_of(photo: PhotoRecord) -> str:
    (order,) = photo.orders
    return f"{photo.id}/{order}"


def ids(api: Any, query: str = "") -> list[str]:
    answer = api.get(f"/v1/dead-letters{query}")
    assert answer.status_code == 200, answer.text
    return [one["id"] for one in answer.json()["dead_letters"]]


def statuses(api: Any, photo: PhotoRecord) -> list[str]:
    return [job.status for job in api.record(photo.id).jobs.values()]


def test_one_says_everything_that_is_known_of_it(clean: Any, picture: bytes) -> None:
    photo = dead_letter(clean, picture, reference="r-1")
    (shown,) = clean.get("/v1/dead-letters").json()["dead_letters"]
    assert (shown["photo"], shown["order"]) == (photo.id, *photo.orders)
    assert (shown["owner"], shown["reference"], shown["filename"]) == ("default", "r-1", "photo.jpg")
    assert shown["reason"] == {"code": "attempts_exhausted", "detail": "tried 2 times"}
    assert (shown["attempts"], shown["expires_at"]) == (2, None)
    _, small, metadata = photo.jobs.values()
    (job,) = shown["jobs"]
    assert (job["id"], job["type"]) == (metadata.id, "metadata")
    assert [(error["attempt"], error["detail"]) for error in job["errors"]] == [
        (1, "S3 was slow"),
        (2, "tried 2 times"),
    ]
    assert shown["buried_at"] < shown["message_expires_at"]
    assert shown["thumbnail"].endswith(f"/jobs/{small.id}/result")
    assert clean.get(shown["links"]["self"]).json() == shown
    assert clean.get(shown["links"]["photo"]).json()["id"] == photo.id


def test_a_job_tells_the_last_error_of_each_attempt(clean: Any, picture: bytes) -> None:
    photo = dead_letter(clean, picture)
    job = clean.get(f"/v1/photos/{photo.id}").json()["jobs"][2]
    assert [(error["attempt"], error["code"]) for error in job["errors"]] == [
        (1, "unavailable"),
        (2, "attempts_exhausted"),
    ]


def test_the_list_goes_by_reason_and_page(clean: Any, picture: bytes) -> None:
    photos = [dead_letter(clean, picture) for _ in range(3)][::-1]
    other = dead_letter(clean, picture, OutOfMemory("at 900 MB"))
    assert ids(clean) == [id_of(photo) for photo in [other, *photos]]
    assert ids(clean, "?code=out_of_memory") == [id_of(other)]
    assert ids(clean, "?code=nothing") == []
    found = []
    link = f"{clean.url}/v1/dead-letters?limit=1&code=attempts_exhausted"
    while link:
        page = clean.get(link).json()
        found += [one["id"] for one in page["dead_letters"]]
        link = page["links"].get("next")
    assert found == [id_of(photo) for photo in photos]


def test_a_redrive_queues_it_again(clean: Any, picture: bytes) -> None:
    photo = dead_letter(clean, picture)
    link = clean.get("/v1/dead-letters").json()["dead_letters"][0]["links"]["redrive"]
    answer = clean.post(link)
    assert answer.status_code == 202, answer.text
    assert answer.headers["Location"].endswith(f"/v1/photos/{photo.id}")
    assert answer.headers["Retry-After"]
    assert [job["status"] for job in answer.json()["jobs"]] == ["succeeded", "succeeded", "queued"]
    (message,) = clean.messages()
    assert message["jobs"] == [list(photo.jobs)[2]]
    assert ids(clean) == []
    again = clean.post(link)
    assert (again.status_code, again.json()["type"]) == (409, "urn:darkroom:problem:conflict")
    assert clean.messages() == []


def test_one_that_is_dead_once_more_says_so(clean: Any, picture: bytes) -> None:
    photo = dead_letter(clean, picture)
    (order,) = photo.orders
    assert clean.post(f"/v1/dead-letters/{id_of(photo)}/redrive").status_code == 202
    clean.end(photo.id, lambda record: record.bury(record.claim(order, 5, 90, 300), OutOfMemory("at 900 MB")))
    shown = clean.get(f"/v1/dead-letters/{id_of(photo)}").json()
    assert (shown["reason"]["code"], shown["attempts"]) == ("out_of_memory", 1)
    assert [(one["code"], one["attempts"]) for one in shown["redrives"]] == [("attempts_exhausted", 2)]
    assert [(one["redrive"], one["attempt"]) for one in shown["jobs"][0]["errors"]] == [(0, 2), (1, 1)]


def test_many_are_redriven_by_reason_part_by_part(clean: Any, picture: bytes) -> None:
    photos = [dead_letter(clean, picture) for _ in range(3)]
    other = dead_letter(clean, picture, OutOfMemory("at 900 MB"))
    body: dict[str, Any] = {"code": "attempts_exhausted", "limit": 2}
    done = []
    more = True
    while more:
        answer = clean.post("/v1/dead-letters/redrive", json=body)
        assert answer.status_code == 200, answer.text
        done.append(answer.json()["done"])
        more, body["cursor"] = answer.json()["more"], answer.json()["next"]
    assert len(done[0]) == 2
    assert {one for part in done for one in part} == {id_of(photo) for photo in photos}
    assert ids(clean) == [id_of(other)]
    assert {message["photo"] for message in clean.messages()} == {photo.id for photo in photos}


def test_some_are_redriven_by_id_and_the_unknown_ones_named(clean: Any, picture: bytes) -> None:
    one, left = dead_letter(clean, picture), dead_letter(clean, picture)
    nothing = f"{new_id()}/{new_id()}"
    answer = clean.post("/v1/dead-letters/redrive", json={"ids": [id_of(one), nothing, id_of(one)]})
    assert answer.json() == {"done": [id_of(one)], "not_found": [nothing], "more": False, "next": None}
    assert ids(clean) == [id_of(left)]


def test_all_are_redriven(clean: Any, picture: bytes) -> None:
    photos = [dead_letter(clean, picture), dead_letter(clean, picture, OutOfMemory("at 900 MB"))]
    assert len(clean.post("/v1/dead-letters/redrive", json={"all": True}).json()["done"]) == 2
    assert {tuple(statuses(clean, photo)) for photo in photos} == {("succeeded", "succeeded", "queued")}


@pytest.mark.parametrize(
    "body", [{}, {"all": True, "code": "x"}, {"ids": []}, {"ids": ["x"]}, {"cursor": "x", "all": True}, {"some": 1}]
)
def test_what_is_meant_has_to_be_said(clean: Any, picture: bytes, body: dict[str, Any]) -> None:
    photo = dead_letter(clean, picture)
    answer = clean.post("/v1/dead-letters/redrive", json=body)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"]
    assert clean.ask("DELETE", "/v1/dead-letters").status_code == 422
    assert ids(clean) == [id_of(photo)]


def test_one_is_left_for_good(clean: Any, picture: bytes) -> None:
    photo = dead_letter(clean, picture)
    path = f"/v1/dead-letters/{id_of(photo)}"
    assert clean.ask("DELETE", path).status_code == 204
    assert [clean.get(path).status_code, clean.ask("DELETE", path).status_code] == [404, 404]
    assert clean.post(f"{path}/redrive").status_code == 409
    assert statuses(clean, photo) == ["succeeded", "succeeded", "failed"]
    assert clean.get(f"/v1/photos/{photo.id}").status_code == 200


def test_many_are_left_for_good(clean: Any, picture: bytes) -> None:
    photos = [dead_letter(clean, picture) for _ in range(2)]
    other = dead_letter(clean, picture, OutOfMemory("at 900 MB"))
    answer = clean.ask("DELETE", "/v1/dead-letters?code=attempts_exhausted").json()
    assert set(answer["done"]) == {id_of(photo) for photo in photos}
    assert ids(clean) == [id_of(other)]
    assert clean.ask("DELETE", "/v1/dead-letters?all=true").json()["done"] == [id_of(other)]
    assert ids(clean) == []


def test_anothers_and_a_deleted_photos_are_not_there(clean: Any, picture: bytes) -> None:
    anothers, deleted = dead_letter(clean, picture), dead_letter(clean, picture)

    def give_away(record: PhotoRecord) -> None:
        record.owner = "bob"

    clean.end(anothers.id, give_away)
    clean.ask("DELETE", f"/v1/photos/{deleted.id}")
    assert ids(clean) == []
    for photo in (anothers, deleted):
        path = f"/v1/dead-letters/{id_of(photo)}"
        for method, address in (("GET", path), ("DELETE", path), ("POST", f"{path}/redrive")):
            assert clean.ask(method, address).status_code == 404
        answer = clean.post("/v1/dead-letters/redrive", json={"ids": [id_of(photo)]}).json()
        assert (answer["done"], answer["not_found"]) == ([], [id_of(photo)])
    assert clean.record(anothers.id).dead_letter_at is not None
