"""Idempotency-Key: whatever is sent again, and whenever the API dies, nothing is made twice."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from darkroom.aws.idempotency_store import LOCK, ReservedIds, StoredAnswer
from darkroom.errors import RequestInFlight, Unavailable
from darkroom.owners import hash_of, new_key
from darkroom.record.ids import new_id
from darkroom.record.keys import original_key
from tests.support.api import Api
from tests.support.exhaustive import matrix
from tests.support.fault_proxy import Answer as Answered
from tests.support.fault_proxy import Fault, FaultProxy, Forward, Request, error
from tests.support.waiting import PATIENCE

JOBS = [{"type": "metadata"}]

REFUSED = error(403, "AccessDenied")


def send(api: Any, key: str, *photos: tuple[str, bytes], **fields: Any) -> requests.Response:
    """On a connection of its own, with a boundary of its own."""
    data = {name: value if isinstance(value, str) else json.dumps(value) for name, value in fields.items()}
    files = [("photo", photo) for photo in photos]
    return requests.post(f"{api.url}/v1/photos", files=files, data=data, headers={"Idempotency-Key": key}, timeout=120)


def at_once(number: int, act: Callable[[int], requests.Response]) -> list[requests.Response]:
    answers: list[requests.Response] = []
    begun = threading.Barrier(number)

    def one(which: int) -> None:
        begun.wait()
        answers.append(act(which))

    threads = [threading.Thread(target=one, args=(which,)) for which in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


class Held:
    """A request that waits at one operation of AWS until it is let go on, or may not be carried out at all."""

    def __init__(self, proxy: FaultProxy, operation: str, ask: Callable[[], requests.Response]) -> None:
        self._proxy, self._operation = proxy, operation
        self._answers: list[requests.Response] = []
        self._thread = threading.Thread(target=lambda: self._answers.append(ask()))
        arrived, self._let_go = threading.Event(), threading.Event()

        def hold(request: Request, forward: Forward) -> Answered | None:
            arrived.set()
            self._let_go.wait(PATIENCE)
            return REFUSED.act(request, forward)

        proxy.rule(operation, Fault("held", hold), times=1)
        self._thread.start()
        assert arrived.wait(PATIENCE)

    def fails(self) -> requests.Response:
        """From now on the operation is refused, this one and whatever the SDK tries after it."""
        self._proxy.rule(self._operation, REFUSED)
        self._let_go.set()
        self._thread.join()
        return self._answers[0]


def listed(api: Any) -> list[str]:
    return [photo["id"] for photo in api.get("/v1/photos?limit=100").json()["photos"]]


def item_key(key: str, owner: str = "default") -> dict[str, str]:
    return {"pk": f"idempotency#{owner}#{hashlib.sha256(key.encode()).hexdigest()}"}


def item(api: Any, key: str) -> dict[str, Any]:
    table = api.services.clients.dynamodb
    found: dict[str, Any] = table.get_item(TableName=api.settings.table, Key=item_key(key), ConsistentRead=True)["Item"]
    return found


def put_back(api: Any, key: str, **values: Any) -> None:
    """Change an item as time would."""
    api.services.clients.dynamodb.update_item(
        TableName=api.settings.table,
        Key=item_key(key),
        UpdateExpression="SET " + ", ".join(f"{name} = :{name}" for name in values),
        ExpressionAttributeValues={f":{name}": value for name, value in values.items()},
    )


def forget_answer(api: Any, key: str, owner: str = "default") -> None:
    """Leave the item as an API does that died just before it stored its answer, a lock's time ago."""
    api.services.clients.dynamodb.update_item(
        TableName=api.settings.table,
        Key=item_key(key, owner),
        UpdateExpression="SET locked_until = :past REMOVE answer",
        ExpressionAttributeValues={":past": int(time.time()) - 1},
    )


# --- the answer again --------------------------------------------------------------------------------------------


def test_a_repetition_gets_the_same_answer(api: Any, picture: bytes) -> None:
    api.messages()
    key = new_id()
    first = send(api, key, ("a.jpg", picture), jobs=JOBS)
    again = send(api, key, ("a.jpg", picture), jobs=JOBS)

    assert (first.status_code, again.status_code) == (202, 202)
    assert again.content == first.content
    assert again.headers["Location"] == first.headers["Location"]
    assert again.headers["Content-Type"] == "application/json"
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert listed(api).count(first.json()["id"]) == 1
    assert len(api.messages()) == 1


