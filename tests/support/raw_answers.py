"""Responses read from a socket: for tests that send requests as bytes."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator
from email.message import Message
from typing import NamedTuple


class Answer(NamedTuple):
    status: int
    headers: Message
    body: bytes


def answers(caller: socket.socket, count: int, method: str = "GET") -> Iterator[Answer]:
    """The next responses on this connection."""
    with caller.makefile("rb") as stream:
        for _ in range(count):
            status = int(stream.readline().split()[1])
            headers = http.client.parse_headers(stream)
            body = b"" if method == "HEAD" else stream.read(int(headers["Content-Length"]))
            yield Answer(status, headers, body)


def read_answer(caller: socket.socket) -> Answer:
    """The next response, which is the last one that is read from this connection."""
    (answer,) = answers(caller, 1)
    return answer
