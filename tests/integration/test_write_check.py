"""A writer that loses its right during a PUT or a copy stores nothing: neither in this try nor in the next one."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse

from darkroom.aws.bucket import Bucket
from darkroom.aws.clients import Clients, make_clients
from darkroom.errors import ClaimLost, WrongHash
from tests.support.deployment import Deployment
from tests.support.fault_proxy import LOST_REQUEST, FaultProxy
from tests.support.stack import store_file

MIB = 1024 * 1024

CHUNK = 16 * 1024
"""What urllib3 reads of a file at a time."""


class Raw(io.BytesIO):
    def stream(self, *_: Any, **__: Any) -> list[bytes]:
        return [self.read()]


class Right:
    """The right to write. It is lost at the `lost_at`-th check after the first request was sent; never if that is 0."""

    def __init__(self, clients: Clients, lost_at: int = 0) -> None:
        self.lost_at = lost_at
        self.requests = self.checks = 0
        clients.s3.meta.events.register_last("before-send", self._count)

    def __call__(self) -> None:
        self.checks += self.requests > 0
        if 0 < self.lost_at <= self.checks:
            raise ClaimLost("another worker has the order")

    def _count(self, **_: Any) -> None:
        self.requests += 1


@pytest.fixture
def proxy(endpoint: str) -> Iterator[FaultProxy]:
    with FaultProxy(endpoint) as proxy:
        yield proxy


@pytest.fixture
def clients(proxy: FaultProxy, deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> Clients:
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
    return make_clients(deployment.settings)


@pytest.fixture
def bucket(deployment: Deployment, clients: Clients) -> Bucket:
    return Bucket(deployment.settings, clients)


def test_a_writer_with_the_right_stores_the_whole_file(bucket: Bucket, clients: Clients) -> None:
    right = Right(clients)
    store_file(bucket, "whole", b"x" * 2 * MIB, may_write=right)
    assert bucket.read("whole") == b"x" * 2 * MIB
    assert right.checks > 2, "during the body, too"


def test_a_put_whose_right_is_lost_during_the_body(bucket: Bucket, clients: Clients) -> None:
    right = Right(clients, lost_at=3)
    with pytest.raises(ClaimLost):
        store_file(bucket, "cut", b"x" * 4 * MIB, may_write=right)
    assert right.requests == 1
    assert not bucket.exists("cut")


def test_a_put_whose_right_is_lost_between_two_tries(bucket: Bucket, clients: Clients, proxy: FaultProxy) -> None:
    proxy.rule("s3.PutObject", LOST_REQUEST, times=1)
    right = Right(clients)

    def lost_after_the_first_try() -> None:
        right()
        if proxy.seen("s3.PutObject"):
            raise ClaimLost("another worker has the order")

    with pytest.raises(ClaimLost):
        store_file(bucket, "second-try", b"x", may_write=lost_after_the_first_try)
    assert proxy.seen("s3.PutObject") == right.requests == 1
    assert not bucket.exists("second-try")


def test_a_copy_whose_right_is_lost_between_two_tries(bucket: Bucket, clients: Clients, proxy: FaultProxy) -> None:
    store_file(bucket, "source", b"x")
    etag = bucket.etag("source")
    assert etag is not None
    proxy.rule("s3.PutObject", LOST_REQUEST, times=1)
    right = Right(clients, lost_at=1)
    with pytest.raises(ClaimLost):
        bucket.copy("source", etag, "target", "image/jpeg", right)
    assert right.requests == 1
    assert not bucket.exists("target")


def test_over_https_the_file_is_sent_in_chunks_and_each_read_is_checked(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is sent: a handler reads the body as the connection would, and answers."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://s3.example.com")
    clients = make_clients(deployment.settings)
    sent = []
    headers: dict[str, bytes] = {}

    def answer(request: Any, **_: Any) -> AWSResponse:
        headers.update(request.headers)
        while block := request.body.read(CHUNK):
            sent.append(bytes(block))  # the next read overwrites it
        return AWSResponse(request.url, 200, {"x-amz-request-id": "1"}, Raw())

    clients.s3.meta.events.register_last("before-send", answer)
    bucket = Bucket(deployment.settings, clients)
    checks = []
    store_file(bucket, "https", b"x" * 3 * MIB, may_write=lambda: checks.append(len(sent)))
    assert b"".join(sent).count(b"x" * MIB) == 3
    assert len(set(checks)) > 2, "while the file is sent"
    # The known hash, with which S3 compares what it gets: nothing is computed from the whole file.
    assert headers["x-amz-checksum-sha256"] == base64.b64encode(hashlib.sha256(b"x" * 3 * MIB).digest())
    assert headers["X-Amz-Content-SHA256"] == b"UNSIGNED-PAYLOAD"
    assert "Expect" not in headers


def test_what_is_appended_to_a_file_while_it_is_sent_does_not_reach_s3(
    bucket: Bucket, clients: Clients, proxy: FaultProxy
) -> None:
    """It would be another request of the same connection, and a child has no network."""
    file = io.BytesIO(b"x" * MIB)
    smuggled = f"DELETE /{bucket._name}/victim HTTP/1.1\r\nHost: s3\r\nContent-Length: 0\r\n\r\n".encode()
    right = Right(clients)

    def append() -> None:
        right()
        if right.checks == 1:
            at = file.tell()
            file.seek(0, io.SEEK_END)
            file.write(smuggled)
            file.seek(at)

    bucket.put("grows", file, "image/jpeg", hashlib.sha256(b"x" * MIB).hexdigest(), append)
    assert file.getvalue().endswith(smuggled)
    assert bucket.read("grows") == b"x" * MIB
    assert not proxy.seen("s3.DeleteObject")


def test_the_check_is_for_this_call_only(bucket: Bucket) -> None:
    def lost() -> None:
        raise ClaimLost("another worker has the order")

    with pytest.raises(ClaimLost):
        store_file(bucket, "never", b"x", may_write=lost)
    assert not bucket.exists("never")


def test_s3_refuses_bytes_with_another_hash(bucket: Bucket, clients: Clients) -> None:
    """The stand-ins for AWS need not compare, so a handler answers as S3 does."""
    answers = []

    def refuse(request: Any, **_: Any) -> AWSResponse:
        answers.append(request.headers["x-amz-checksum-sha256"])
        refusal = Raw(b"<Error><Code>BadDigest</Code><Message>did not match</Message></Error>")
        return AWSResponse(request.url, 400, {"x-amz-request-id": "1"}, refusal)

    clients.s3.meta.events.register_last("before-send", refuse)
    with pytest.raises(WrongHash) as caught:
        store_file(bucket, "damaged", b"x")
    assert caught.value.certain
    assert len(answers) == 1
