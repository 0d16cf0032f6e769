"""One POST to an address that a stranger named: real sockets, and receivers that are up to no good."""

from __future__ import annotations

import contextlib
import itertools
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from darkroom.errors import DeliveryFailed
from darkroom.webhooks.callback import Target, read_callback
from tests.support.certificate import self_signed
from tests.support.receiver import Receiver
from worker.connections import NOWHERE
from worker.webhooks.transport import WebhookResponse, post

SHORT = 1.0
"""A time limit for those that never answer. Whoever did not keep it would let the test hang."""
LONG = 60.0

Serve = Callable[[Callable[[socket.socket], None]], Target]


def send(
    target: Target, time_limit: float = LONG, body: bytes = b"{}", tls: ssl.SSLContext | None = None
) -> WebhookResponse:
    return post(target, body, {"X-Test": "1"}, time_limit, tls or ssl.create_default_context())


def local(port: int, host: str = "127.0.0.1", tls: bool = False, private: bool = True) -> Target:
    return Target(url="", host=host, port=port, path="/x", tls=tls, private=private)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Take every connection on a port, and do with it what the test says until it is closed."""
    with contextlib.ExitStack() as servers:

        def start(handle: Callable[[socket.socket], None]) -> Target:
            server = servers.enter_context(socket.create_server(("127.0.0.1", 0)))

            def talk(connection: socket.socket) -> None:
                with connection, contextlib.suppress(OSError):
                    handle(connection)

            def accept() -> None:
                with contextlib.suppress(OSError):
                    while True:
                        threading.Thread(target=talk, args=[server.accept()[0]], daemon=True).start()

            thread = threading.Thread(target=accept, daemon=True)
            thread.start()
            servers.callback(thread.join)
            servers.callback(server.shutdown, socket.SHUT_RDWR)
            return local(server.getsockname()[1])

        yield start


class Names:
    """Stands in for DNS, whose answers a test cannot have otherwise."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> None:
        self._answers = iter(answers)
        self.asked: list[str] = []
        monkeypatch.setattr(socket, "getaddrinfo", self._ask)

    def _ask(self, host: str, port: int, **_: Any) -> list[Any]:
        self.asked.append(host)
        found = next(self._answers)
        return [
            (socket.AF_INET6 if ":" in one else socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in found
        ]


class TestAnswers:
    def test_the_request_arrives_as_it_was_sent(self, receiver: Receiver) -> None:
        assert send(read_callback(receiver.url, [receiver.host]), body=b'{"a": 1}') == WebhookResponse(204)
        (got,) = receiver.got
        assert (got.path, got.body) == ("/photos?from=darkroom", b'{"a": 1}')
        assert (got.headers["host"], got.headers["x-test"]) == (receiver.host, "1")

    def test_status_and_retry_after_are_all_that_is_read(self, receiver: Receiver) -> None:
        receiver.answers.append((503, {"Retry-After": "120", "Content-Length": "1000000"}))
        assert send(local(receiver.port)) == WebhookResponse(503, "120")

    def test_a_redirect_is_not_followed(self, receiver: Receiver) -> None:
        for status in (301, 302, 303, 307, 308):
            receiver.answers.append((status, {"Location": receiver.url}))
            assert send(local(receiver.port)).status == status
        assert len(receiver.got) == 5

    def test_a_proxy_of_the_environment_is_not_asked(
        self, receiver: Receiver, serve: Serve, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked: list[socket.socket] = []
        proxy = serve(asked.append)
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        monkeypatch.delenv("no_proxy")
        monkeypatch.delenv("NO_PROXY")
        assert send(local(receiver.port)).status == 204
        assert asked == []


def nothing(connection: socket.socket) -> None:
    while connection.recv(65536):
        pass


def never_reads(connection: socket.socket) -> None:
    threading.Event().wait(SHORT * 5)


def drips(text: bytes) -> Callable[[socket.socket], None]:
    """Sends the text over and over, a byte at a time, faster than any time-out of a single read."""

    def handle(connection: socket.socket) -> None:
        for byte in itertools.cycle(text):
            connection.send(bytes([byte]))
            threading.Event().wait(SHORT / 10)

    return handle


class TestReceiversUpToNoGood:
    @pytest.mark.parametrize(
        "handle",
        [
            nothing,
            drips(b"HTTP/1.1 200 OK"),
            drips(b"HTTP/1.1 200 OK\r\nX-Header: value"),
            drips(b"HTTP/1.1 100 Continue\r\n\r\n"),
        ],
        ids=["silent", "status", "header", "continue"],
    )
    def test_one_that_never_comes_to_an_end_is_left(self, serve: Serve, handle: Any) -> None:
        with pytest.raises(DeliveryFailed, match="no answer within 1 s"):
            send(serve(handle), SHORT)

    def test_one_that_sends_no_end_of_interim_answers_is_left(self, serve: Serve) -> None:
        def handle(connection: socket.socket) -> None:
            while True:
                connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)

        with pytest.raises(DeliveryFailed, match="no answer within 1 s"):
            send(serve(handle), SHORT)

    def test_one_that_takes_nothing_is_left(self, serve: Serve) -> None:
        with pytest.raises(DeliveryFailed, match="no answer within 1 s"):
            send(serve(never_reads), SHORT, body=bytes(50_000_000))

    def test_one_that_takes_its_time_is_left_before_it_has_everything(self, serve: Serve) -> None:
        body, taken, ended = bytes(100_000_000), [], threading.Event()

        def handle(connection: socket.socket) -> None:
            try:
                while data := connection.recv(1_000_000):
                    taken.append(len(data))
                    threading.Event().wait(SHORT / 20)
            finally:
                ended.set()

        with pytest.raises(DeliveryFailed, match="no answer within 1 s"):
            send(serve(handle), SHORT, body=body)
        assert ended.wait(LONG)
        assert sum(taken) < len(body)

    @pytest.mark.parametrize("handle", [nothing, drips(b"\x16\x03\x03\x40\x00")], ids=["silent", "drips"])
    def test_one_that_never_comes_to_speak_tls_is_left(self, serve: Serve, handle: Any) -> None:
        with pytest.raises(DeliveryFailed, match="no answer within 1 s"):
            send(local(serve(handle).port, tls=True), SHORT)

    @pytest.mark.parametrize(
        "text",
        [b"SSH-2.0-OpenSSH_9.7\r\n", b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000, b"HTTP/1.1 200 " + b"x" * 100_000],
        ids=["ssh", "headers", "line"],
    )
    def test_one_that_speaks_something_else_is_refused(self, serve: Serve, text: bytes) -> None:
        def handle(connection: socket.socket) -> None:
            connection.recv(65536)
            connection.sendall(text)
            nothing(connection)

        with pytest.raises(DeliveryFailed, match="the answer is not HTTP"):
            send(serve(handle))

    def test_one_that_hangs_up_is_named(self, serve: Serve) -> None:
        with pytest.raises(DeliveryFailed, match="the host closed the connection without an answer"):
            send(serve(lambda connection: connection.close()))

    def test_one_that_is_not_there_is_named(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        with pytest.raises(DeliveryFailed, match="the connection failed: Connection refused"):
            send(local(port))


class TestNames:
    def test_a_name_that_leads_to_this_machine_is_refused(self, receiver: Receiver) -> None:
        with pytest.raises(DeliveryFailed, match=f"^{NOWHERE}$"):
            send(local(receiver.port, host="localhost", private=False))
        assert receiver.got == []

    def test_every_address_of_a_name_must_be_public(self, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
        Names(monkeypatch, ["127.0.0.1", "8.8.8.8"], ["8.8.8.8", "127.0.0.1"], ["2606:4700::1111", "::ffff:127.0.0.1"])
        for _ in range(3):
            with pytest.raises(DeliveryFailed, match=f"^{NOWHERE}$"):
                send(local(receiver.port, host="two.example", private=False))
        assert receiver.got == []

    def test_a_name_is_looked_up_once_and_the_connection_goes_there(
        self, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        names = Names(monkeypatch, ["127.0.0.1"], ["127.0.0.2"])
        assert send(local(receiver.port, host="rebound.example")).status == 204
        assert names.asked == ["rebound.example"]
        assert receiver.got[0].headers["host"] == f"rebound.example:{receiver.port}"

    def test_the_next_address_is_taken_when_one_does_not_answer(
        self, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        Names(monkeypatch, ["127.0.0.2", "127.0.0.1"])
        assert send(local(receiver.port, host="two.example")).status == 204

    def test_of_a_name_that_is_not_there_the_same_is_said_as_of_an_internal_one(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        told = []
        for answers in ([], [["10.0.0.7"]]):
            if answers:
                Names(monkeypatch, *answers)
            with structlog.testing.capture_logs() as logged, pytest.raises(DeliveryFailed) as caught:
                send(local(443, host="nowhere.invalid", private=False))
            told.append((type(caught.value), caught.value.detail))
        assert told[0] == told[1] == (DeliveryFailed, NOWHERE)
        assert "10.0.0.7 is not a public address" in logged[0]["reason"], "whoever runs it can find out why"

    def test_a_resolver_that_hangs_does_not_hold_the_delivery(self, monkeypatch: pytest.MonkeyPatch) -> None:
        answered = threading.Event()

        def hang(*_: Any, **__: Any) -> list[Any]:
            answered.wait()
            return []

        monkeypatch.setattr(socket, "getaddrinfo", hang)
        try:
            with pytest.raises(DeliveryFailed, match="no answer within 1 s"):
                send(local(443, host="slow.example"), SHORT)
        finally:
            answered.set()


class TestCertificates:
    @pytest.fixture
    def certificate(self, tmp_path: Path) -> Path:
        return self_signed(tmp_path, "hook.example")

    @pytest.fixture
    def secure(self, certificate: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> Target:
        """A server that shows the certificate, and to which the name leads."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, f"{certificate}.key")

        def handle(connection: socket.socket) -> None:
            with context.wrap_socket(connection, server_side=True) as secured:
                self.received = secured.recv(65536)
                while not self.received.endswith(b"{}"):
                    self.received += secured.recv(65536)
                secured.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

        Names(monkeypatch, ["127.0.0.1"])
        return local(serve(handle).port, host="hook.example", tls=True)

    def test_a_self_signed_one_is_refused(self, secure: Target) -> None:
        with pytest.raises(DeliveryFailed, match="its certificate is not accepted: self-signed certificate"):
            send(secure)

    def test_one_that_is_trusted_is_taken_for_its_name(self, secure: Target, certificate: Path) -> None:
        assert send(secure, tls=ssl.create_default_context(cafile=certificate)).status == 200
        assert f"Host: hook.example:{secure.port}".encode() in self.received

    def test_one_for_another_name_is_refused(self, secure: Target, certificate: Path) -> None:
        other = local(secure.port, host="other.example", tls=True)
        with pytest.raises(DeliveryFailed, match="its certificate is not accepted: it is for another host name"):
            send(other, tls=ssl.create_default_context(cafile=certificate))
