"""Live events: what listeners get, and that they take nothing from other callers."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
import requests

from darkroom.owners import hash_of, new_key
from tests.support.ended_jobs import IN_THE_RECORD, fail, succeed
from tests.support.records import edit_record
from tests.support.waiting import PATIENCE

ALICE, BOB = new_key(), new_key()


@pytest.fixture(scope="module")
def keyed(start_api: Any) -> Any:
    return start_api(
        DARKROOM_API_KEYS=f"alice:{hash_of(ALICE)} bob:{hash_of(BOB)}",
        DARKROOM_SIGNING_KEYS="a-signing-key-of-32-characters-or-more",
        DARKROOM_API_PROCESSES="1",  # so that all listeners share one thread that looks
    )


class Events:
    """A listener, as a browser's EventSource is one."""

    def __init__(self, response: requests.Response) -> None:
        self.response = response
        self._lines = response.iter_lines(chunk_size=1, decode_unicode=True)
        self.last_id = ""

    def next(self) -> tuple[str, Any]:
        """The name and the data of the next event. ("", None) when the connection has ended."""
        name, data = "", None
        for line in self._lines:
            field, _, text = line.partition(": ")
            if field == "id":
                self.last_id = text
            elif field == "event":
                name = text
            elif field == "data":
                data = json.loads(text)
            elif not line and name:
                return name, data
        return "", None

    def begin(self) -> None:
        """Read until there is an id."""
        while not self.last_id:
            field, _, text = next(self._lines).partition(": ")
            self.last_id = text if field == "id" else ""

    def next_of(self, wanted: str) -> Any:
        """The data of the next event of this name. Photos that another listener's look has not seen come whole before
        that."""
        return next(data for name, data in iter(self.next, ("", None)) if name == wanted)

    def rest(self) -> list[tuple[str, Any]]:
        return list(iter(self.next, ("", None)))


@contextmanager
def listen(api: Any, path: str, **headers: str) -> Iterator[Events]:
    with requests.get(f"{api.url}{path}", headers=headers, stream=True, timeout=PATIENCE) as response:
        assert response.status_code == 200, response.text
        assert response.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        yield Events(response)


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def test_a_listener_gets_the_photo_then_its_jobs_as_they_end_and_then_the_end(api: Any, picture: bytes) -> None:
    photo = api.upload_photo(picture, jobs=[{"type": "metadata", "name": "facts"}])

    with listen(api, f"/v1/photos/{photo['id']}/events") as events:
        name, first = events.next()
        assert (name, first["status"], first["links"]) == ("photo", "processing", photo["links"])
        api.change_record(photo["id"], succeed(IN_THE_RECORD))
        name, job = events.next()
        assert (name, job["name"], job["status"]) == ("job", "facts", "succeeded")
        assert job["links"]["photo"] == photo["links"]["self"]
        name, last = events.next()
        assert (name, last["status"]) == ("photo", "succeeded")
        assert events.rest() == []

    path = f"/v1/photos/{photo['id']}/events"
    assert api.get(path, headers={"Last-Event-ID": events.last_id}).status_code == 204  # an EventSource stops at that
    with listen(api, path, **{"Last-Event-ID": f"{photo['id']}:1"}) as again:
        assert [name for name, _ in again.rest()] == ["photo"]


def test_a_listener_that_comes_again_gets_what_it_has_missed(api: Any, picture: bytes) -> None:
    photo = api.upload_photo(picture, jobs=[{"type": "metadata"}, {"type": "resize", "width": 5}])
    path = f"/v1/photos/{photo['id']}/events"
    with listen(api, path) as events:
        assert events.next()[0] == "photo"
    with listen(api, path, **{"Last-Event-ID": events.last_id}) as same:
        threading.Timer(0.5, lambda: api.post(f"/v1/photos/{photo['id']}/cancel")).start()
        assert [name for name, _ in same.rest()] == ["job", "job", "photo"]  # nothing had changed before
    with listen(api, path, **{"Last-Event-ID": events.last_id}) as later:
        assert [(name, data["status"]) for name, data in later.rest()] == [("photo", "cancelled")]


def test_a_last_event_id_that_no_event_had_ends_no_process(api: Any, picture: bytes) -> None:
    photo = api.upload_photo(picture)
    for last in ("x", f"{photo['id']}:x", f"{photo['id']}:{'9' * 5000}"):
        with listen(api, f"/v1/photos/{photo['id']}/events", **{"Last-Event-ID": last}) as events:
            name, data = events.next()
            assert (name, data["id"]) == ("photo", photo["id"])


