"""Callers who read slowly or not at all: a response that waits for its caller holds no thread."""

from __future__ import annotations

import contextlib
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from api.routes.docs_page import ASSETS
from darkroom.record.ids import new_id
from tests.support.hanging_api import hanging_api
from tests.support.raw_answers import answers

THREADS = 2
READERS = 8
PIPELINED = 6
ASSET = "/docs/js/swagger-ui-bundle.js"
FILE = (ASSETS / "js" / "swagger-ui-bundle.js").read_bytes()
GET = f"GET {ASSET} HTTP/1.1\r\nHost: x\r\n\r\n".encode()


@pytest.fixture(scope="module")
def narrow(start_api: Any) -> Any:
    return start_api(DARKROOM_API_PROCESSES="1", DARKROOM_API_THREADS=str(THREADS))


@contextlib.contextmanager
def caller_of(api: Any, sent: bytes) -> Iterator[socket.socket]:
    """A caller that has sent this, and reads little at a time."""
    with socket.socket() as caller:
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        caller.settimeout(60)
        caller.connect(("127.0.0.1", api.settings.port))
        caller.sendall(sent)
        yield caller


def being_sent(api: Any) -> int:
    """How often the API has the asset open: once for each response that a caller is reading."""
    files = [link for process in api.processes() for link in Path(f"/proc/{process}/fd").iterdir()]
    return sum(link.resolve().is_relative_to(ASSETS.resolve()) for link in files)


def test_slow_readers_hold_no_thread_and_get_all_their_responses(narrow: Any, picture: bytes) -> None:
    with contextlib.ExitStack() as stack:
        readers = [stack.enter_context(caller_of(narrow, GET * PIPELINED)) for _ in range(READERS)]
        narrow.wait_until("a response to each of them is being sent", lambda: being_sent(narrow) == READERS)

        for _ in range(3):
            assert narrow.upload(("a.jpg", picture)).status_code == 202
        assert narrow.get("/v1/photos").status_code == 200

        assert being_sent(narrow) == READERS, "one response of each connection, and still unread"
        for reader in readers[:2]:
            assert [answer.body == FILE for answer in answers(reader, PIPELINED)] == [True] * PIPELINED
    narrow.wait_until("the files are closed", lambda: not being_sent(narrow))
    assert "Traceback" not in narrow.log_text()


def test_pipelined_responses_of_all_kinds_arrive_in_order(narrow: Any) -> None:
    paths = ["/healthz", ASSET, "/openapi.json", "/v1/nothing", "/healthz", ASSET]
    sent = "".join(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n" for path in paths).encode()
    with caller_of(narrow, sent) as caller:
        got = [(answer.status, len(answer.body)) for answer in answers(caller, len(paths))]

    wanted = [requests.get(narrow.url + path, timeout=60) for path in paths]
    assert [status for status, _ in got] == [answer.status_code for answer in wanted] == [200, 200, 200, 404, 200, 200]
    assert got[1] == got[5] == (200, len(FILE))
    assert got[2][1] == len(wanted[2].content)


@pytest.mark.parametrize(
    ("method", "header", "status", "body"),
    [
        ("GET", "Range: bytes=1000000-1400000", 206, FILE[1_000_000:1_400_001]),
        ("GET", "Range: bytes=-10", 206, FILE[-10:]),
        ("HEAD", "X-A: b", 200, b""),
    ],
)
def test_parts_of_files_and_heads_are_right(narrow: Any, method: str, header: str, status: int, body: bytes) -> None:
    head = f"{method} {ASSET} HTTP/1.1\r\nHost: x\r\n{header}\r\n\r\n".encode()
    with caller_of(narrow, head * 2) as caller:
        for answer in answers(caller, 2, method):
            assert (answer.status, answer.body == body) == (status, True)
            assert answer.headers["Connection"] == "keep-alive"


def test_a_closed_connection_closes_after_a_long_response(narrow: Any) -> None:
    with caller_of(narrow, GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")) as caller:
        (answer,) = answers(caller, 1)

        assert (answer.status, answer.body == FILE) == (200, True)
        assert answer.headers["Connection"] == "close"
        assert caller.recv(1) == b""


def test_a_response_that_is_being_read_is_finished_after_sigterm(start_api: Any) -> None:
    api = start_api(DARKROOM_API_PROCESSES="1", DARKROOM_API_THREADS=str(THREADS))
    with caller_of(api, GET) as caller:
        api.wait_until("the response is being sent", lambda: being_sent(api) == 1)

        api.process.send_signal(signal.SIGTERM)

        (answer,) = answers(caller, 1)
        assert (answer.status, answer.body == FILE) == (200, True)
    assert api.process.wait(120) == 0


def test_liveness_is_answered_while_every_thread_waits_for_aws(start_api: Any, endpoint: str) -> None:
    with hanging_api(start_api, endpoint, THREADS) as (api, proxy):
        head = f"GET /v1/photos/{new_id()} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
        with contextlib.ExitStack() as stack:
            waiting = [stack.enter_context(caller_of(api, head)) for _ in range(3 * THREADS)]
            api.wait_until("every thread waits", lambda: proxy.seen("dynamodb.*") >= THREADS)

            for _ in range(3):
                assert requests.get(f"{api.url}/healthz", timeout=60).json() == {"status": "ok"}
                assert requests.head(f"{api.url}/healthz?x=1", timeout=60).status_code == 200
            assert proxy.seen("dynamodb.*") == THREADS, "the other requests are still waiting for a thread"

            proxy.heal()
            for caller in waiting:
                (answer,) = answers(caller, 1)
                assert answer.status in (404, 503)