def test_the_key_may_stand_in_quotation_marks_or_not(api: Any, picture: bytes) -> None:
    key = new_id()
    first = send(api, f'"{key}"', ("a.jpg", picture), jobs=JOBS)
    again = send(api, key, ("a.jpg", picture), jobs=JOBS)

    assert again.json() == first.json()


def test_a_key_is_its_owners_alone(start_api: Any, webp: bytes) -> None:
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


def test_a_raw_photo_has_a_key_too(api: Any, webp: bytes) -> None:
    headers = {"Idempotency-Key": new_id(), "Content-Type": "image/webp"}
    first, again = (api.post("/v1/photos?preset=metadata", data=webp, headers=headers) for _ in range(2))
    other = api.post("/v1/photos?preset=web", data=webp, headers=headers)

    assert first.json() == again.json()
    assert other.status_code == 422


@pytest.mark.parametrize("change", ["bytes", "name", "field", "count"])
def test_another_request_under_the_key_is_refused(api: Any, picture: bytes, webp: bytes, change: str) -> None:
    key = new_id()
    assert send(api, key, ("a.jpg", picture), jobs=JOBS).status_code == 202

    other: dict[str, Callable[[], requests.Response]] = {
        "bytes": lambda: send(api, key, ("a.jpg", webp), jobs=JOBS),
        "name": lambda: send(api, key, ("b.jpg", picture), jobs=JOBS),
        "field": lambda: send(api, key, ("a.jpg", picture), jobs=JOBS, reference="r"),
        "count": lambda: send(api, key, ("a.jpg", picture), ("a.jpg", picture), jobs=JOBS),
    }
    answer = other[change]()

    assert answer.status_code == 422
    assert answer.json()["type"] == "urn:darkroom:problem:idempotency_key_reused"
    assert "use a new key for this one" in answer.json()["detail"]


@pytest.mark.parametrize("key", ["", '""', '"open', "a b", "a,b", 'a"b', "x" * 256, '"' + "x" * 256 + '"', "\u00e9"])
def test_a_key_that_is_none_is_refused_with_what_would_be_one(api: Any, picture: bytes, key: str) -> None:
    answer = send(api, key.encode("latin-1"), ("a.jpg", picture))  # type: ignore[arg-type]

    assert answer.status_code == 400
    assert answer.json()["type"] == "urn:darkroom:problem:malformed_idempotency_key"
    assert "1 to 255 printable ASCII characters" in answer.json()["detail"]


def test_keys_of_255_characters_are_taken(api: Any, webp: bytes) -> None:
    for key in (new_id().ljust(255, "x"), '"' + new_id().ljust(255, " ") + '"'):
        assert send(api, key, ("a.webp", webp), jobs=JOBS).status_code == 202


def test_a_refused_upload_leaves_the_key_free(api: Any, picture: bytes) -> None:
    key = new_id()
    assert send(api, key, ("a.jpg", b"hello"), jobs=JOBS).status_code == 415
    assert send(api, key, ("a.jpg", picture), jobs=JOBS).status_code == 202


def test_an_expired_key_begins_anew_although_ttl_has_not_deleted_it(api: Any, webp: bytes) -> None:
    key = new_id()
    first = send(api, key, ("a.webp", webp), jobs=JOBS)
    kept = item(api, key)
    assert kept["ttl"] == kept["expires_at"]
    assert kept["expires_at"] > time.time() + 23 * 3600
    assert not {"owner", "photo"} & kept.keys(), "it must stand in no list of photos"
    put_back(api, key, expires_at=int(time.time()) - 1)

    second = send(api, key, ("a.webp", webp), jobs=JOBS)

    assert second.json()["id"] != first.json()["id"]


def test_a_batch_is_made_once(api: Any, picture: bytes, webp: bytes) -> None:
    key, photos = new_id(), (("a.jpg", picture), ("b.jpg", b"hello"), ("c.webp", webp))
    first, again = (send(api, key, *photos, jobs=JOBS) for _ in range(2))

    assert again.content == first.content
    assert again.headers["Idempotent-Replayed"] == "true"
    assert [photo["status"] for photo in again.json()["photos"]] == ["processing", 415, "processing"]


