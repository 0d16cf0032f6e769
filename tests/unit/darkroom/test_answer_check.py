"""Answers that did not come from AWS: what counts as one, over https and over plain http. Nothing is sent here."""

from __future__ import annotations

import io
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse

from darkroom.aws import answer_check
from darkroom.aws.clients import Clients, make_clients
from darkroom.aws.failures import aws_errors
from darkroom.errors import Unavailable
from darkroom.settings import Settings

PAGE = b"<html><body>Please log in.</body></html>"
FROM_AWS = {"x-amzn-RequestId": "1"}


class Raw(io.BytesIO):
    def stream(self, *_: Any, **__: Any) -> list[bytes]:
        return [self.read()]


class Answers:
    """Clients whose every call gets the same answer."""

    def __init__(self, clients: Clients, headers: dict[str, str], body: bytes) -> None:
        self.clients = clients
        self.calls = 0
        self.headers, self.body = headers, body
        for client in (clients.s3, clients.sqs):
            client.meta.events.register("before-send", self._answer)

    def _answer(self, request: Any, **_: Any) -> AWSResponse:
        self.calls += 1
        return AWSResponse(request.url, 200, self.headers, Raw(self.body))


@pytest.fixture
def clients(scheme: str, monkeypatch: pytest.MonkeyPatch) -> Clients:
    for name, value in {
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_ENDPOINT_URL": f"{scheme}://aws.example.com",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("time.sleep", lambda _: None)  # the SDK's pauses between its tries
    return make_clients(Settings())


@pytest.mark.parametrize("scheme", ["https", "http"])
def test_a_page_without_a_request_id_is_not_an_answer_of_aws(clients: Clients) -> None:
    answers = Answers(clients, {"content-type": "text/html"}, PAGE)

    for call in (
        lambda: clients.sqs.send_message(QueueUrl="https://aws.example.com/queue", MessageBody="{}"),
        lambda: clients.s3.put_object(Bucket="photos", Key="originals/1", Body=b""),
    ):
        answers.calls = 0
        with pytest.raises(Unavailable, match="an answer that is not from AWS") as caught, aws_errors("storing"):
            call()
        assert not caught.value.certain
        assert answers.calls == 3, "the SDK tries again"


@pytest.mark.parametrize("scheme", ["http"])
def test_half_an_answer_over_plain_http_is_not_an_answer(clients: Clients) -> None:
    Answers(clients, FROM_AWS, b'{"MessageId": "1", "MD5')

    with pytest.raises(Unavailable), aws_errors("sending"):
        clients.sqs.send_message(QueueUrl="https://aws.example.com/queue", MessageBody="{}")


@pytest.mark.parametrize("scheme", ["https"])
def test_a_body_that_came_over_https_is_parsed_by_botocore_only(
    clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = Answers(clients, FROM_AWS, b'{"QueueUrl": "https://aws.example.com/queue"}')

    def parse_again(*_: Any) -> bool:
        raise AssertionError("the body is parsed a second time")

    monkeypatch.setattr(answer_check, "_has_sound_body", parse_again)

    assert clients.sqs.get_queue_url(QueueName="queue")["QueueUrl"] == "https://aws.example.com/queue"
    assert answers.calls == 1
