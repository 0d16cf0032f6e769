"""Downloads from the URLs of callers: redirects, limits, and what the errors say."""

from __future__ import annotations

import hashlib
import io
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from darkroom.errors import DarkroomError
from darkroom.fetch_errors import FetchFailed, FetchRefused
from tests.support.certificate import self_signed
from tests.support.photo_source import PhotoSource
from worker.connections import NOWHERE
from worker.ingest.download import download

PHOTO = b"the bytes of a photo"


@pytest.fixture
def source() -> Iterator[PhotoSource]:
    with PhotoSource({"/photo.jpg?key=secret": (200, {}, PHOTO)}) as running:
        yield running


def fetch(source: PhotoSource, path: str, most: int = 1000, seconds: float = 20, allowed: bool = True) -> bytes:
    file = io.BytesIO()
    hosts = [source.host] if allowed else []
    tls = ssl.create_default_context()
    sha256 = download(source.url(path), file, most, seconds, hosts, tls, lambda: None)
    assert sha256 == hashlib.sha256(file.getvalue()).hexdigest()
    return file.getvalue()


def redirect(to: str, status: int = 302) -> tuple[int, dict[str, str], bytes]:
    return (status, {"Location": to}, b"")


def test_a_file_is_downloaded_as_it_is(source: PhotoSource) -> None:
    assert fetch(source, "/photo.jpg?key=secret") == PHOTO
    ((_, headers),) = source.seen
    assert headers["Accept-Encoding"] == "identity"
    assert not {"Cookie", "Referer", "Authorization"} & set(headers)


def test_redirects_are_followed_hop_by_hop(source: PhotoSource) -> None:
    source.answers |= {"/a": redirect("/b", 301), "/b": redirect(source.url("/photo.jpg?key=secret#part"), 307)}
    assert fetch(source, "/a") == PHOTO
    assert [path for path, _ in source.seen] == ["/a", "/b", "/photo.jpg?key=secret"]


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("https://10.0.0.1/photo.jpg", "is a private address"),
        ("https://169.254.169.254/latest/meta-data", "is a link-local address"),
        ("https://[::1]/", "is a loopback address"),
        ("https://2130706433/", "is a loopback address"),
        ("https://localhost/", "localhost is not a public address"),
        ("http://example.com/photo.jpg", "must start with https://"),
        ("file:///etc/passwd", "not a URL"),
        ("https://user:pass@example.com/", "user name or password"),
        ("https://example.com:22/", "port 22 is not allowed"),
        ("", "without a Location"),
    ],
)
def test_a_redirect_to_a_forbidden_place_is_not_followed(source: PhotoSource, location: str, reason: str) -> None:
    source.answers["/a"] = redirect(location)
    with pytest.raises(FetchRefused) as refused:
        fetch(source, "/a")
    assert reason in refused.value.detail
    assert "pass@" not in refused.value.detail


def test_a_host_that_leads_to_private_addresses_is_not_fetched_from(source: PhotoSource) -> None:
    with pytest.raises(FetchRefused, match="not a public address"):
        fetch(source, "/photo.jpg?key=secret", allowed=False)
    assert source.seen == []


class Names:
    """Stands in for DNS, whose answers a test cannot have otherwise: a host's answers, one for each look-up."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, answers: dict[str, list[str]]) -> None:
        self.asked: list[str] = []
        self._answers = answers
        monkeypatch.setattr(socket, "getaddrinfo", self._ask)

    def _ask(self, host: str, port: int, **_: Any) -> list[Any]:
        self.asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (self._answers[host].pop(0), port))]


def test_the_address_that_was_checked_is_the_one_that_is_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host whose name leads to a public address when it is checked, and to a private one at the next look-up."""
    names = Names(monkeypatch, {"rebinding.example": ["93.184.215.14", "127.0.0.1"]})
    connected: list[object] = []

    def connect(_: socket.socket, address: object) -> None:
        connected.append(address)
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr(socket.socket, "connect", connect)
    with pytest.raises(FetchFailed, match=r"rebinding\.example: the connection failed: Connection refused"):
        download("https://rebinding.example/", io.BytesIO(), 1000, 20, [], ssl.create_default_context(), lambda: None)
    assert names.asked == ["rebinding.example"]
    assert connected == [("93.184.215.14", 443)]


