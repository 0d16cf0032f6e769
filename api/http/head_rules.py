"""What a request's head must have beyond what gunicorn checks."""

from __future__ import annotations

import re
from collections.abc import Iterable
from http import HTTPStatus

_HOST = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=%-]*|\[[0-9A-Fa-f:.]+\])(?::[0-9]*)?")


class InvalidHead(Exception):
    """The message says what is wrong."""

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
        raise InvalidHead(f"Host: {hosts[0]!r} is not a host name or address with an optional port")
    codings = ", ".join(given.get("TRANSFER-ENCODING", []))
    if codings and codings.lower() != "chunked":
        raise UnknownCoding(f"Transfer-Encoding: {codings!r} is not supported; the only transfer coding is chunked")
    accepted = [item.partition(";")[0].strip().lower() for item in ",".join(given.get("TE", [])).split(",")]
    if "chunked" in accepted:
        raise InvalidHead("TE must not list chunked: every receiver of HTTP/1.1 accepts it")
