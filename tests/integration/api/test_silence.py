"""A caller that stops in the middle of a request loses its thread; a slow caller does not."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
from typing import Any

import pytest

THREADS = 2
PHOTO = "/v1/photos/01890000-0000-7000-8000-000000000000"

HALVES = {
    "a request line": "GET /healthz HT",
    "half a header block": "GET /healthz HTTP/1.1\r\nHost: x\r\nAccept: te",
    "half a JSON body": f"POST {PHOTO}/jobs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    "Content-Length: 50\r\n\r\n{",
    "half a form": "POST /v1/photos HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=x\r\n"
    "Content-Length: 500\r\n\r\n--x\r\n",
    "half a photo": "POST /v1/photos HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\nContent-Length: 500\r\n\r\nabc",
    "half a body with GET": f"GET {PHOTO} HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{{",
}


@pytest.fixture(scope="module")
def impatient(start_api: Any) -> Any:
    """An API of two threads that waits two seconds for the next byte."""
    return start_api(DARKROOM_API_PROCESSES="1", DARKROOM_API_THREADS=str(THREADS), DARKROOM_SILENCE="2")


@pytest.mark.parametrize("half", HALVES)
def test_callers_that_stop_sending_hold_no_threads(impatient: Any, half: str) -> None:
    with contextlib.ExitStack() as callers:
        for _ in range(THREADS):
            silent = socket.create_connection(("127.0.0.1", impatient.settings.port))
            callers.enter_context(silent).sendall(HALVES[half].encode())

        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", impatient.settings.port, timeout=60)) as caller:
            caller.request("GET", "/healthz")
            assert caller.getresponse().status == 200

    assert "Traceback" not in impatient.log_text()


@pytest.mark.parametrize("half", ["half a JSON body", "half a form", "half a photo"])
@pytest.mark.parametrize("framing", ["Content-Length: 50", "Transfer-Encoding: chunked"])
def test_a_body_that_does_not_arrive_in_time_gets_408(impatient: Any, half: str, framing: str) -> None:
    head, _, begun = HALVES[half].partition("\r\n\r\n")
    head, _, _ = head.partition("\r\nContent-Length")
    body = begun if "Length" in framing else f"{len(begun):x}\r\n{begun}\r\n9\r\nx"
    with socket.create_connection(("127.0.0.1", impatient.settings.port), timeout=60) as caller:
        caller.sendall(f"{head}\r\n{framing}\r\n\r\n{body}".encode())
        answer = http.client.HTTPResponse(caller)
        answer.begin()
        problem = json.loads(answer.read())

        assert (answer.status, problem["type"]) == (408, "urn:darkroom:problem:request_timeout")
        assert answer.headers["Connection"] == "close"
        assert caller.recv(1) == b""
    assert problem["detail"].startswith("the body did not arrive in time: expected it within ")
    assert problem["detail"].endswith(" with no pause of more than 2 seconds")


@pytest.mark.parametrize(
    ("half", "detail"),
    [("half a JSON body", "ends too early"), ("half a form", "not complete"), ("half a photo", "not complete")],
)
def test_a_body_that_ends_early_is_called_incomplete(impatient: Any, half: str, detail: str) -> None:
    with socket.create_connection(("127.0.0.1", impatient.settings.port), timeout=60) as caller:
        caller.sendall(HALVES[half].encode())
        caller.shutdown(socket.SHUT_WR)
        answer = http.client.HTTPResponse(caller)
        answer.begin()

        assert answer.status == 400
        assert detail in json.loads(answer.read())["detail"]


@pytest.mark.parametrize("chunked", [True, False])
def test_the_api_waits_for_an_upload_as_long_as_bytes_arrive(impatient: Any, webp: bytes, chunked: bool) -> None:
    """The whole upload takes longer than the API waits for one byte."""
    pause = threading.Event()

    def slow_body() -> Any:
        part = len(webp) // 5 + 1
        for start in range(0, len(webp), part):
            pause.wait(0.7)
            yield webp[start : start + part]

    headers = {"Content-Type": "image/webp"} | ({} if chunked else {"Content-Length": str(len(webp))})
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", impatient.settings.port, timeout=60)) as caller:
        caller.request("POST", "/v1/photos?preset=metadata", slow_body(), headers, encode_chunked=chunked)
        answer = caller.getresponse()
        text = answer.read()

    assert answer.status == 202, text
    assert json.loads(text)["original"]["size"] == len(webp)


def test_a_connection_may_be_idle_between_two_requests(impatient: Any) -> None:
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", impatient.settings.port, timeout=60)) as caller:
        caller.request("GET", "/healthz")
        first = caller.getresponse()
        assert (first.status, first.read()) == (200, b'{"status":"ok"}')
        connection = caller.sock

        threading.Event().wait(3)

        caller.request("GET", "/healthz")
        assert caller.getresponse().status == 200
        assert caller.sock is connection, "the connection must stay open"
