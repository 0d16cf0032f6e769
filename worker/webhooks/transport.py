"""One POST to an address that a caller has named: only into the public internet, and in bounded time.

The host is looked up once, everything it leads to must be public, and the connection goes to exactly what was
checked; certificate and Host header are still those of the name. It is made directly, whatever the environment
says of proxies. Redirects are answers like others, and the body of an answer is not read.
"""

from __future__ import annotations

import http.client
import io
import ipaddress
import queue
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import structlog

from darkroom.errors import CallbackRefused, DeliveryFailed
from darkroom.webhooks.callback import Target, check_address

log = structlog.get_logger()

NOWHERE = "its host name is not known, or leads to no public address"

Place = tuple[socket.AddressFamily, Any]
"""A family of addresses, and an address in the form in which its sockets take it."""


@dataclass(frozen=True)
class Answer:
    """All that counts of an answer."""

    status: int
    retry_after: str | None = None


class Deadline:
    """The end of a whole delivery. The time-out of a socket alone begins anew with every byte."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._at = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds. Raises TimeoutError when there are none."""
        left = self._at - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    def __str__(self) -> str:
        return f"{self._seconds:g} s"


def post(target: Target, body: bytes, headers: Mapping[str, str], time_limit: float, tls: ssl.SSLContext) -> Answer:
    """POST, and wait at most `time_limit` seconds for the head of the answer, everything included.

    Raises DeliveryFailed when there is none, or the host leads to an address that is not public.
    """
    deadline = Deadline(time_limit)
    try:
        places = look_up(target, deadline)
        connection = _PinnedConnection(target, places, deadline, tls)
        try:
            connection.request("POST", target.path, body, {**headers, "Connection": "close"})
            with connection.getresponse() as response:
                return Answer(response.status, response.getheader("Retry-After"))
        finally:
            connection.close()
    except TimeoutError:
        raise DeliveryFailed(f"no answer within {deadline}") from None
    except ssl.SSLCertVerificationError as error:
        raise DeliveryFailed(f"its certificate is not accepted: {error.verify_message}") from error
    except ssl.SSLError as error:
        raise DeliveryFailed(f"TLS failed: {error.reason}") from error
    except OSError as error:
        raise DeliveryFailed(f"the connection failed: {error.strerror or error}") from error
    except http.client.HTTPException as error:
        raise DeliveryFailed("the answer is not HTTP") from error


def look_up(target: Target, deadline: Deadline) -> list[Place]:
    """Where the host is. Raises DeliveryFailed unless every one of its addresses is public.

    It says the same of a name that leads nowhere: what internal names lead to is nothing for callers, who see this.
    """
    found: queue.SimpleQueue[list[Place] | Exception] = queue.SimpleQueue()

    def ask() -> None:
        try:
            infos = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
            found.put([(family, address) for family, _, _, _, address in infos])
        except (OSError, UnicodeError) as error:
            found.put(error)

    # The resolver takes no time-out. What outlasts ours ends with its own, and changes nothing any more.
    threading.Thread(target=ask, name="look-up", daemon=True).start()
    try:
        places = found.get(timeout=deadline.left())
    except queue.Empty:
        raise TimeoutError from None
    if isinstance(places, Exception):
        log.info("webhook.not_looked_up", host=target.host, reason=str(places))
        raise DeliveryFailed(NOWHERE) from places
    if not target.private:
        try:
            for _, address in places:
                check_address(ipaddress.ip_address(address[0]))
        except CallbackRefused as error:
            log.warning("webhook.not_public", host=target.host, reason=error.detail)
            raise DeliveryFailed(NOWHERE) from error
    return places


class _PinnedConnection(http.client.HTTPConnection):
    """HTTP with the places that were checked, whatever the host's name leads to by now."""

    def __init__(self, target: Target, places: list[Place], deadline: Deadline, tls: ssl.SSLContext) -> None:
        super().__init__(target.host, target.port)
        self.default_port = 443 if target.tls else 80
        self._places = places
        self._deadline = deadline
        self._tls = tls if target.tls else None

    def connect(self) -> None:
        plain = self._reach()
        try:
            if self._tls:
                plain.settimeout(self._deadline.left())
                plain = self._tls.wrap_socket(plain, server_hostname=self.host)
        except BaseException:
            plain.close()
            raise
        self.sock = cast(socket.socket, _Bounded(plain, self._deadline))

    def _reach(self) -> socket.socket:
        """The first place that takes a connection."""
        fault: OSError = OSError("the host has no address")
        for family, address in self._places:
            plain = socket.socket(family, socket.SOCK_STREAM)
            try:
                plain.settimeout(self._deadline.left())
                plain.connect(address)
            except OSError as error:
                plain.close()
                fault = error
            else:
                return plain
        raise fault


class _Bounded:
    """As much of a connected socket as http.client needs; nothing on it waits beyond the deadline."""

    def __init__(self, sock: socket.socket, deadline: Deadline) -> None:
        self._sock = sock
        self._deadline = deadline

    def sendall(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            self._sock.settimeout(self._deadline.left())
            rest = rest[self._sock.send(rest) :]

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Reader(self._sock, self._deadline))

    def close(self) -> None:
        self._sock.close()


class _Reader(io.RawIOBase):
    def __init__(self, sock: socket.socket, deadline: Deadline) -> None:
        self._sock = sock
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._sock.settimeout(self._deadline.left())
        return self._sock.recv_into(buffer)
