"""Callers that stop in the middle of a request get their thread taken away; slow ones do not."""

from __future__ import annotations

import contextlib
import http.client
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
    "a body that nobody wants": f"GET {PHOTO} HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{{",
}


@pytest.fixture(scope="module")
def impatient(start_api: Any) -> Any:
    """An API of two threads that waits two seconds for the next byte."""
    return start_api(DARKROOM_API_PROCESSES="1", DARKROOM_API_THREADS=str(THREADS), DARKROOM_SILENCE="2")


@pytest.mark.parametrize("half", HALVES)
def test_callers_who_fall_silent_do_not_hold_its_threads(impatient: Any, half: str) -> None:
    with contextlib.ExitStack() as callers:
        for _ in range(THREADS):
            caller = socket.create_connection(("127.0.0.1", impatient.settings.port))
            callers.enter_context(caller).sendall(HALVES[half].encode())

        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", impatient.settings.port, timeout=60)) as other:
            other.request("GET", "/healthz")
            assert other.getresponse().status == 200

    assert "Traceback" not in impatient.log_text()


def test_a_slow_upload_is_waited_for_as_long_as_it_goes_on(impatient: Any, webp: bytes) -> None:
    """In all it takes longer than the API waits for a caller who says nothing."""
    pause = threading.Event()

    def slowly() -> Any:
        part = len(webp) // 5 + 1
        for start in range(0, len(webp), part):
            pause.wait(0.7)
            yield webp[start : start + part]

    answer = impatient.post("/v1/photos?preset=metadata", data=slowly(), headers={"Content-Type": "image/webp"})

    assert answer.status_code == 202, answer.text
    assert answer.json()["original"]["size"] == len(webp)


def test_a_connection_may_rest_between_two_requests(impatient: Any) -> None:
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", impatient.settings.port, timeout=60)) as caller:
        caller.request("GET", "/healthz")
        first = caller.getresponse()
        assert (first.status, first.read()) == (200, b'{"status":"ok"}')
        kept = caller.sock

        threading.Event().wait(3)

        caller.request("GET", "/healthz")
        assert caller.getresponse().status == 200
        assert caller.sock is kept, "it is the same connection"
