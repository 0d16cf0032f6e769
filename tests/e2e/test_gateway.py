"""`docker compose --profile gateway up`: LocalStack's API Gateway before everything, by deploy/aws/gateway.yaml."""

from __future__ import annotations

import io
import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import localstack_client.session
import pytest
import requests
from PIL import Image

if TYPE_CHECKING:
    from tests.support.compose import ComposeProject

pytestmark = [pytest.mark.compose, pytest.mark.timeout(1200)]

MakePhoto = Callable[[int, int], bytes]

BUCKET = "darkroom-photos"
ID = "darkroom"
"""Of the gateway, as the template's tag asks LocalStack for it."""

MOST_OF_A_GATEWAY = 10 * 1024 * 1024
"""Bytes that API Gateway takes on AWS."""


@dataclass
class DeployedGateway:
    stack: ComposeProject
    url: str
    key: str
    s3: Any

    def ingest(self, body: object, key: str | None = None) -> requests.Response:
        return self.stack.http.post(
            f"{self.url}/v1/ingest", json=body, headers={"x-api-key": self.key if key is None else key}, timeout=60
        )

    def photo_called(self, filename: str) -> dict[str, Any]:
        """The photo of a file that was put into the bucket, when all its jobs have ended."""
        self.stack.until(f"{filename} is a photo", lambda: bool(self._called(filename)))
        (photo,) = self._called(filename)
        return self.stack.ended(photo)

    def _called(self, filename: str) -> list[dict[str, Any]]:
        page = self.stack.http.get(f"{self.url}/v1/photos", params={"limit": 100}, timeout=60)
        assert page.status_code == 200, page.text
        photos: list[dict[str, Any]] = page.json()["photos"]
        return [photo for photo in photos if photo["original"] and photo["original"]["filename"] == filename]


@pytest.fixture(scope="module")
def gateway(stack: ComposeProject) -> DeployedGateway:
    stack.compose("--profile", "gateway", "up", "-d")
    said: list[str] = []

    def deployed() -> bool:
        said[:] = re.findall(
            r"(?:gateway|x-api-key) +(\S+)",
            stack.compose("--profile", "gateway", "logs", "--no-log-prefix", "gateway").stdout,
        )
        return len(said) == 2

    stack.until("the gateway is deployed and says where it is", deployed)
    assert said[0] == f"{stack.storage_url}/_aws/execute-api/{ID}/live"
    return DeployedGateway(stack, *said, aws(stack, "s3"))


def aws(stack: ComposeProject, service: str) -> Any:
    """What LocalStack has, as a user would look at it."""
    with pytest.MonkeyPatch.context() as environ:
        environ.setenv("AWS_ENDPOINT_URL", stack.storage_url)  # where localstack_client looks
        return localstack_client.session.Session(region_name="us-east-1").client(service)


def test_an_upload_through_the_gateway(gateway: DeployedGateway, make_photo: MakePhoto) -> None:
    answer = gateway.stack.http.post(
        f"{gateway.url}/v1/photos",
        files={"photo": ("photo.jpg", make_photo(640, 480), "image/jpeg")},
        data={"jobs": json.dumps([{"type": "resize", "width": 64}])},
        timeout=60,
    )
    assert answer.status_code == 202, answer.text
    photo = gateway.stack.ended(answer.json())

    assert photo["status"] == "succeeded"
    through = gateway.stack.http.get(f"{gateway.url}/v1/photos/{photo['id']}", timeout=60)
    assert through.json() == photo
    # Links work for whoever came through the gateway, although they lead past it here.
    result = gateway.stack.http.get(photo["jobs"][0]["links"]["result"], timeout=60)
    assert Image.open(io.BytesIO(result.content)).size == (64, 48)


def test_a_photo_as_the_body_arrives_as_it_was(gateway: DeployedGateway, make_photo: MakePhoto) -> None:
    answer = gateway.stack.http.post(
        f"{gateway.url}/v1/photos",
        params={"filename": "raw.jpg"},
        data=make_photo(320, 240),
        headers={"Content-Type": "image/jpeg"},
        timeout=60,
    )
    assert answer.status_code == 202, answer.text
    assert gateway.stack.ended(answer.json())["status"] == "succeeded"


