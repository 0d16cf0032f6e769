"""Callers that send slowly or stop: however many there are, the API serves the others."""

from __future__ import annotations

import contextlib
import http.client
import json
import select
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from darkroom.owners import hash_of, new_key

ALICE, BOB, CAROL = new_key(), new_key(), new_key()
KEYS = f"alice:{hash_of(ALICE)} bob:{hash_of(BOB)} carol:{hash_of(CAROL)}"

THREADS = 4
MANY = 40
"""Slow callers. If each of them held a thread for a few seconds, other callers would wait longer than PATIENCE."""

PATIENCE = 40
"""Seconds until the other callers give up."""

UPLOAD = "POST /v1/photos HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\n"
HUGE = "Content-Length: 100000000\r\n\r\nx"
OPEN_ENDED = "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n3e8\r\n"
ALICES = f"Authorization: Bearer {ALICE}\r\n"

REDRIVE = "POST /v1/dead-letters/redrive HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"

HELD = {
    "nothing": "",
    "a head without an end": "GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: ",
    "a body with GET": f"GET /healthz HTTP/1.1\r\nHost: x\r\n{HUGE}",
    "a body with HEAD": f"HEAD /docs HTTP/1.1\r\nHost: x\r\n{HUGE}",
    "a body without a length": f"GET /healthz HTTP/1.1\r\nHost: x\r\n{OPEN_ENDED}",
    "a body with OPTIONS": f"OPTIONS / HTTP/1.1\r\nHost: x\r\n{HUGE}",
    "an upload without a key": UPLOAD + HUGE,
    "a small upload without a key": UPLOAD + "Content-Length: 9999\r\n\r\nx",
    "chunks without a key": UPLOAD + OPEN_ENDED,
    "a second head without an end": "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /healthz HTTP/1.1\r\nHo",
}
"""Beginnings of requests that need no key."""


@pytest.fixture(scope="module")
def keyed(start_api: Any) -> Any:
    return start_api(
        DARKROOM_API_KEYS=KEYS,
        DARKROOM_API_PROCESSES="1",
        DARKROOM_API_THREADS=str(THREADS),
        DARKROOM_RATE_LIMIT="off",
    )


@contextlib.contextmanager
def slow_callers(api: Any, count: int, beginning: str) -> Iterator[list[socket.socket]]:
    """Callers that begin a request and then send a byte every 0.2 s. They do not read the answer."""
    done = threading.Event()
    with contextlib.ExitStack() as stack:
        callers = []
        for _ in range(count):
            caller = stack.enter_context(socket.create_connection(("127.0.0.1", api.settings.port), timeout=60))
            caller.sendall(beginning.encode())
            callers.append(caller)

        def send_bytes() -> None:
            while not done.wait(0.2):
                for caller in callers:
                    with contextlib.suppress(OSError):
                        caller.sendall(b"x")

        sender = threading.Thread(target=send_bytes)
        if beginning:  # callers that sent nothing stay silent
            sender.start()
        try:
            yield callers
        finally:
            done.set()
            if beginning:
                sender.join()


def status(api: Any, path: str, key: str | None = None) -> int:
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", api.settings.port, timeout=PATIENCE)) as caller:
        caller.request("GET", path, headers={"Authorization": f"Bearer {key}"} if key else {})
        return caller.getresponse().status


@pytest.mark.parametrize("beginning", HELD)
def test_requests_without_a_key_hold_no_threads(keyed: Any, beginning: str) -> None:
    with slow_callers(keyed, MANY, HELD[beginning]):
        for _ in range(3):
            assert status(keyed, "/healthz") == 200

    assert "Traceback" not in keyed.log_text()
    assert not keyed.logged("request.failed")


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/v1/dead-letters/redrive"), ("POST", "/v1/nothing"), ("DELETE", "/v1/photos")]
)
def test_slow_bodies_of_one_owner_leave_threads_for_the_others(keyed: Any, method: str, path: str) -> None:
    head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99999\r\n"
    with slow_callers(keyed, MANY, f"{head}{ALICES}\r\nx"):
        for _ in range(3):
            assert status(keyed, "/v1/photos", BOB) == 200


