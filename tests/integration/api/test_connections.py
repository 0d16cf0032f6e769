"""Many connections: they keep nobody from connecting, and one address may have a limited number of them."""

from __future__ import annotations

import contextlib
import json
import resource
import select
import socket
import struct
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from api.__main__ import CONNECTIONS
from api.http.gunicorn_overrides import WAITING_PER_THREAD
from darkroom.record.ids import new_id
from tests.support.fault_proxy import FaultProxy, delay
from tests.support.hanging_api import hanging_api
from tests.support.raw_answers import read_answer

THREADS = 2
MOST = 3


@pytest.fixture
def many_files() -> Iterator[None]:
    """More open files than a test usually may have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2 * CONNECTIONS), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def connect(api: Any, address: str = "127.0.0.1") -> socket.socket:
    return socket.create_connection(("127.0.0.1", api.settings.port), timeout=60, source_address=(address, 0))


@pytest.mark.usefixtures("many_files")
@pytest.mark.parametrize("sent", [b"", b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /heal"])
def test_idle_connections_keep_nobody_out(start_api: Any, picture: bytes, sent: bytes) -> None:
    api = start_api(DARKROOM_API_PROCESSES="1", DARKROOM_API_THREADS=str(THREADS))
    with contextlib.ExitStack() as stack:
        for _ in range(CONNECTIONS + 50):
            stack.enter_context(connect(api)).sendall(sent)

        for _ in range(3):
            assert requests.get(f"{api.url}/healthz", timeout=60).status_code == 200
            assert api.upload(("a.jpg", picture)).status_code == 202
    assert "Traceback" not in api.log_text(), api.log_text()[-20000:]


def test_an_address_may_have_a_limited_number_of_connections(start_api: Any) -> None:
    api = start_api(DARKROOM_API_PROCESSES="1", DARKROOM_CONNECTIONS_PER_ADDRESS=str(MOST))
    with contextlib.ExitStack() as stack:
        others = [stack.enter_context(connect(api, "127.0.0.2")) for _ in range(MOST)]
        refused = stack.enter_context(connect(api, "127.0.0.2"))
        answer = read_answer(refused)

        assert answer.status == 429
        assert int(answer.headers["Retry-After"]) >= 1
        assert answer.headers["Connection"] == "close"
        assert json.loads(answer.body)["type"] == "urn:darkroom:problem:too_many_requests"
        others.append(stack.enter_context(connect(api, "127.0.0.3")))
        for other in others:
            other.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert read_answer(other).status == 200
        others[0].close()
        refused.close()

        def accepted() -> bool:
            with connect(api, "127.0.0.2") as again:
                again.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
                return read_answer(again).status == 200

        api.wait_until("a closed connection no longer counts", accepted)


def test_requests_that_wait_for_a_thread_are_bounded(start_api: Any, endpoint: str) -> None:
    most, more = THREADS * (1 + WAITING_PER_THREAD), 4
    with hanging_api(start_api, endpoint, THREADS) as (api, proxy), contextlib.ExitStack() as stack:
        callers = [stack.enter_context(connect(api)) for _ in range(most + more)]
        for caller in callers:
            caller.sendall(f"GET /v1/photos/{new_id()} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        api.wait_until("those beyond are refused", lambda: len(api.logged("request.refused")) == more)
        proxy.heal()
        answers = [read_answer(caller) for caller in callers]

    refused = [answer for answer in answers if answer.headers["Connection"] == "close"]
    assert [answer.status for answer in refused] == [503] * more
    assert all(int(answer.headers["Retry-After"]) >= 1 for answer in refused)
    assert {answer.status for answer in answers if answer not in refused} <= {404, 503}


def test_requests_that_wait_for_a_thread_take_turns(start_api: Any, endpoint: str) -> None:
    """A caller with many slow requests does not delay another one by all of them."""
    many = 30
    with FaultProxy(endpoint) as proxy, contextlib.ExitStack() as stack:
        api = start_api(DARKROOM_API_PROCESSES="1", DARKROOM_API_THREADS=str(THREADS), AWS_ENDPOINT_URL=proxy.url)
        proxy.rule("dynamodb.*", delay(0.3))
        greedy = [stack.enter_context(connect(api, "127.0.0.2")) for _ in range(many)]
        for caller in greedy:
            caller.sendall(f"GET /v1/photos/{new_id()} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        api.wait_until("the first are being answered", lambda: proxy.seen("dynamodb.*") >= THREADS)

        with connect(api) as other:
            other.sendall(b"GET /v1/photos/0 HTTP/1.1\r\nHost: x\r\n\r\n")
            assert read_answer(other).status == 404

        answered, _, _ = select.select(greedy, [], [], 0)
        assert len(answered) < many - THREADS
        assert [read_answer(caller).status for caller in greedy] == [404] * many


BEGINNINGS = {
    "nothing": b"",
    "half a head": b"GET /hea",
    "a request": b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n",
    "a body that waits": b"POST /v1/photos HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n",
    "half a body": b"POST /v1/photos HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nx",
    "half a chunk": b"POST /v1/photos HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nx",
    "many requests": b"GET /docs/js/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\n\r\n" * 9,
    "no HTTP": b"\0" * 40_000,
}
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER: closing resets the connection."""


def test_callers_who_leave_at_any_time_end_no_process(start_api: Any, picture: bytes) -> None:
    api = start_api(DARKROOM_API_PROCESSES="1", DARKROOM_API_THREADS=str(THREADS))
    processes = api.processes()
    pause = threading.Event()
    for beginning in BEGINNINGS.values():
        for wait in (0, 0, 0.001, 0.003, 0.01, 0.1):
            for option in (struct.pack("ii", 0, 0), RESET):
                with connect(api) as caller:
                    caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, option)
                    caller.sendall(beginning)
                    pause.wait(wait)

    # Until the threads are done with what was sent, the API may be full: 503.
    api.wait_until("an upload is accepted", lambda: api.upload(("a.jpg", picture)).status_code == 202)
    assert api.processes() == processes
    api.wait_until("nothing is left of the uploads", lambda: not api.spooled())
    assert "Traceback" not in api.log_text(), api.log_text()[-20000:]
