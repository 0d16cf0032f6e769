"""Harmful requests: odd JSON, bodies that are longer, shorter or slower than announced, invalid HTTP. The API refuses
each of them, or reads it as HTTP says, and serves other callers at the same time."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest

MOST = 400_000
"""The API's limit of a request, in bytes."""

JSON = {"Content-Type": "application/json"}

DEEP = 5_000

BODIES = {
    "a huge integer": '{"jobs": [{"type": "resize", "width": 1' + "0" * 5000 + "}]}",
    "a huge exponent": '{"jobs": [{"type": "filter", "filter": "blur", "sigma": 1e999999}]}',
    "not a number": '{"jobs": [{"type": "filter", "filter": "blur", "sigma": NaN}]}',
    "infinity": '{"jobs": [{"type": "filter", "filter": "blur", "sigma": -Infinity}]}',
    "deep lists": '{"jobs": ' + "[" * DEEP + "]" * DEEP + "}",
    "deep objects": '{"jobs": [' + '{"steps": [' * DEEP + "]}" * DEEP + "]}",
    "deep without an end": "[" * DEEP,
    "NUL": '{"preset": "web\\u0000"}',
    "a bare NUL": b'{"preset": "web\0"}',
    "half a surrogate pair": '{"preset": "\\ud83d"}',
    "a surrogate as a name": '{"\\udfff": 1}',
    "no UTF-8": b'{"preset": "\xff\xfe"}',
    "a surrogate in UTF-8": b'{"preset": "\xed\xa0\x80"}',
    "nothing": b"",
    "null": b"null",
    "a text": b'"web"',
    "two documents": b'{"preset": "web"}{"preset": "web"}',
    "two byte order marks": b"\xef\xbb\xbf\xef\xbb\xbf{}",
    "many names": json.dumps(dict.fromkeys(map(str, range(8_000)))),
}