def test_an_owner_may_send_a_limited_number_of_bodies_at_once(keyed: Any) -> None:
    with contextlib.ExitStack() as slow:
        callers = []
        for _ in range(2):
            caller = slow.enter_context(socket.create_connection(("127.0.0.1", keyed.settings.port), timeout=60))
            caller.sendall(f"{REDRIVE}Authorization: Bearer {CAROL}\r\nContent-Length: 12\r\n\r\n".encode())
            callers.append(caller)
        readable, _, _ = select.select(callers, [], [], 9)  # before the first one has taken too long
        (refused,) = readable
        answer = http.client.HTTPResponse(refused)
        answer.begin()
        problem = json.loads(answer.read())

        assert answer.status == 429
        assert problem["type"] == "urn:darkroom:problem:too_many_requests"
        assert "the bodies of 1 of your requests" in problem["detail"]
        assert int(answer.headers["Retry-After"]) >= 1
        with socket.create_connection(("127.0.0.1", keyed.settings.port), timeout=60) as caller:
            head = f"{REDRIVE}Authorization: Bearer {CAROL}\r\nContent-Length: 12\r\n\r\n"
            caller.sendall(f'{head}{{"all":true}}'.encode())
            whole = http.client.HTTPResponse(caller)
            whole.begin()
            assert whole.status == 200, "a body that has arrived with its head needs no place"
        bobs = keyed.post("/v1/dead-letters/redrive", json={"all": True}, headers={"Authorization": f"Bearer {BOB}"})
        assert bobs.status_code == 200, bobs.text


def test_a_body_that_comes_too_slowly_is_refused(keyed: Any) -> None:
    with slow_callers(keyed, 1, f"{REDRIVE}{ALICES}Content-Length: 9999\r\n\r\nx") as (caller,):
        answer = http.client.HTTPResponse(caller)
        answer.begin()

        assert answer.status == 408
    keyed.wait_until("the place is free again", lambda: redrive_status(keyed) == 200)


def redrive_status(api: Any) -> int:
    answer = api.post("/v1/dead-letters/redrive", json={"all": True}, headers={"Authorization": f"Bearer {ALICE}"})
    return int(answer.status_code)


@pytest.mark.parametrize(
    ("key", "path", "status"),
    [
        ("dk_wrong", "/v1/photos", 401),
        ("dk_wrong", "/v1/dead-letters/redrive", 401),
        (BOB, "/v1/dead-letters/redrive", 413),
        (BOB, "/v1/nothing", 404),
    ],
    ids=["an upload", "JSON", "JSON that is too large", "an unknown address"],
)
def test_a_caller_that_sends_a_large_body_first_reads_why_it_is_refused(
    keyed: Any, key: str, path: str, status: int
) -> None:
    """http.client reads nothing before it has sent the whole body."""
    for _ in range(5):
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", keyed.settings.port, timeout=60)) as caller:
            caller.request("POST", path, bytes(20_000_000), {"Authorization": f"Bearer {key}"})
            assert caller.getresponse().status == status


CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


@pytest.mark.parametrize(
    ("key", "length", "status"),
    [("", "9", 401), ("Authorization: Bearer dk_x\r\n", "9", 401), (ALICES, "9" * 12, 413)],
    ids=["no key", "a wrong key", "too long"],
)
def test_a_refused_caller_is_not_asked_to_continue(keyed: Any, key: str, length: str, status: int) -> None:
    with socket.create_connection(("127.0.0.1", keyed.settings.port), timeout=60) as caller:
        caller.sendall(f"{UPLOAD}{key}Content-Length: {length}\r\nExpect: 100-continue\r\n\r\n".encode())
        got = b""
        while more := caller.recv(65_536):  # the API closes the connection: it does not know whether a body follows
            got += more

    assert got.startswith(f"HTTP/1.1 {status} ".encode())
    assert CONTINUE not in got


def test_an_admitted_caller_is_asked_to_continue_before_the_body(keyed: Any, picture: bytes) -> None:
    head = f"{UPLOAD}{ALICES}Content-Length: {len(picture)}\r\nExpect: 100-continue\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", keyed.settings.port), timeout=60) as caller:
        for _ in range(2):  # the second one on the same connection
            caller.sendall(head)
            asked = b""
            while len(asked) < len(CONTINUE):
                asked += caller.recv(len(CONTINUE) - len(asked))
            assert asked == CONTINUE
            caller.sendall(picture)
            answer = http.client.HTTPResponse(caller)
            answer.begin()
            assert answer.status == 202
            answer.read()