def test_a_deleted_photo_is_gone(api: Any, picture: bytes) -> None:
    photo = api.upload_photo(picture)
    with listen(api, f"/v1/photos/{photo['id']}/events") as events:
        assert events.next()[0] == "photo"
        api.ask("DELETE", f"/v1/photos/{photo['id']}")
        assert events.rest() == [("gone", {"id": photo["id"]})]


def upload_as(keyed: Any, key: str, picture: bytes) -> str:
    headers = bearer(key) | {"Content-Type": "image/jpeg"}
    return str(keyed.post("/v1/photos?preset=metadata", data=picture, headers=headers).json()["id"])


def test_all_photos_of_an_owner_and_no_others(keyed: Any, picture: bytes) -> None:
    earlier = upload_as(keyed, ALICE, picture)
    with listen(keyed, "/v1/events", **bearer(ALICE)) as events:
        bobs, hers = upload_as(keyed, BOB, picture), upload_as(keyed, ALICE, picture)
        name, photo = events.next()
        assert (name, photo["id"]) == ("photo", hers)
        keyed.change_record(bobs, fail)
        keyed.change_record(earlier, fail)
        seen = [events.next() for _ in range(2)]
        assert [(name, data["status"]) for name, data in seen] == [("job", "failed"), ("photo", "failed")]
        assert seen[1][1]["id"] == earlier
    with listen(keyed, "/v1/events", **bearer(ALICE), **{"Last-Event-ID": events.last_id}) as again:
        assert {again.next()[1]["id"] for _ in range(2)} == {earlier, hers}


def test_what_happens_after_a_connection_is_lost_before_its_first_event_is_heard_of(keyed: Any, picture: bytes) -> None:
    with listen(keyed, "/v1/events", **bearer(ALICE)) as events:
        events.begin()
    hers = upload_as(keyed, ALICE, picture)
    keyed.change_record(hers, fail)
    with listen(keyed, "/v1/events", **bearer(ALICE), **{"Last-Event-ID": events.last_id}) as again:
        assert next(photo["status"] for _, photo in iter(again.next, ("", None)) if photo["id"] == hers) == "failed"


def test_what_ends_between_the_request_and_the_first_look_is_not_lost(keyed: Any, picture: bytes) -> None:
    hers = upload_as(keyed, ALICE, picture)
    with listen(keyed, "/v1/events", **bearer(BOB)):
        time.sleep(0.3)  # the thread has looked, and looks again after a second
        with listen(keyed, "/v1/events", **bearer(ALICE)) as events:
            keyed.change_record(hers, fail)
            photo = events.next_of("photo")
            assert (photo["id"], photo["status"]) == (hers, "failed")


def test_a_finished_photo_that_changes_again_is_seen_by_who_follows_all(keyed: Any, picture: bytes) -> None:
    retried, deleted = (upload_as(keyed, ALICE, picture) for _ in range(2))
    for photo in (retried, deleted):
        keyed.change_record(photo, fail)
    (job,) = keyed.record(retried).jobs
    with listen(keyed, "/v1/events", **bearer(ALICE)) as events:
        time.sleep(1.5)  # the thread has seen that they have ended
        keyed.post(f"/v1/photos/{retried}/jobs/{job}/retry", headers=bearer(ALICE))
        assert events.next_of("job")["status"] == "queued"
        assert events.next_of("photo")["status"] == "processing"
        keyed.ask("DELETE", f"/v1/photos/{deleted}", headers=bearer(ALICE))
        assert events.next() == ("gone", {"id": deleted})


def test_a_record_of_a_newer_release_is_not_gone(api: Any, picture: bytes) -> None:
    photo = api.upload_photo(picture)["id"]
    with listen(api, f"/v1/photos/{photo}/events") as events:
        assert events.next()[0] == "photo"
        edit_record(api.services, photo, lambda record: record.update(colour="blue"))
        time.sleep(2.5)  # the thread has looked
        edit_record(api.services, photo, lambda record: record.pop("colour"))
        api.post(f"/v1/photos/{photo}/cancel")
        assert [name for name, _ in events.rest()] == ["job", "photo"]
    if lines := api.logged("record.unreadable"):
        assert len(lines) == 1  # not one for each look


