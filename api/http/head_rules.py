"""What a request's head must be like: limits for gunicorn's parser, and what gunicorn does not check."""

from __future__ import annotations

import re
from collections.abc import Iterable
from http import HTTPStatus

MAX_REQUEST_LINE = 8190
"""Bytes. The query of a raw upload may hold its jobs."""

MAX_HEADERS = 100

MAX_HEADER = 8190
"""Bytes of one header: its name and its value."""

_HOST = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=%-]*|\[[0-9A-Fa-f:.]+\])(?::[0-9]*)?")


class InvalidHead(Exception):
    """The message says what is wrong. It repeats nothing of the request, which may hold an API key."""

    status = HTTPStatus.BAD_REQUEST


class UnknownCoding(InvalidHead):
    """The body arrives in a transfer coding other than chunked."""

    status = HTTPStatus.NOT_IMPLEMENTED


def check_head(version: tuple[int, int], headers: Iterable[tuple[str, str]]) -> None:
    """Raises InvalidHead (RFC 9112, sections 3.2, 6.1 and 7.4). `headers`: with upper-case names."""
    given: dict[str, list[str]] = {}
    for name, value in headers:
        given.setdefault(name, []).append(value)
    hosts = given.get("HOST", [])
    if not hosts and version >= (1, 1):
        raise InvalidHead("the request has no Host header, and HTTP/1.1 requires one")
    if any(not _HOST.fullmatch(host) for host in hosts):
        raise InvalidHead("Host is not valid: expected a host name or an address, with or without a port")
    codings = ", ".join(given.get("TRANSFER-ENCODING", []))
    if codings and codings.lower() != "chunked":
        raise UnknownCoding("the Transfer-Encoding is not supported: expected `Transfer-Encoding: chunked`")
    accepted = [item.partition(";")[0].strip().lower() for item in ",".join(given.get("TE", [])).split(",")]
    if "chunked" in accepted:
        raise InvalidHead("TE must not list chunked: every receiver of HTTP/1.1 accepts it")