def test_slow_uploads_hold_no_thread(start_api: Any, picture: bytes) -> None:
    """Without keys, all callers are one owner: nothing but the server keeps their uploads apart."""
    api = start_api(DARKROOM_API_PROCESSES="1", DARKROOM_API_THREADS=str(THREADS))
    with slow_callers(api, MANY, f"{UPLOAD}Content-Length: 50000000\r\n\r\nx"):
        api.wait_until("all of them are being received", lambda: len(api.spooled()) == MANY)
        for _ in range(3):
            assert api.upload(("a.jpg", picture)).status_code == 202
        assert len(api.spooled()) == MANY
    api.wait_until("nothing is left of them", lambda: not api.spooled())


def test_an_upload_whose_caller_left_frees_its_place(keyed: Any, picture: bytes) -> None:
    """There are fewer places than uploads here."""
    head = f"{UPLOAD}Authorization: Bearer {CAROL}\r\nContent-Length: 50000000\r\n\r\n".encode()
    for _ in range(3 * THREADS):
        with socket.create_connection(("127.0.0.1", keyed.settings.port), timeout=60) as caller:
            caller.sendall(head + picture[:100])
            keyed.wait_until("the upload has begun", keyed.spooled)
        keyed.wait_until("the upload is gone", lambda: not keyed.spooled())

    answer = keyed.post("/v1/photos", data=picture, headers={"Authorization": f"Bearer {CAROL}"})
    assert answer.status_code == 202, answer.text


def test_the_api_waits_for_slow_request_heads(keyed: Any) -> None:
    pause = threading.Event()
    with socket.create_connection(("127.0.0.1", keyed.settings.port), timeout=60) as caller:
        for _ in range(2):  # the second one on the same connection
            for part in (b"GET /hea", b"lthz HTTP/1.1\r", b"\nHost: x\r\n", b"\r", b"\n"):
                caller.sendall(part)
                pause.wait(0.3)
            answer = http.client.HTTPResponse(caller)
            answer.begin()
            assert (answer.status, answer.read()) == (200, b'{"status":"ok"}')


def test_two_requests_sent_at_once_are_both_answered(keyed: Any) -> None:
    body = b'{"all":true}'
    post = f"{REDRIVE}{ALICES}Content-Length: {len(body)}\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", keyed.settings.port), timeout=60) as caller:
        caller.sendall((post + body) * 2 + b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        answers = b""  # one read may return several
        while answers.count(b"HTTP/1.1 ") < 3:
            more = caller.recv(65_536)
            assert more, answers
            answers += more

    assert answers.count(b"HTTP/1.1 200 ") == 3, answers


@pytest.mark.parametrize("path", ["/v1/photos", "/v1/photos?preset=nope", "/v1/dead-letters/redrive", "/v1/nothing"])
@pytest.mark.parametrize("media_type", ["image/jpeg", "multipart/form-data; boundary=x", "application/json"])
def test_broken_chunks_get_4xx(keyed: Any, path: str, media_type: str) -> None:
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\n{ALICES}Content-Type: {media_type}\r\n"
    with socket.create_connection(("127.0.0.1", keyed.settings.port), timeout=60) as caller:
        caller.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n1\r\na\r\nZZ\r\n".encode())
        answer = http.client.HTTPResponse(caller)
        answer.begin()

    assert answer.status in ((404,) if path == "/v1/nothing" else (400, 415, 422))
    assert answer.headers["Connection"] == "close"
    assert not keyed.logged("request.failed")


@pytest.mark.parametrize("path", ["/v1/photos", "/v1/dead-letters/redrive"])
def test_a_body_of_tiny_chunks_is_refused(keyed: Any, path: str) -> None:
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\n{ALICES}Content-Type: image/jpeg\r\nTransfer-Encoding: chunked\r\n\r\n"
    with socket.create_connection(("127.0.0.1", keyed.settings.port), timeout=60) as caller:
        caller.sendall(head.encode() + b"1\r\nx\r\n" * 2000)
        answer = http.client.HTTPResponse(caller)
        answer.begin()

        assert answer.status == 400
        assert answer.headers["Connection"] == "close"
        assert "too small" in json.loads(answer.read())["detail"]


def test_an_answer_before_the_end_of_a_body_closes_the_connection(keyed: Any) -> None:
    """The caller would otherwise send its next request on this connection."""
    for _ in range(20):
        answer = keyed.post("/v1/photos", data=bytes(200_000))
        assert answer.status_code == 401
        assert answer.headers["Connection"] == "close"
