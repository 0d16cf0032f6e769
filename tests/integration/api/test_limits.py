"""Limits of one caller: a refusal says when to try again, and other callers are not affected."""

from __future__ import annotations

import contextlib
import http.client
import io
import socket
import threading
from typing import Any

import pytest
import requests

from api.http.photo_memory import LARGEST_IN_MEMORY
from darkroom.owners import hash_of, new_key

ALICE, ALICES_OTHER, BOB, CAROL = new_key(), new_key(), new_key(), new_key()
KEYS = f"alice:{hash_of(ALICE)} alice:{hash_of(ALICES_OTHER)} bob:{hash_of(BOB)} carol:{hash_of(CAROL)}"
HOUR = 3600
BYTES = 200_000


def key(of: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {of}"}


def check_429(answer: requests.Response, code: str, most: int) -> dict[str, Any]:
    """The answer must be a 429 with a Retry-After of 1 to `most` seconds. Returns its problem document."""
    assert answer.status_code == 429, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert 1 <= int(answer.headers["Retry-After"]) <= most
    problem: dict[str, Any] = answer.json()
    assert problem["type"] == f"urn:darkroom:problem:{code}"
    return problem


def read_answer(caller: socket.socket) -> tuple[int, str]:
    """Status and body of the next answer on this connection."""
    answer = http.client.HTTPResponse(caller)
    answer.begin()
    return answer.status, answer.read().decode()


def upload(api: Any, of: str, body: Any) -> requests.Response:
    answer: requests.Response = api.post(
        "/v1/photos?preset=metadata", data=body, headers=key(of) | {"Content-Type": "image/jpeg"}
    )
    return answer


# Most APIs here have one process: with several, each process allows its share.


@pytest.fixture(scope="module")
def rated(start_api: Any) -> Any:
    return start_api(DARKROOM_API_KEYS=KEYS, DARKROOM_API_PROCESSES="1", DARKROOM_RATE_LIMIT="1000/second; 3/hour")


@pytest.fixture(scope="module")
def rationed(start_api: Any) -> Any:
    return start_api(DARKROOM_API_KEYS=KEYS, DARKROOM_API_PROCESSES="1", DARKROOM_UPLOAD_BYTES_PER_HOUR=str(BYTES))


@pytest.fixture(scope="module")
def shared(start_api: Any) -> Any:
    """Uploads of one owner may hold two of the four threads."""
    return start_api(DARKROOM_API_KEYS=KEYS, DARKROOM_API_PROCESSES="1", DARKROOM_API_THREADS="4")


def test_a_key_over_its_rate_limit_gets_429_and_a_time_to_try_again(rated: Any) -> None:
    answers = [rated.get("/v1/photos", headers=key(ALICE)) for _ in range(3)]
    fourth = rated.get("/v1/photos", headers=key(ALICE))

    assert [answer.status_code for answer in answers] == [200] * 3
    detail = check_429(fourth, "too_many_requests", HOUR)["detail"]
    assert "3 per 1 hour" in detail
    assert f"in {fourth.headers['Retry-After']} s" in detail
    for other in (ALICES_OTHER, BOB):
        assert rated.get("/v1/photos", headers=key(other)).status_code == 200, "each key has its own limit"
    for _ in range(5):
        assert rated.get("/v1/photos").status_code == 401
        assert rated.get("/healthz").status_code == 200, "open routes are not limited"


def test_a_request_after_the_time_of_retry_after_is_accepted(start_api: Any) -> None:
    """Retry-After is long enough."""
    api = start_api(DARKROOM_API_KEYS=KEYS, DARKROOM_API_PROCESSES="1", DARKROOM_RATE_LIMIT="2/3 seconds")
    answers = [api.get("/v1/photos", headers=key(ALICE)) for _ in range(9)]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused

    threading.Event().wait(int(refused[-1].headers["Retry-After"]))

    assert api.get("/v1/photos", headers=key(ALICE)).status_code == 200


def test_bytes_are_counted_over_all_keys_of_an_owner(rationed: Any, picture: bytes) -> None:
    large = picture + bytes(BYTES // 2 + 1 - len(picture))

    assert upload(rationed, ALICE, large).status_code == 202
    detail = check_429(upload(rationed, ALICES_OTHER, large), "upload_quota_spent", HOUR)["detail"]
    assert "at most 200,000 bytes may be uploaded in an hour" in detail
    assert upload(rationed, ALICE, picture).status_code == 202, "a smaller upload still fits"
    assert rationed.get("/v1/photos", headers=key(ALICE)).status_code == 200, "reading is not limited by bytes"
    assert upload(rationed, BOB, large).status_code == 202


def test_bytes_are_refused_before_they_are_read(rationed: Any) -> None:
    head = (
        f"POST /v1/photos HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\nAuthorization: Bearer {BOB}\r\n"
        f"Content-Length: {BYTES + 1}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", rationed.settings.port), timeout=60) as caller:
        caller.sendall(head.encode())
        status, text = read_answer(caller)

    # It does not fit into any hour, so there is no time to try again.
    assert status == 413
    assert "at most 200,000 bytes may be uploaded in an hour" in text


def test_bytes_without_a_length_are_counted_when_they_have_arrived(start_api: Any, picture: bytes) -> None:
    api = start_api(
        DARKROOM_API_KEYS=KEYS, DARKROOM_API_PROCESSES="1", DARKROOM_UPLOAD_BYTES_PER_HOUR=str(len(picture) + 10)
    )

    assert upload(api, ALICE, iter([picture])).status_code == 202
    check_429(upload(api, ALICE, picture), "upload_quota_spent", HOUR)
    assert upload(api, ALICE, iter([bytes(8), bytes(8)])).status_code == 415
    check_429(upload(api, ALICE, iter([picture])), "upload_quota_spent", HOUR)


def test_bytes_that_did_not_arrive_are_not_counted(rationed: Any, picture: bytes) -> None:
    """An upload that is refused for its type or breaks off counts only the bytes that were sent."""
    head = f"POST /v1/photos?preset=metadata HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {CAROL}\r\n"
    for content_type in ("text/plain", "image/jpeg"):
        for _ in range(3):
            with socket.create_connection(("127.0.0.1", rationed.settings.port), timeout=60) as caller:
                caller.sendall(f"{head}Content-Type: {content_type}\r\nContent-Length: {BYTES - 9}\r\n\r\n".encode())
                caller.shutdown(socket.SHUT_WR)
                assert read_answer(caller)[0] in (400, 415)

    assert upload(rationed, CAROL, picture + bytes(BYTES - len(picture))).status_code == 202
    check_429(upload(rationed, CAROL, picture), "upload_quota_spent", HOUR)


def test_a_request_over_the_size_limit_is_not_counted(start_api: Any, picture: bytes) -> None:
    api = start_api(
        DARKROOM_API_KEYS=KEYS,
        DARKROOM_API_PROCESSES="1",
        DARKROOM_UPLOAD_BYTES_PER_HOUR=str(BYTES),
        DARKROOM_MAX_UPLOAD_BYTES=str(BYTES // 2),
        DARKROOM_MAX_REQUEST_BYTES=str(BYTES // 2),
    )
    for _ in range(3):
        answer = upload(api, ALICE, bytes(BYTES // 2 + 1))
        assert answer.status_code == 413
        assert "the request has more than 100,000 bytes" in answer.json()["detail"]

    assert upload(api, ALICE, picture + bytes(BYTES // 2 - len(picture))).status_code == 202


@pytest.mark.parametrize("form", [True, False])
def test_bytes_without_a_length_are_counted_although_the_upload_is_refused(
    start_api: Any, picture: bytes, form: bool
) -> None:
    """The upload is refused before its body is read, or for a field of the form."""
    api = start_api(DARKROOM_API_KEYS=KEYS, DARKROOM_API_PROCESSES="1", DARKROOM_UPLOAD_BYTES_PER_HOUR=str(BYTES))
    text = b'--x\r\nContent-Disposition: form-data; name="reference"\r\n\r\n' + bytes(BYTES) + b"\r\n--x--\r\n"
    media_type = "multipart/form-data; boundary=x" if form else "image/jpeg"

    refused = api.post("/v1/photos?preset=nope", data=iter([text]), headers=key(ALICE) | {"Content-Type": media_type})

    assert refused.status_code == 422, refused.text
    check_429(upload(api, ALICE, picture), "upload_quota_spent", HOUR)
    assert upload(api, BOB, picture).status_code == 202


def test_slow_uploads_of_one_owner_leave_threads_for_the_others(shared: Any, picture: bytes) -> None:
    large = picture + bytes(LARGEST_IN_MEMORY)  # so that it can be seen on disk
    head = (
        "POST /v1/photos?preset=metadata HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\n"
        f"Authorization: Bearer {ALICE}\r\nContent-Length: {len(large)}\r\n\r\n"
    )

    def refusals() -> list[requests.Response]:
        answer = upload(shared, ALICES_OTHER, io.BytesIO(picture))
        return [answer] if answer.status_code == 429 else []

    with contextlib.ExitStack() as slow:
        address = ("127.0.0.1", shared.settings.port)
        callers = [slow.enter_context(socket.create_connection(address, timeout=60)) for _ in range(2)]
        for caller in callers:
            caller.sendall(head.encode() + large[:100])

        shared.wait_until("both uploads of alice are in progress", lambda: len(shared.spooled()) == 2)
        (refused,) = shared.wait_until("a third one is refused", refusals)

        assert "2 of your uploads are in progress" in check_429(refused, "too_many_uploads", 5)["detail"]
        assert upload(shared, BOB, picture).status_code == 202
        assert shared.get("/v1/photos", headers=key(ALICE)).status_code == 200, "reading is not limited by bytes"
        for caller in callers:
            caller.sendall(large[100:])
            status, text = read_answer(caller)
            assert status == 202, text
    assert upload(shared, ALICE, picture).status_code == 202, "the places must be free again"


@pytest.mark.parametrize("rest", [b"", b"not a photo"])
def test_an_upload_that_fails_frees_its_place(shared: Any, rest: bytes) -> None:
    """There are fewer places than uploads here."""
    for _ in range(3):
        with socket.create_connection(("127.0.0.1", shared.settings.port), timeout=60) as caller:
            caller.sendall(
                b"POST /v1/photos HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\nAuthorization: Bearer "
                + BOB.encode()
                + b"\r\nContent-Length: 11\r\n\r\n"
                + rest
            )
            caller.shutdown(socket.SHUT_WR)
            status, text = read_answer(caller)
        assert status == (415 if rest else 400), text


def test_without_keys_nothing_is_limited(start_api: Any) -> None:
    api = start_api(DARKROOM_RATE_LIMIT="1/hour", DARKROOM_API_PROCESSES="1")

    assert [api.get("/v1/photos").status_code for _ in range(3)] == [200] * 3


@pytest.mark.parametrize(("rate", "most"), [("20/hour", 20), ("7/hour", 8)])
def test_two_processes_together_allow_the_configured_rate(start_api: Any, rate: str, most: int) -> None:
    """Each process counts its share, rounded up: 4 of 7 requests."""
    api = start_api(DARKROOM_API_KEYS=KEYS, DARKROOM_API_PROCESSES="2", DARKROOM_RATE_LIMIT=rate)
    share = most // 2

    answers = ask_until_refused(api, most)

    allowed = [answer for answer in answers if answer.status_code == 200]
    assert share <= len(allowed) <= most
    first_refused = next(answer for answer in answers if answer.status_code != 200)
    detail = check_429(first_refused, "too_many_requests", HOUR)["detail"]
    assert f"at most {rate.partition('/')[0]} per 1 hour are allowed, {share} per 1 hour in each of 2 proc" in detail


def ask_until_refused(api: Any, most: int) -> list[requests.Response]:
    """Send three times as many requests as are allowed, each on a new connection, so that both processes get some."""
    return [requests.get(f"{api.url}/v1/photos", headers=key(ALICE), timeout=60) for _ in range(3 * most)]


def test_two_processes_together_accept_the_configured_bytes(start_api: Any, picture: bytes) -> None:
    api = start_api(
        DARKROOM_API_KEYS=KEYS, DARKROOM_API_PROCESSES="2", DARKROOM_UPLOAD_BYTES_PER_HOUR=str(len(picture) * 4)
    )

    statuses = [
        requests.post(
            f"{api.url}/v1/photos?preset=metadata",
            data=picture,
            headers=key(ALICE) | {"Content-Type": "image/jpeg"},
            timeout=60,
        ).status_code
        for _ in range(12)
    ]

    assert 2 <= statuses.count(202) <= 4
    assert statuses.count(202) + statuses.count(429) == 12
    too_large = upload(api, BOB, picture * 3)
    assert too_large.status_code == 413
    assert f"{len(picture) * 2:,} in each of 2 processes" in too_large.json()["detail"]