def test_of_a_batch_nothing_is_said_again_of_photos_that_were_deleted(api: Any, picture: bytes, webp: bytes) -> None:
    key, photos = new_id(), (("a.jpg", picture), ("b.jpg", b"hello"), ("c.webp", webp))
    first = send(api, key, *photos, jobs=JOBS).json()
    kept, refused, deleted = first["photos"]
    assert api.ask("DELETE", f"/v1/photos/{deleted['id']}").status_code == 204

    again = send(api, key, *photos, jobs=JOBS)

    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (202, "true")
    assert again.json()["photos"][:2] == [kept, refused]
    assert again.json()["photos"][2]["status"] == 404
    assert "c.webp" not in again.text
    assert api.ask("DELETE", f"/v1/photos/{kept['id']}").status_code == 204
    assert send(api, key, *photos, jobs=JOBS).status_code == 404


def test_nor_of_the_jobs_of_a_photo_that_was_deleted(api: Any, picture: bytes) -> None:
    photo, key = api.taken(picture)["id"], {"Idempotency-Key": new_id()}
    more = [api.post(f"/v1/photos/{photo}/jobs", json={"jobs": JOBS}, headers=key) for _ in range(2)]
    assert [answer.status_code for answer in more] == [202, 202]
    assert api.ask("DELETE", f"/v1/photos/{photo}").status_code == 204

    assert api.post(f"/v1/photos/{photo}/jobs", json={"jobs": JOBS}, headers=key).status_code == 404


def test_the_largest_batch_is_answered_again(api: Any, webp: bytes) -> None:
    key = new_id()
    jobs = [{"type": "resize", "width": 1 + number, "height": 20} for number in range(50)]
    photos = [(f"{number}.webp", webp) for number in range(50)]
    first, again = (send(api, key, *photos, jobs=jobs) for _ in range(2))

    assert len(first.json()["photos"]) == 50
    assert again.json() == first.json()
    assert again.headers["Idempotent-Replayed"] == "true"


# --- at the same time --------------------------------------------------------------------------------------------


def test_of_identical_uploads_at_once_one_makes_a_photo(api: Any, picture: bytes) -> None:
    key, before = new_id(), set(listed(api))

    answers = at_once(8, lambda _: send(api, key, ("a.jpg", picture), jobs=JOBS))

    statuses = Counter(answer.status_code for answer in answers)
    assert statuses.keys() <= {202, 409}
    assert statuses[202] >= 1
    assert len({answer.json()["id"] for answer in answers if answer.status_code == 202}) == 1
    for answer in answers:
        if answer.status_code == 409:
            assert 1 <= int(answer.headers["Retry-After"]) <= LOCK
            assert answer.json()["type"] == "urn:darkroom:problem:request_in_flight"
    assert len(set(listed(api)) - before) == 1


def test_while_the_first_is_under_way_it_is_409_until_its_lock_runs_out(api: Any, picture: bytes) -> None:
    key = new_id()
    first = send(api, key, ("a.jpg", picture), jobs=JOBS)
    forget_answer(api, key)
    put_back(api, key, locked_until=int(time.time()) + LOCK)

    waiting = send(api, key, ("a.jpg", picture), jobs=JOBS)
    assert waiting.status_code == 409
    assert "Retry-After" in waiting.headers
    put_back(api, key, locked_until=int(time.time()))

    taken_over = send(api, key, ("a.jpg", picture), jobs=JOBS)
    assert taken_over.status_code == 202
    assert taken_over.json()["id"] == first.json()["id"]
    assert taken_over.json()["jobs"] == first.json()["jobs"]


# --- an API that dies, an AWS that fails -------------------------------------------------------------------------


def test_an_answer_that_was_not_kept_is_given_from_the_record(api: Any, picture: bytes, webp: bytes) -> None:
    key, photos = new_id(), (("a.jpg", picture), ("b.jpg", b"hello"), ("c.webp", webp))
    first = send(api, key, *photos, jobs=JOBS)
    forget_answer(api, key)

    again = send(api, key, *photos, jobs=JOBS)

    assert "Idempotent-Replayed" not in again.headers
    assert again.json()["batch"] == first.json()["batch"]
    assert [photo.get("id") for photo in again.json()["photos"]] == [
        photo.get("id") for photo in first.json()["photos"]
    ]


