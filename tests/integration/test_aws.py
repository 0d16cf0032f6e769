"""How errors of AWS are reported, with a server that fails on demand."""

from __future__ import annotations

import http.server
import io
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from darkroom.aws.bucket import Bucket
from darkroom.aws.clients import Clients, make_clients
from darkroom.aws.failures import aws_errors, error_code
from darkroom.errors import SettingsError, Unavailable
from darkroom.settings import Settings

HANG_UP = 0


class Faulty(http.server.BaseHTTPRequestHandler):
    """Answers each request with the next of `statuses`, and then with the last one again."""

    statuses: list[int]

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        if status == HANG_UP:
            self.close_connection = True
            return
        body = b'{"__type": "Scripted", "message": "as told"}'
        self.send_response(status)
        self.send_header("x-amzn-RequestId", "1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")


@pytest.fixture
def faulty(credentials: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Clients]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Faulty) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
        yield make_clients(Settings())
        server.shutdown()


@pytest.mark.parametrize(
    ("statuses", "certain"),
    [
        pytest.param([400], True, id="refused"),
        pytest.param([503], True, id="throttled"),
        pytest.param([500], False, id="broke down, perhaps afterwards"),
        pytest.param([HANG_UP], False, id="hung up after the request"),
        pytest.param([HANG_UP, 400], False, id="hung up, then refused the second try"),
        pytest.param([500, 503], False, id="broke down, then throttled the second try"),
    ],
)
def test_an_error_says_whether_the_request_was_certainly_not_carried_out(
    faulty: Clients, monkeypatch: pytest.MonkeyPatch, statuses: list[int], certain: bool
) -> None:
    monkeypatch.setattr(Faulty, "statuses", statuses, raising=False)

    with pytest.raises(Unavailable, match="sending the message failed: ") as caught, aws_errors("sending the message"):
        faulty.sqs.send_message(QueueUrl="http://127.0.0.1/queue", MessageBody="{}")
    assert caught.value.certain is certain


def test_an_earlier_call_does_not_make_a_later_one_doubtful(faulty: Clients, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Faulty, "statuses", [HANG_UP, HANG_UP, HANG_UP, 400], raising=False)

    for certain in (False, True):
        with pytest.raises(Unavailable) as caught, aws_errors("sending"):
            faulty.sqs.send_message(QueueUrl="http://127.0.0.1/queue", MessageBody="{}")
        assert caught.value.certain is certain


def test_without_a_connection_a_request_was_certainly_not_carried_out(
    credentials: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    clients = make_clients(Settings())

    with pytest.raises(Unavailable) as caught, aws_errors("sending"):
        clients.sqs.send_message(QueueUrl="http://127.0.0.1:1/queue", MessageBody="{}")
    assert caught.value.certain


def test_errors_that_are_not_of_aws_pass_unchanged(faulty: Clients) -> None:
    with pytest.raises(TypeError, match="DynamoDB has no float"), aws_errors("writing"):
        faulty.dynamodb.put_item(TableName="t", Item={"pk": 1.5})  # type: ignore[dict-item]
    with pytest.raises(FileNotFoundError), aws_errors("reading"):
        raise FileNotFoundError


def test_an_error_without_a_code_is_called_unknown() -> None:
    assert error_code(ClientError({}, "GetItem")) == "Unknown"


def test_the_region_may_be_in_either_variable(credentials: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.setenv("AWS_REGION", "eu-central-1")

    assert make_clients(Settings()).sqs.meta.region_name == "eu-central-1"


@pytest.mark.parametrize(
    ("missing", "named"),
    [("AWS_DEFAULT_REGION", "AWS_REGION"), ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")],
)
def test_a_missing_setting_of_boto3_is_named(
    credentials: None, monkeypatch: pytest.MonkeyPatch, missing: str, named: str
) -> None:
    for name in (missing, "AWS_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    # The machine that the tests run on may have its own.
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")

    with pytest.raises(SettingsError, match=named):
        make_clients(Settings())


def test_an_endpoint_that_is_not_a_url_is_named(credentials: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "localhost")

    with pytest.raises(SettingsError, match="AWS_ENDPOINT_URL"):
        make_clients(Settings())


def test_links_are_signed_for_the_public_host(credentials: None) -> None:
    settings = Settings.model_validate({"s3_public_endpoint_url": "https://s3.example.com/"})

    link = make_clients(settings).s3_public.generate_presigned_url(
        "get_object", Params={"Bucket": "photos", "Key": "results/x"}
    )

    assert link.startswith("https://s3.example.com/photos/results/x?")
    assert "X-Amz-Algorithm=AWS4-HMAC-SHA256" in link
    assert "X-Amz-SignedHeaders=host&" in link


@pytest.mark.parametrize("key", ["", None])
def test_an_empty_key_is_an_error_of_ours_and_nothing_is_sent(credentials: None, key: Any) -> None:
    """Without its key the path of an object is the path of the bucket."""
    bucket = Bucket(Settings(), make_clients(Settings()))
    calls: list[Callable[[], object]] = [
        lambda: bucket.exists(key),
        lambda: bucket.read(key),
        lambda: bucket.link(key),
        lambda: bucket.put(key, io.BytesIO(b"x"), "image/jpeg", "00" * 32, lambda: None),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="the key of an object in S3 is empty"):
            call()
