"""/v1/dead-letters: listing, redriving and purging them."""

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
    """A photo whose first two jobs have results. The third failed twice, and its order was buried."""
    photo_id = api.upload_photo(picture, jobs=JOBS, **fields)["id"]
    order = next(iter(api.record(photo_id).orders))

    def work(record: PhotoRecord) -> None:
        record.postpone(record.claim(order, 5, 90, 300), Unavailable("S3 was slow"), True, 1, 300)
        claim = record.claim(order, 5, 90, 300)
        large, small, _ = record.jobs
        record.publish(claim, {large: result(900, 40), small: result(300, 20)})
        record.bury(claim, error or AttemptsExhausted("tried 2 times"))

    api.change_record(photo_id, work)
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
    return [letter["id"] for letter in answer.json()["dead_letters"]]


def statuses(api: Any, photo: PhotoRecord) -> list[str]:
    return [job.status for job in api.record(photo.id).jobs.values()]


def test_a_dead_letter_shows_reason_attempts_jobs_and_links(clean: Any, picture: bytes) -> None:
    photo = dead_letter(clean, picture, reference="r-1")
    (letter,) = clean.get("/v1/dead-letters").json()["dead_letters"]
    assert (letter["photo"], letter["order"]) == (photo.id, *photo.orders)
    assert (letter["owner"], letter["reference"], letter["filename"]) == ("default", "r-1", "photo.jpg")
    assert letter["reason"] == {"code": "attempts_exhausted", "detail": "tried 2 times"}
    assert (letter["attempts"], letter["expires_at"]) == (2, None)
    _, small, metadata = photo.jobs.values()
    (job,) = letter["jobs"]
    assert (job["id"], job["type"]) == (metadata.id, "metadata")
    assert [(error["attempt"], error["detail"]) for error in job["errors"]] == [
        (1, "S3 was slow"),
        (2, "tried 2 times"),
    ]
    assert letter["buried_at"] < letter["message_expires_at"]
    assert letter["thumbnail"].endswith(f"/jobs/{small.id}/result")
    assert clean.get(letter["links"]["self"]).json() == letter
    assert clean.get(letter["links"]["photo"]).json()["id"] == photo.id


def test_a_job_shows_the_last_error_of_each_attempt(clean: Any, picture: bytes) -> None:
    photo = dead_letter(clean, picture)
    job = clean.get(f"/v1/photos/{photo.id}").json()["jobs"][2]
    assert [(error["attempt"], error["code"]) for error in job["errors"]] == [
        (1, "unavailable"),
        (2, "attempts_exhausted"),
    ]


def test_dead_letters_are_listed_by_reason_and_page(clean: Any, picture: bytes) -> None:
    photos = [dead_letter(clean, picture) for _ in range(3)][::-1]
    other = dead_letter(clean, picture, OutOfMemory("at 900 MB"))
    assert ids(clean) == [id_of(photo) for photo in [other, *photos]]
    assert ids(clean, "?code=out_of_memory") == [id_of(other)]
    assert ids(clean, "?code=nothing") == []
    found = []
    link = f"{clean.url}/v1/dead-letters?limit=1&code=attempts_exhausted"
    while link:
        page = clean.get(link).json()
        found += [letter["id"] for letter in page["dead_letters"]]
        link = page["links"].get("next")
    assert found == [id_of(photo) for photo in photos]


def test_a_redrive_queues_the_jobs_again(clean: Any, picture: bytes) -> None:
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


def test_a_dead_letter_shows_its_earlier_redrives(clean: Any, picture: bytes) -> None:
    photo = dead_letter(clean, picture)
    (order,) = photo.orders
    assert clean.post(f"/v1/dead-letters/{id_of(photo)}/redrive").status_code == 202
    clean.change_record(photo.id, lambda record: record.bury(record.claim(order, 5, 90, 300), OutOfMemory("at 900 MB")))
    letter = clean.get(f"/v1/dead-letters/{id_of(photo)}").json()
    assert (letter["reason"]["code"], letter["attempts"]) == ("out_of_memory", 1)
    assert [(redrive["code"], redrive["attempts"]) for redrive in letter["redrives"]] == [("attempts_exhausted", 2)]
    assert [(error["redrive"], error["attempt"]) for error in letter["jobs"][0]["errors"]] == [(0, 2), (1, 1)]