def test_a_photo_of_another_owner_or_token_is_not_found(keyed: Any, picture: bytes) -> None:
    token = keyed.post("/v1/upload-tokens", json={}, headers=bearer(ALICE)).json()["token"]
    uploads = {key: bearer(key) | {"Content-Type": "image/jpeg"} for key in (ALICE, token)}
    ids = {
        key: keyed.post("/v1/photos", data=picture, headers=headers).json()["id"] for key, headers in uploads.items()
    }
    for path, headers, status in (
        (f"/v1/photos/{ids[ALICE]}/events", {}, 401),
        (f"/v1/photos/{ids[ALICE]}/events", bearer(BOB), 404),
        (f"/v1/photos/{ids[ALICE]}/events?token={token}", {}, 404),
        (f"/v1/events?token={token}", {}, 403),
    ):
        assert keyed.get(path, headers=headers).status_code == status
    with listen(keyed, f"/v1/photos/{ids[token]}/events?token={token}") as events:  # an EventSource sends no header
        assert events.next()[0] == "photo"


def test_listeners_hold_no_thread(start_api: Any, picture: bytes) -> None:
    api = start_api(
        DARKROOM_API_PROCESSES="1", DARKROOM_API_THREADS="2", DARKROOM_MAX_LISTENERS="150", DARKROOM_MAX_WAIT="0.1"
    )
    photo = api.upload_photo(picture)
    with ExitStack() as open_:
        paths = [f"/v1/photos/{photo['id']}/events", "/v1/events"] * 75
        listeners = [open_.enter_context(listen(api, path)) for path in paths]
        refused = api.get("/v1/events")
        assert (refused.status_code, refused.headers["Retry-After"]) == (429, "10")
        assert "DARKROOM_MAX_LISTENERS" in refused.json()["detail"]
        assert api.upload(("a.jpg", picture), preset="metadata").status_code == 202
        assert api.get(f"/v1/photos/{photo['id']}?wait=5").status_code == 200
        api.post(f"/v1/photos/{photo['id']}/cancel")
        for listener in listeners[::2]:
            assert listener.rest()[-1][1]["status"] == "cancelled"
    api.wait_until("the listeners are forgotten", lambda: api.get("/v1/events", stream=True).status_code == 200)


def test_one_owner_does_not_take_all_places_for_listeners(start_api: Any) -> None:
    keys = {"DARKROOM_API_KEYS": f"alice:{hash_of(ALICE)} bob:{hash_of(BOB)}"}
    api = start_api(DARKROOM_API_PROCESSES="1", DARKROOM_MAX_LISTENERS="3", DARKROOM_LISTENER_SHARE="0.5", **keys)
    with ExitStack() as open_:
        for _ in range(2):
            open_.enter_context(listen(api, "/v1/events", **bearer(ALICE)))
        refused = api.get("/v1/events", headers=bearer(ALICE))
        assert (refused.status_code, refused.headers["Retry-After"]) == (429, "10")
        assert "2 of your listeners" in refused.json()["detail"]
        open_.enter_context(listen(api, "/v1/events", **bearer(BOB)))
        assert "DARKROOM_MAX_LISTENERS" in api.get("/v1/events", headers=bearer(BOB)).json()["detail"]


def test_a_listener_that_does_not_read_is_dropped(api: Any, picture: bytes) -> None:
    jobs = [{"type": "resize", "width": 10 + number, "name": f"{'n' * 40}{number}"} for number in range(50)]
    photo = api.upload_photo(picture, jobs=jobs, metadata=json.dumps({"note": "x" * 1500}))["id"]
    with socket.socket() as caller:
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        caller.connect(("127.0.0.1", api.settings.port))
        caller.sendall(f"GET /v1/photos/{photo}/events HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        for number in range(100):
            if any(line["reason"] == "the listener reads too slowly" for line in api.logged("caller.dropped")):
                break
            api.change_record(photo, lambda record, number=number: touch(record, number))
            time.sleep(0.5)
        else:
            raise AssertionError("the listener was not dropped")
    assert api.get(f"/v1/photos/{photo}").status_code == 200


def touch(record: Any, number: int) -> None:
    """Change all jobs, as workers that take them again and again do."""
    for order in record.orders.values():
        for job in order.jobs.values():
            job.attempts = number + 1


def test_head_says_what_would_come_and_a_stop_ends_all_streams(start_api: Any, picture: bytes) -> None:
    api = start_api()
    photo = api.upload_photo(picture)
    head = api.ask("HEAD", f"/v1/photos/{photo['id']}/events")
    assert (head.status_code, head.headers["Content-Type"]) == (200, "text/event-stream; charset=utf-8")
    with listen(api, "/v1/events") as of_all, listen(api, f"/v1/photos/{photo['id']}/events") as of_one:
        assert of_one.next()[0] == "photo"
        ended = threading.Thread(target=api.stop)
        ended.start()
        assert (of_all.rest(), of_one.rest()) == ([], [])
        ended.join()
