"""Connections to addresses that callers have given: only to the public internet, and within a time limit.

The host is looked up once, each of its addresses must be public, and the connection goes to an address that was
checked; the certificate and the Host header are still those of the name. The connection uses no proxy, whatever the
environment says. Webhooks and fetches of photos use these functions.
"""

from __future__ import annotations

import http.client
import ipaddress
import queue
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any

import structlog

from darkroom.errors import CallbackRefused, DeliveryFailed
from darkroom.webhooks.callback import Target, check_address
from worker.watchdog import watchdog

log = structlog.get_logger()

CERTIFICATE_FAULTS = {
    9: "it is not valid yet",
    10: "it has expired",
    18: "self-signed certificate",
    19: "self-signed certificate in its chain",
    20: "its issuer is unknown",
    21: "its issuer is unknown",
    62: "it is for another host name",
    64: "it is for another address",
}
"""OpenSSL's number of a fault of a certificate (x509_vfy.h) -> our words."""

NOWHERE = "the host name does not exist, or does not lead to public addresses only"

Address = tuple[socket.AddressFamily, Any]
"""An address family, and an address in the form that its sockets take."""


class Deadline:
    """The end of a whole exchange. A socket's own timeout would start again with each byte."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.at = time.monotonic() + seconds

    @property
    def over(self) -> bool:
        return time.monotonic() >= self.at

    def left(self) -> float:
        """Seconds until then. Raises TimeoutError if it has passed."""
        left = self.at - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    def reason(self, error: Exception) -> str:
        """Why an exchange failed. After the deadline every error is one: the watchdog has closed the connection."""
        if isinstance(error, TimeoutError) or time.monotonic() >= self.at:
            return f"no answer within {self._seconds:g} s"
        if isinstance(error, ssl.SSLCertVerificationError):
            return f"its certificate is not accepted: {CERTIFICATE_FAULTS.get(error.verify_code, 'it is not valid')}"
        if isinstance(error, ssl.SSLError):
            return "the host and Darkroom cannot agree on TLS"
        if isinstance(error, ConnectionResetError | BrokenPipeError):
            return "the host closed the connection without an answer"
        if isinstance(error, OSError):
            return f"the connection failed: {error.strerror or 'the host has no address'}"
        return "the answer is not HTTP"


@contextmanager
def connected(target: Target, deadline: Deadline, tls: ssl.SSLContext) -> Iterator[http.client.HTTPConnection]:
    """A connection to a checked address of the host, for one request. It is closed at the deadline.

    Raises DeliveryFailed if an address of the host is not public; OSError and HTTPException as they come.
    """
    with (
        closing(_connect(look_up(target, deadline), deadline)) as plain,
        closing(_encrypted(plain, target.host, tls) if target.tls else plain) as connection,
    ):
        with watchdog(deadline.at, lambda: _hang_up(connection)):
            if isinstance(connection, ssl.SSLSocket):
                connection.do_handshake()
            client = http.client.HTTPConnection(target.host, target.port)
            client.default_port = 443 if target.tls else 80  # the Host header names any other port
            client.sock = connection
            yield client
        deadline.left()  # a response that the watchdog has cut off can look complete


def look_up(target: Target, deadline: Deadline) -> list[Address]:
    """The addresses of the host. Raises DeliveryFailed unless all of them are public.

    The message is the same for a name that does not exist: callers see it, and must not learn about internal names.
    """
    found: queue.SimpleQueue[list[Address] | Exception] = queue.SimpleQueue()

    def ask() -> None:
        try:
            infos = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
            found.put([(family, address) for family, _, _, _, address in infos])
        except (OSError, UnicodeError) as error:
            found.put(error)

    # The resolver takes no timeout. A thread that outlasts the deadline ends by itself and changes nothing.
    threading.Thread(target=ask, name="look-up", daemon=True).start()
    try:
        addresses = found.get(timeout=deadline.left())
    except queue.Empty:
        raise TimeoutError from None
    if isinstance(addresses, Exception):
        log.info("outgoing.host_unknown", host=target.host, reason=str(addresses))
        raise DeliveryFailed(NOWHERE) from addresses
    if not target.private:
        try:
            for _, address in addresses:
                check_address(ipaddress.ip_address(address[0]))
        except CallbackRefused as error:
            log.warning("outgoing.host_not_public", host=target.host, reason=error.detail)
            raise DeliveryFailed(NOWHERE) from error
    return addresses


def _connect(addresses: list[Address], deadline: Deadline) -> socket.socket:
    """A connection to the first address that accepts one."""
    fault = OSError("the host has no address")
    for family, address in addresses:
        connection = socket.socket(family, socket.SOCK_STREAM)
        try:
            connection.settimeout(deadline.left())
            connection.connect(address)
            connection.settimeout(None)  # the watchdog takes over
        except OSError as error:
            connection.close()
            fault = error
        else:
            return connection
    raise fault


def _encrypted(plain: socket.socket, host: str, tls: ssl.SSLContext) -> ssl.SSLSocket:
    """This sends nothing yet: the watchdog guards the handshake, too."""
    return tls.wrap_socket(plain, server_hostname=host, do_handshake_on_connect=False)


def _hang_up(connection: socket.socket) -> None:
    """End the reads and writes of another thread."""
    with suppress(OSError):  # the receiver was faster
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