def test_dead_letters_are_redriven_by_reason_in_several_requests(clean: Any, picture: bytes) -> None:
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
    assert {letter for page in done for letter in page} == {id_of(photo) for photo in photos}
    assert ids(clean) == [id_of(other)]
    assert {message["photo"] for message in clean.messages()} == {photo.id for photo in photos}


def test_dead_letters_are_redriven_by_id_and_unknown_ids_are_named(clean: Any, picture: bytes) -> None:
    redriven, left = dead_letter(clean, picture), dead_letter(clean, picture)
    unknown = f"{new_id()}/{new_id()}"
    answer = clean.post("/v1/dead-letters/redrive", json={"ids": [id_of(redriven), unknown, id_of(redriven)]})
    assert answer.json() == {"done": [id_of(redriven)], "not_found": [unknown], "more": False, "next": None}
    assert ids(clean) == [id_of(left)]


def test_all_dead_letters_are_redriven(clean: Any, picture: bytes) -> None:
    photos = [dead_letter(clean, picture), dead_letter(clean, picture, OutOfMemory("at 900 MB"))]
    assert len(clean.post("/v1/dead-letters/redrive", json={"all": True}).json()["done"]) == 2
    assert {tuple(statuses(clean, photo)) for photo in photos} == {("succeeded", "succeeded", "queued")}


@pytest.mark.parametrize(
    "body", [{}, {"all": True, "code": "x"}, {"ids": []}, {"ids": ["x"]}, {"cursor": "x", "all": True}, {"some": 1}]
)
def test_a_redrive_or_purge_without_one_clear_selection_is_refused(
    clean: Any, picture: bytes, body: dict[str, Any]
) -> None:
    photo = dead_letter(clean, picture)
    answer = clean.post("/v1/dead-letters/redrive", json=body)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"]
    assert clean.ask("DELETE", "/v1/dead-letters").status_code == 422
    assert ids(clean) == [id_of(photo)]


def test_a_purged_dead_letter_stays_failed(clean: Any, picture: bytes) -> None:
    photo = dead_letter(clean, picture)
    path = f"/v1/dead-letters/{id_of(photo)}"
    assert clean.ask("DELETE", path).status_code == 204
    assert [clean.get(path).status_code, clean.ask("DELETE", path).status_code] == [404, 404]
    assert clean.post(f"{path}/redrive").status_code == 409
    assert statuses(clean, photo) == ["succeeded", "succeeded", "failed"]
    assert clean.get(f"/v1/photos/{photo.id}").status_code == 200


def test_dead_letters_are_purged_by_reason_and_all_at_once(clean: Any, picture: bytes) -> None:
    photos = [dead_letter(clean, picture) for _ in range(2)]
    other = dead_letter(clean, picture, OutOfMemory("at 900 MB"))
    answer = clean.ask("DELETE", "/v1/dead-letters?code=attempts_exhausted").json()
    assert set(answer["done"]) == {id_of(photo) for photo in photos}
    assert ids(clean) == [id_of(other)]
    assert clean.ask("DELETE", "/v1/dead-letters?all=true").json()["done"] == [id_of(other)]
    assert ids(clean) == []


def test_dead_letters_of_other_owners_and_deleted_photos_get_404(clean: Any, picture: bytes) -> None:
    anothers, deleted = dead_letter(clean, picture), dead_letter(clean, picture)

    def change_owner(record: PhotoRecord) -> None:
        record.owner = "bob"

    clean.change_record(anothers.id, change_owner)
    clean.ask("DELETE", f"/v1/photos/{deleted.id}")
    assert ids(clean) == []
    for photo in (anothers, deleted):
        path = f"/v1/dead-letters/{id_of(photo)}"
        for method, address in (("GET", path), ("DELETE", path), ("POST", f"{path}/redrive")):
            assert clean.ask(method, address).status_code == 404
        answer = clean.post("/v1/dead-letters/redrive", json={"ids": [id_of(photo)]}).json()
        assert (answer["done"], answer["not_found"]) == ([], [id_of(photo)])
    assert clean.record(anothers.id).dead_letter_at is not None