@pytest.fixture(scope="module")
def api(start_api: Any) -> Any:
    """An API of one process with two threads: a test fails if a request before it has blocked them."""
    return start_api(
        DARKROOM_API_PROCESSES="1",
        DARKROOM_API_THREADS="2",
        DARKROOM_SILENCE="2",
        DARKROOM_LOG_LEVEL="debug",
        DARKROOM_MAX_UPLOAD_BYTES=str(MOST // 2),
        DARKROOM_MAX_REQUEST_BYTES=str(MOST),
    )


@pytest.fixture(scope="module")
def photo(api: Any, picture: bytes) -> dict[str, Any]:
    uploaded: dict[str, Any] = api.upload_photo(picture)
    return uploaded


@pytest.fixture(autouse=True)
def unharmed(api: Any) -> Iterator[None]:
    """After each test: no internal error is logged, no file is left on disk, and the API answers."""
    yield
    assert api.get("/readyz").ok
    api.wait_until("nothing is left in the spool", lambda: not api.spooled())
    assert not list(api.settings.spool_dir.iterdir())
    assert not api.logged("request.failed")
    assert "Traceback" not in api.log_text()


@pytest.mark.parametrize("path", ["{self}/jobs", "/v1/dead-letters/redrive"])
@pytest.mark.parametrize("body", BODIES)
def test_odd_json_is_refused(api: Any, photo: dict[str, Any], body: str, path: str) -> None:
    answer = api.post(path.format(**photo["links"]), data=BODIES[body], headers=JSON)

    assert answer.status_code in (400, 422), answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert len(answer.content) < 100_000
    assert len(api.record(photo["id"]).jobs) == 1


def test_the_last_of_two_equal_names_in_json_counts(api: Any, picture: bytes) -> None:
    """JSON leaves it open, and most readers do this."""
    jobs = api.upload_photo(picture)["links"]["jobs"]

    answer = api.post(jobs, data='{"preset": "nope", "preset": "metadata"}', headers=JSON)

    assert [job["type"] for job in answer.json()["jobs"]] == ["metadata"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_json_in_another_encoding_is_refused(api: Any, photo: dict[str, Any], encoding: str) -> None:
    answer = api.post(photo["links"]["jobs"], data='{"preset": "nope"}'.encode(encoding), headers=JSON)

    assert answer.status_code in (400, 422), answer.text


def test_jobs_beyond_the_limit_are_refused_and_nothing_changes(api: Any, picture: bytes) -> None:
    photo = api.upload_photo(picture)
    many = {"jobs": [{"type": "metadata"}] * 49}
    assert api.post(photo["links"]["jobs"], json=many).status_code == 202

    answer = api.post(photo["links"]["jobs"], json={"preset": "metadata"})

    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "too_many_jobs")
    assert len(api.record(photo["id"]).jobs) == 50


# --- longer, shorter and slower than announced -------------------------------------------------------------------

FORM = "multipart/form-data; boundary=x"
PART = b'--x\r\nContent-Disposition: form-data; name="photo"; filename="a.jpg"\r\n\r\n'


def send_upload(caller: socket.socket, framing: str, body: bytes, content_type: str) -> None:
    head = f"POST /v1/photos HTTP/1.1\r\nHost: x\r\nContent-Type: {content_type}\r\n{framing}\r\n\r\n"
    caller.sendall(head.encode() + body)


def read_answer(caller: socket.socket) -> tuple[int, dict[str, Any]]:
    answer = http.client.HTTPResponse(caller)
    answer.begin()
    return answer.status, json.loads(answer.read())


@pytest.fixture
def caller(api: Any) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", api.settings.port), timeout=60) as connected:
        yield connected


@pytest.mark.parametrize("content_type", [FORM, "image/jpeg"])
@pytest.mark.parametrize("framing", ["Content-Length: 100000", "Transfer-Encoding: chunked"])
def test_an_upload_that_ends_early_is_refused(
    api: Any, caller: socket.socket, picture: bytes, content_type: str, framing: str
) -> None:
    body = (PART if content_type == FORM else b"") + picture
    chunk = f"{len(body):x}\r\n".encode() + body + b"\r\n"
    before = len(api.get("/v1/photos").json()["photos"])

    send_upload(caller, framing, chunk if "chunked" in framing else body, content_type)
    caller.shutdown(socket.SHUT_WR)

    with contextlib.suppress(http.client.BadStatusLine):  # without the last chunk the API may just hang up
        status, answer = read_answer(caller)
        assert status == 400, answer
    assert len(api.get("/v1/photos").json()["photos"]) == before


def test_bytes_after_the_announced_length_are_not_part_of_the_upload(
    api: Any, caller: socket.socket, picture: bytes
) -> None:
    send_upload(caller, f"Content-Length: {len(picture)}", picture + b"and more that is not HTTP\r\n\r\n", "image/jpeg")

    status, answer = read_answer(caller)

    assert (status, answer["original"]["size"]) == (202, len(picture))
    with contextlib.suppress(ConnectionError):  # or the API closes the connection
        status, answer = read_answer(caller)
        assert (status, answer["type"]) == (400, "urn:darkroom:problem:bad_request")


@pytest.mark.parametrize("content_type", [FORM, "image/jpeg"])
def test_chunks_without_an_end_are_cut_off(api: Any, caller: socket.socket, content_type: str) -> None:
    part = b"2710\r\n" + bytes(10_000) + b"\r\n"
    send_upload(caller, "Transfer-Encoding: chunked", f"{len(PART):x}\r\n".encode() + PART + b"\r\n", content_type)
    count = 0
    with contextlib.suppress(ConnectionError):
        while count < 100 * MOST:
            caller.sendall(part)
            count += 10_000

    assert count < 100 * MOST, "the API must close the connection"


def test_many_slow_uploads_leave_threads_for_others(api: Any, picture: bytes) -> None:
    """There are more callers than threads. Each sends a few bytes, and never the last one."""
    address = ("127.0.0.1", api.settings.port)
    with contextlib.ExitStack() as slow:
        callers = [slow.enter_context(socket.create_connection(address, timeout=60)) for _ in range(4)]
        for caller in callers:
            send_upload(caller, "Content-Length: 100000", PART, FORM)
        for byte in picture[:5]:
            for caller in callers:
                with contextlib.suppress(ConnectionError):
                    caller.sendall(bytes([byte]))

        assert api.upload(("a.jpg", picture)).status_code == 202


@pytest.mark.parametrize(
    ("request_line", "more", "status"),
    [
        ("GET /healthz?" + "x" * 9000 + " HTTP/1.1", "", 414),
        ("GET /healthz HTTP/1.1", "X: " + "x" * 9000 + "\r\n", 431),
        ("GET /healthz HTTP/1.1", "X\0: 1\r\n", 400),
        ("nonsense", "", 400),
        ("GET /healthz HTTP/1.1", "Expect: nonsense\r\n", 417),
        ("GET /healthz?" + "x" * 100_000 + " HTTP/1.1", "", 414),
        ("GET /healthz HTTP/1.1", "".join(f"X-{n}: {'x' * 8000}\r\n" for n in range(5)), 431),
        ("POST /v1/photos HTTP/1.1", "Transfer-Encoding: gzip\r\n", 400),
        ("POST /v1/photos HTTP/1.1", "Transfer-Encoding: gzip, chunked\r\n", 501),
        ("POST /v1/photos HTTP/1.1", "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", 501),
        ("POST /v1/photos HTTP/1.1", "Transfer-Encoding: identity, chunked\r\n", 501),
        ("GET /healthz HTTP/1.1", "TE: gzip, chunked\r\n", 400),
        ("GET /healthz HTTP/1.1", "Host: y\r\n", 400),
        ("POST /v1/photos HTTP/1.1", "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", 400),
        ("POST /v1/photos HTTP/1.1", "Content-Length: -1\r\n", 400),
    ],
)
def test_invalid_http_gets_a_problem_document(caller: socket.socket, request_line: str, more: str, status: int) -> None:
    caller.sendall(f"{request_line}\r\nHost: x\r\n{more}\r\n".encode())

    answer = http.client.HTTPResponse(caller)
    answer.begin()

    assert (answer.status, answer.headers["Content-Type"]) == (status, "application/problem+json")
    problem = json.loads(answer.read())
    assert problem["status"] == status
    assert problem["request_id"] == answer.headers["X-Request-Id"]


SECRET = "dk_mustNotAppear"


@pytest.mark.parametrize(
    ("head", "status", "right"),
    [
        (f"GET /healthz HTTP/1.1\r\nHost: x\r\nAuthorization Bearer {SECRET}\r\n\r\n", 400, "`Name: value`"),
        (f"GET /healthz HTTP/1.1\r\nHost: x\r\nBearer {SECRET}: x\r\n\r\n", 400, "letters, digits and hyphens"),
        (f"GET /healthz HTTP/1.1\r\nHost: x\r\nAuthorization:\r\n Bearer {SECRET}\r\n\r\n", 400, "`Name: value`"),
        (f"GET /healthz HTTP/1.1\r\nHost: x\r\nAuthorization: {SECRET}\0\r\n\r\n", 400, "control characters"),
        (f"GET /healthz HTTP/1.1\r\nHost: Bearer {SECRET}\r\n\r\n", 400, "a host name or an address"),
        (f"GET /healthz HTTP/1.1\r\nHost: x\r\nExpect: {SECRET}\r\n\r\n", 417, "`Expect: 100-continue`"),
        (
            f"GET /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: {SECRET}\r\n\r\n",
            501,
            "`Transfer-Encoding: chunked`",
        ),
        (
            f"GET /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\nX: {SECRET}\r\n\r\n",
            501,
            "chunked`",
        ),
        (f"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: {SECRET}\r\n\r\n", 400, "`Content-Length: NUMBER`"),
        (f"Authorization: Bearer {SECRET}\r\n\r\n", 400, "GET, POST or DELETE"),
        (f"GET {SECRET} HTTP/1.1\r\nHost: x\r\n\r\n", 400, "`METHOD /path HTTP/1.1`"),
        (f"GET /{SECRET}\r\nHost: x\r\n\r\n", 400, "`METHOD /path HTTP/1.1`"),
        (f"GET /healthz {SECRET}\r\nHost: x\r\n\r\n", 400, "HTTP/1.1 or HTTP/1.0"),
        (f"GET /{SECRET * 1000} HTTP/1.1\r\nHost: x\r\n\r\n", 414, "at most 8,190 bytes"),
        (f"GET /healthz HTTP/1.1\r\nHost: x\r\nX: {SECRET * 1000}\r\n\r\n", 431, "8,190 bytes in each"),
    ],
)
def test_an_invalid_head_is_explained_and_not_repeated(
    api: Any, caller: socket.socket, head: str, status: int, right: str
) -> None:
    before = len(api.log_text())
    caller.sendall(head.encode())
    answer = http.client.HTTPResponse(caller)
    answer.begin()
    text = answer.read().decode()

    problem = json.loads(text)
    assert (answer.status, problem["status"]) == (status, status)
    assert right in problem["detail"]
    (line,) = [json.loads(line) for line in api.log_text()[before:].splitlines()]
    assert (line["action"], line["status"], line["trace"]) == ("request.malformed", status, problem["request_id"])
    assert line["detail"] == problem["detail"]
    assert SECRET not in text
    assert SECRET not in api.log_text()


@pytest.mark.parametrize("host", ["", "Host: a b\r\n", "Host: x/y\r\n", "Host: x:80a\r\n"])
def test_http_1_1_needs_a_valid_host(caller: socket.socket, host: str) -> None:
    caller.sendall(f"GET /healthz HTTP/1.1\r\n{host}\r\n".encode())

    status, problem = read_answer(caller)

    assert (status, problem["status"]) == (400, 400)
    assert "Host" in problem["detail"]


@pytest.mark.parametrize(
    "head",
    [
        "GET /healthz HTTP/1.0\r\n",
        "GET /healthz HTTP/1.1\r\nHost:\r\n",
        "GET /healthz HTTP/1.1\r\nHost: [::1]:80\r\n",
        "GET /healthz HTTP/1.1\r\nHost: x\r\nTE: trailers, gzip;q=0.5\r\n",
    ],
)
def test_hosts_and_codings_that_http_allows_are_accepted(caller: socket.socket, head: str) -> None:
    caller.sendall(f"{head}\r\n".encode())

    assert read_answer(caller) == (200, {"status": "ok"})


def test_a_head_that_is_cut_short_is_not_logged(api: Any) -> None:
    with socket.create_connection(("127.0.0.1", api.settings.port), timeout=60) as caller:
        caller.sendall(f"GET /healthz HTTP/1.1\r\nAuthorization: Bearer {SECRET}".encode())
        caller.shutdown(socket.SHUT_WR)
        assert caller.recv(100) == b""

    assert SECRET not in api.log_text()


def test_invalid_chunks_and_trailers_are_explained_and_not_repeated(caller: socket.socket) -> None:
    send_upload(caller, "Transfer-Encoding: chunked", f"1\r\nx\r\n0\r\nBearer {SECRET}\r\n\r\n".encode(), "image/jpeg")

    status, problem = read_answer(caller)

    assert (status, "`Name: value`" in problem["detail"]) == (400, True)
    assert SECRET not in str(problem)


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("path", ["//v1/photos", "///v1/photos", "//healthz", "//", "//docs"])
def test_slashes_at_the_start_of_a_path_get_404(caller: socket.socket, method: str, path: str) -> None:
    caller.sendall(f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".encode())

    status, problem = read_answer(caller)

    assert (status, problem["type"]) == (404, "urn:darkroom:problem:not_found")
    assert problem["instance"] == path


@pytest.mark.parametrize("path", ["/v1/dead-letters//redrive", "/v1/dead-letters///redrive", "/v1/photos//jobs"])
def test_an_empty_id_in_the_path_gets_404(api: Any, path: str) -> None:
    answer = api.post(path, json={"all": True})

    assert answer.status_code == 404, answer.headers