def test_errors_of_the_api_come_through(gateway: DeployedGateway) -> None:
    answer = gateway.stack.http.get(f"{gateway.url}/v1/photos/00000000-0000-7000-8000-000000000000", timeout=60)
    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_a_direct_upload_of_50_mb(gateway: DeployedGateway) -> None:
    """Five times what a gateway takes: only the form goes through it."""
    noise = Image.frombytes("RGB", (4200, 4000), os.urandom(4200 * 4000 * 3))
    file = io.BytesIO()
    noise.save(file, "PNG", compress_level=0)
    assert len(file.getvalue()) > 50_000_000 > MOST_OF_A_GATEWAY
    answer = gateway.stack.http.post(
        f"{gateway.url}/v1/uploads",
        json={"jobs": [{"type": "resize", "width": 100}], "filename": "large.png"},
        timeout=60,
    )
    assert answer.status_code == 201, answer.text
    photo, upload = answer.json(), answer.json()["upload"]
    assert photo["status"] == "awaiting_upload"

    sent = gateway.stack.http.post(
        upload["url"], data=upload["fields"], files={"file": ("large.png", file.getvalue(), "image/png")}, timeout=300
    )

    assert sent.ok, sent.text
    assert upload["url"].startswith(gateway.stack.storage_url)
    ended = gateway.stack.ended(photo)
    assert ended["status"] == "succeeded", ended
    original = ended["original"]
    assert (original["width"], original["height"], original["size"]) == (4200, 4000, len(file.getvalue()))


def test_a_bucket_drop(gateway: DeployedGateway, make_photo: MakePhoto) -> None:
    gateway.s3.put_object(Bucket=BUCKET, Key="incoming/default/web/dropped & ü.jpg", Body=make_photo(640, 480))

    photo = gateway.photo_called("dropped & ü.jpg")

    assert photo["status"] == "succeeded"
    assert {job["type"] for job in photo["jobs"]} >= {"resize"}


def test_ingest_of_a_file_that_lies_there(gateway: DeployedGateway, make_photo: MakePhoto) -> None:
    key = 'incoming/default/it\'s "quoted" & 100%+.jpg'
    gateway.s3.put_object(Bucket=BUCKET, Key=key, Body=make_photo(640, 480))
    metadata = {"shelf": "b\\2", "n": 7, "ok": True}

    answer = gateway.ingest({"key": key, "preset": "web", "reference": "it's mine", "metadata": metadata})

    assert answer.status_code == 202, answer.text
    assert answer.json().keys() == {"message", "trace"}
    photo = gateway.photo_called(key.rpartition("/")[2])
    assert photo["status"] == "succeeded"
    assert (photo["reference"], photo["metadata"]) == ("it's mine", metadata)


def test_bad_bodies_get_400_from_the_gateway(gateway: DeployedGateway) -> None:
    good = {"key": "incoming/default/x.jpg", "preset": "web"}
    for bad in (
        {},
        [],
        {"key": good["key"]},
        {"preset": "web"},
        good | {"key": "originals/x"},
        good | {"key": "incoming/default/" + "x" * 1024},
        good | {"preset": 7},
        good | {"reference": "x" * 257},
        good | {"metadata": {"a": ["list"]}},
        good | {"metadata": {"x" * 65: 1}},
        good | {"owner": "somebody-else"},
    ):
        answer = gateway.ingest(bad)
        assert answer.status_code == 400, f"{bad}: {answer.status_code} {answer.text}"


def test_ingest_wants_the_key(gateway: DeployedGateway) -> None:
    for key in ("", "not-the-key"):
        assert gateway.ingest({"key": "incoming/default/x.jpg", "preset": "web"}, key).status_code in (401, 403)


def test_it_may_be_deployed_again_changed_and_deleted(gateway: DeployedGateway) -> None:
    """Comes last: nothing of the gateway is there afterwards."""
    again = gateway.stack.compose(
        *("run", "--rm", "-T", "--no-deps", "gateway", "darkroom", "provision", "--gateway", "http://api:8080")
    )
    assert f"{gateway.url} (unchanged)" in again.stdout

    nowhere = ("darkroom", "provision", "--gateway", "http://api:9")
    changed = gateway.stack.compose("run", "--rm", "-T", "--no-deps", "gateway", *nowhere)
    assert f"{gateway.url} (updated)" in changed.stdout
    assert gateway.key in changed.stdout
    assert gateway.stack.http.get(f"{gateway.url}/healthz", timeout=60).status_code >= 500, "the change is not live"

    run = ("run", "--rm", "-T", "--no-deps", "-e", "DARKROOM_QUEUE_VISIBILITY=300", "gateway", "darkroom", "provision")
    assert "darkroom (updated)" in gateway.stack.compose(*run).stdout
    sqs = aws(gateway.stack, "sqs")
    queue = sqs.get_queue_url(QueueName="darkroom-photo-ingest")["QueueUrl"]
    set_to = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["VisibilityTimeout"])["Attributes"]
    assert set_to == {"VisibilityTimeout": "300"}

    cloudformation = aws(gateway.stack, "cloudformation")
    for stack in ("darkroom-gateway", "darkroom"):
        cloudformation.delete_stack(StackName=stack)
        cloudformation.get_waiter("stack_delete_complete").wait(
            StackName=stack, WaiterConfig={"Delay": 1, "MaxAttempts": 120}
        )
    assert aws(gateway.stack, "apigateway").get_rest_apis()["items"] == []
    assert "QueueUrls" not in sqs.list_queues()
