"""Which requests the main loop answers itself."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from api.http.connection import CallerSocket


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", True),
        (b"HEAD /healthz?x=1 HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", True),
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", False),
        (b"GET /healthz HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n", False),
        (b"POST /healthz HTTP/1.1\r\nHost: x\r\n\r\n", False),
        (b"GET /healthzz HTTP/1.1\r\nHost: x\r\n\r\n", False),
        (b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n", False),
    ],
)
def test_the_main_loop_answers_only_the_liveness_probe(tmp_path: Path, head: bytes, expected: bool) -> None:
    ours, theirs = socket.socketpair()
    with CallerSocket(ours, tmp_path) as caller, theirs:
        theirs.sendall(head)
        assert caller.request.receive_head()

        assert caller.asks_for_liveness == expected