@pytest.mark.parametrize("claimed", [False, True])
def test_what_the_dead_api_left_undone_is_done(api: Any, picture: bytes, claimed: bool) -> None:
    key = new_id()
    photo = send(api, key, ("a.jpg", picture), jobs=JOBS).json()["id"]
    api.messages()
    api.services.bucket.remove([original_key(photo)])  # it died before it had stored the original
    if claimed:  # and the sweep sent the order, for which a worker found no original
        (order,) = api.record(photo).orders

        def fail(record: Any) -> None:
            claim = record.claim(order, 5, 90, 300)
            record.publish(claim, {job: Unavailable("no original") for job in claim.jobs})

        api.end(photo, fail)
        assert api.record(photo).status == "failed"
    forget_answer(api, key)

    again = send(api, key, ("a.jpg", picture), jobs=JOBS)

    assert again.status_code == 202, again.text
    assert again.json()["id"] == photo
    assert again.json()["status"] == "processing"
    assert api.services.bucket.read(original_key(photo)) == picture
    (message,) = api.messages()
    assert message["photo"] == photo


def test_a_photo_that_was_done_meanwhile_is_answered_as_it_is(api: Any, picture: bytes) -> None:
    key = new_id()
    photo = send(api, key, ("a.jpg", picture), jobs=JOBS).json()["id"]
    api.messages()
    api.end(photo, lambda record: record.cancel())
    forget_answer(api, key)

    again = send(api, key, ("a.jpg", picture), jobs=JOBS)

    assert again.status_code == 200
    assert (again.json()["id"], again.json()["status"]) == (photo, "cancelled")
    assert not api.messages()


@pytest.mark.parametrize("kept", [True, False])
def test_a_photo_that_was_deleted_meanwhile_does_not_come_back(api: Any, picture: bytes, kept: bool) -> None:
    key = new_id()
    photo = send(api, key, ("a.jpg", picture), jobs=JOBS, reference="secret").json()["id"]
    assert api.ask("DELETE", f"/v1/photos/{photo}").status_code == 204
    if not kept:
        forget_answer(api, key)

    again = send(api, key, ("a.jpg", picture), jobs=JOBS, reference="secret")

    assert again.status_code == 404
    assert "new Idempotency-Key" in again.json()["detail"]
    assert photo not in again.text
    assert "secret" not in again.text
    assert api.get(f"/v1/photos/{photo}").status_code == 404
    assert not api.services.bucket.exists(original_key(photo))


def test_after_a_503_the_same_photo_is_tried_again(start_api: Any, picture: bytes) -> None:
    """The bucket is not there: the order fails, and the client is told to come again."""
    api = start_api()
    s3, bucket, key = api.services.clients.s3, api.settings.bucket, new_id()
    s3.delete_bucket(Bucket=bucket)

    refused = send(api, key, ("a.jpg", picture), jobs=JOBS)

    assert refused.status_code == 503
    (failed,) = api.get("/v1/photos").json()["photos"]
    assert failed["status"] == "failed"
    s3.create_bucket(Bucket=bucket)

    taken = send(api, key, ("a.jpg", picture), jobs=JOBS)

    assert taken.status_code == 202
    assert (taken.json()["id"], taken.json()["status"]) == (failed["id"], "processing")
    assert listed(api) == [failed["id"]]
    (message,) = api.messages()
    assert message["jobs"] == [job["id"] for job in failed["jobs"]]


@pytest.mark.parametrize(
    "held_at", matrix(["s3.PutObject", "sqs.SendMessage", "dynamodb.UpdateItem"], keep=["sqs.SendMessage"])
)
def test_an_api_that_is_killed_in_the_middle_leaves_one_photo(
    deploy: Any, endpoint: str, picture: bytes, tmp_path: Path, held_at: str
) -> None:
    """Killed between record and original, between original and message, or before the answer was kept."""
    deployment, key = deploy(), new_id()
    with FaultProxy(endpoint) as proxy:
        proxy.hang(held_at)
        dying = Api(deployment, tmp_path / "dying.log", {"AWS_ENDPOINT_URL": proxy.url})
        lost: list[Exception] = []

        def upload() -> None:
            try:
                send(dying, key, ("a.jpg", picture), jobs=JOBS)
            except requests.RequestException as error:
                lost.append(error)

        client = threading.Thread(target=upload)
        client.start()
        dying.wait_until("the API has got so far", lambda: proxy.seen(held_at, "black hole"))
        for process in (dying.process.pid, *dying.processes()):
            os.kill(process, signal.SIGKILL)
        client.join()
    dying.process.wait()
    assert lost
    (photo,), _ = dying.services.table.list_photos("default", 10)
    assert dying.services.bucket.exists(original_key(photo.id)) == (held_at != "s3.PutObject")

    api = Api(deployment, tmp_path / "api.log", {})
    try:
        put_back(api, key, locked_until=int(time.time()) + 60)  # on a busy machine the dead one's may have run out
        assert send(api, key, ("a.jpg", picture), jobs=JOBS).status_code == 409
        put_back(api, key, locked_until=int(time.time()))
        answer = send(api, key, ("a.jpg", picture), jobs=JOBS)

        assert answer.status_code == 202
        assert answer.json()["id"] == photo.id
        assert listed(api) == [photo.id]
        assert api.services.bucket.read(original_key(photo.id)) == picture
        messages = api.messages()
        assert {message["photo"] for message in messages} == {photo.id}
        assert len(messages) == (2 if held_at == "dynamodb.UpdateItem" else 1)  # the dead one's, too: cheap, harmless
    finally:
        api.stop()