def test_a_redirect_to_a_name_of_a_private_address_is_not_followed(
    source: PhotoSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    source.answers["/a"] = redirect(f"https://inside.example:{source.host.partition(':')[2]}/photo.jpg?key=secret")
    names = Names(monkeypatch, {"127.0.0.1": ["127.0.0.1"], "inside.example": ["127.0.0.1"]})
    with pytest.raises(FetchFailed) as refused:
        fetch(source, "/a")
    assert refused.value.detail == f"inside.example: {NOWHERE}"
    assert names.asked == ["127.0.0.1", "inside.example"]
    assert [path for path, _ in source.seen] == ["/a"]


def test_redirects_in_a_circle_end(source: PhotoSource) -> None:
    source.answers |= {"/a": redirect("/b"), "/b": redirect("/a")}
    with pytest.raises(FetchRefused, match="in a circle"):
        fetch(source, "/a")
    assert len(source.seen) == 2


def test_a_long_chain_of_redirects_ends(source: PhotoSource) -> None:
    source.answers |= {f"/{number}": redirect(f"/{number + 1}") for number in range(20)}
    with pytest.raises(FetchRefused, match="more than 5 redirects"):
        fetch(source, "/0")
    assert len(source.seen) == 6


@pytest.mark.parametrize(
    ("answer", "error", "reason"),
    [
        ((404, {}, b""), FetchRefused, "404 Not Found"),
        ((403, {}, b""), FetchRefused, "403 Forbidden"),
        ((410, {}, b""), FetchRefused, "410 Gone"),
        ((408, {}, b""), FetchFailed, "408 Request Timeout"),
        ((429, {}, b""), FetchFailed, "429 Too Many Requests"),
        ((503, {}, b""), FetchFailed, "503 Service Unavailable"),
        ((200, {}, b""), FetchRefused, "empty file"),
        ((200, {}, b"x" * 1001), FetchRefused, "more than 1,000 bytes"),
        ((200, {"Content-Length": "9999999"}, b"x"), FetchRefused, "more than 1,000 bytes"),
        ((200, {"Content-Length": "20"}, b"x"), FetchFailed, "before the end of the file"),
        ((200, {"Content-Encoding": "gzip"}, b"x"), FetchRefused, "compressed"),
    ],
)
def test_a_response_without_a_usable_file_is_an_error(
    source: PhotoSource, answer: tuple[int, dict[str, str], bytes], error: type[DarkroomError], reason: str
) -> None:
    source.answers["/a?key=secret"] = answer
    with pytest.raises(error) as raised:
        fetch(source, "/a?key=secret")
    assert reason in raised.value.detail
    assert "secret" not in raised.value.detail


def test_a_file_of_unknown_length_is_limited(source: PhotoSource) -> None:
    source.answers["/a"] = (200, {"Transfer-Encoding": "chunked"}, b"3e9\r\n" + b"x" * 1001 + b"\r\n0\r\n\r\n")
    source.answers["/b"] = (200, {"Transfer-Encoding": "chunked"}, b"3e8\r\n" + b"x" * 1000 + b"\r\n0\r\n\r\n")
    with pytest.raises(FetchRefused, match="more than 1,000 bytes"):
        fetch(source, "/a")
    assert len(fetch(source, "/b")) == 1000


def test_a_slow_source_is_given_up(source: PhotoSource) -> None:
    source.open.clear()
    with pytest.raises(FetchFailed, match="did not arrive within"):
        fetch(source, "/photo.jpg?key=secret", seconds=0.3)
    source.open.set()


def test_a_file_that_drips_is_given_up(source: PhotoSource) -> None:
    """Each byte comes in time, and the whole file does not."""
    may_end = threading.Event()

    def drip() -> Iterator[bytes]:
        while not may_end.wait(0.05):
            yield b"x"

    source.answers["/a"] = (200, {"Content-Length": "900"}, drip())
    with pytest.raises(FetchFailed, match=r"did not arrive within 0\.5 s"):
        fetch(source, "/a", seconds=0.5)
    may_end.set()


def test_a_certificate_that_is_not_trusted_ends_the_download(tmp_path: Path) -> None:
    with PhotoSource(certificate=self_signed(tmp_path, "photos.example")) as secure:
        with pytest.raises(FetchFailed, match=r"127\.0\.0\.1: its certificate is not accepted: self-signed"):
            fetch(secure, "/photo.jpg")
        assert secure.seen == []


def test_an_error_of_the_caller_ends_the_download(source: PhotoSource) -> None:
    class Stopped(Exception):
        pass

    def check() -> None:
        raise Stopped

    hosts, tls = [source.host], ssl.create_default_context()
    with pytest.raises(Stopped):
        download(source.url("/photo.jpg?key=secret"), io.BytesIO(), 1000, 20, hosts, tls, check)
