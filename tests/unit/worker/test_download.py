"""Downloads from the URLs of callers: redirects, limits, and what the errors say."""

from __future__ import annotations

import hashlib
import io
import ssl
from collections.abc import Iterator

import pytest

from darkroom.errors import DarkroomError
from darkroom.fetch_errors import FetchFailed, FetchRefused
from tests.support.photo_source import PhotoSource
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


def test_an_error_of_the_caller_ends_the_download(source: PhotoSource) -> None:
    class Stopped(Exception):
        pass

    def check() -> None:
        raise Stopped

    hosts, tls = [source.host], ssl.create_default_context()
    with pytest.raises(Stopped):
        download(source.url("/photo.jpg?key=secret"), io.BytesIO(), 1000, 20, hosts, tls, check)