def test_who_fails_late_undoes_nothing_that_another_one_has_promised(
    deploy: Any, endpoint: str, picture: bytes, tmp_path: Path
) -> None:
    """The first is slow to store the original; the second takes over, and then the first cannot store it."""
    key = new_id()
    with FaultProxy(endpoint) as proxy:
        api = Api(deploy(), tmp_path / "api.log", {"AWS_ENDPOINT_URL_S3": proxy.url})
        try:
            slow = Held(proxy, "s3.PutObject", lambda: send(api, key, ("a.jpg", picture), jobs=JOBS))
            put_back(api, key, locked_until=int(time.time()))
            promised = send(api, key, ("a.jpg", picture), jobs=JOBS)
            failed = slow.fails()

            assert (promised.status_code, failed.status_code) == (202, 503)
            photo = promised.json()["id"]
            assert api.get(f"/v1/photos/{photo}").json()["status"] == "processing"
            assert api.services.bucket.read(original_key(photo)) == picture
            assert [message["photo"] for message in api.messages()] == [photo]
            assert send(api, key, ("a.jpg", picture), jobs=JOBS).content == promised.content
        finally:
            api.stop()


def test_an_answer_too_large_to_keep_leaves_its_ids(api: Any) -> None:
    kept, key = api.services.idempotency, new_id()
    turn = kept.begin("ann", key, "f", 2)
    kept.finish(turn, StoredAnswer(202, {}, os.urandom(500_000)))

    again = kept.begin("ann", key, "f", 2)

    assert again.reserved == ReservedIds(turn.reserved.ids, reused=True)


def test_a_turn_that_was_taken_over_settles_nothing(api: Any) -> None:
    kept, key = api.services.idempotency, new_id()
    slow = kept.begin("default", key, "f", 1)
    put_back(api, key, locked_until=int(time.time()))
    kept.begin("default", key, "f", 1)
    kept.release(slow)
    kept.finish(slow, StoredAnswer(202, {}, b"late"))

    with pytest.raises(RequestInFlight):
        kept.begin("default", key, "f", 1)


# --- other requests ----------------------------------------------------------------------------------------------


def test_more_jobs_are_asked_for_once(api: Any, picture: bytes) -> None:
    photo = api.taken(picture)["id"]
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
    photo = api.taken(picture)
    job = photo["jobs"][0]["id"]
    api.end(photo["id"], lambda record: record.cancel())
    headers = {"Idempotency-Key": new_id()}
    path = f"/v1/photos/{photo['id']}/jobs/{job}/retry"
    first, again = (api.post(path, headers=headers) for _ in range(2))
    forget_answer(api, headers["Idempotency-Key"])
    taken_over = api.post(path, headers=headers)

    assert [answer.status_code for answer in (first, again, taken_over)] == [202] * 3
    assert again.content == first.content == taken_over.content
    assert api.post(path).status_code == 409  # without the key it is another request
    assert len(api.record(photo["id"]).orders) == 1


def test_the_document_says_where_keys_are_taken(api: Any) -> None:
    paths = api.get("/openapi.json").json()["paths"]
    for path in ("/v1/photos", "/v1/photos/{photo_id}/jobs", "/v1/photos/{photo_id}/jobs/{job_id}/retry"):
        post = paths[path]["post"]
        (header,) = [one for one in post["parameters"] if one["in"] == "header"]
        assert header["name"] == "Idempotency-Key"
        assert "it is not carried out again" in header["description"]
        assert "Retry-After" in post["responses"]["409"]["headers"]
        assert "another request" in post["responses"]["422"]["description"]
