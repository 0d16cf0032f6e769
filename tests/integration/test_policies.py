"""deploy/aws/policies.yaml, enforced: `make policies` runs the tests of API and workers under it as well.

These here show that something is refused at all, so that all the others show something.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError

from darkroom.aws.clients import make_clients
from darkroom.aws.failures import error_code
from darkroom.local.emulator import Emulator
from darkroom.provision.data import provision, provision_policies
from darkroom.settings import Settings, read_settings
from tests.support.principals import principals

if TYPE_CHECKING:
    from darkroom.aws.clients import Clients

REFUSED = {"AccessDenied", "AccessDeniedException"}


class Principal:
    """A principal with the permissions of one policy."""

    def __init__(self, endpoint: str, variables: dict[str, str]) -> None:
        self._session = boto3.Session(
            aws_access_key_id=variables["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
            region_name="us-east-1",
        )
        self._endpoint = endpoint

    def may(self, service: str, call: str, **arguments: Any) -> bool:
        try:
            getattr(self._session.client(service, endpoint_url=self._endpoint), call)(**arguments)
        except ClientError as error:
            # Allowed, and not there: an answer all the same.
            return error_code(error) not in REFUSED and error.response["ResponseMetadata"]["HTTPStatusCode"] != 403
        return True


class EnforcedDeployment:
    """Darkroom with some photos in an emulator that enforces policies, and the principals that use it."""

    def __init__(self, endpoint: str, settings: Settings, clients: Clients) -> None:
        self.settings = settings
        self.clients = clients
        who = principals(settings, clients)
        self.api, self.worker = Principal(endpoint, who["api"]), Principal(endpoint, who["worker"])
        for key in ("originals/1/1", "results/1/1/1/1.jpg", "uploads/1/1", "incoming/alice/web/1.jpg", "else/1"):
            clients.s3.put_object(Bucket=settings.bucket, Key=key, Body=b"x")

    def url(self, queue: str) -> str:
        return self.clients.sqs.get_queue_url(QueueName=queue)["QueueUrl"]

    def get(self, key: str) -> dict[str, Any]:
        return {"service": "s3", "call": "get_object", "Bucket": self.settings.bucket, "Key": key}

    def put(self, key: str) -> dict[str, Any]:
        more = {"Bucket": self.settings.bucket, "Key": key, "Body": io.BytesIO(b"x")}
        return {"service": "s3", "call": "put_object", **more}

    def delete(self, key: str) -> dict[str, Any]:
        return {"service": "s3", "call": "delete_object", "Bucket": self.settings.bucket, "Key": key}

    def send(self, queue: str) -> dict[str, Any]:
        return {"service": "sqs", "call": "send_message", "QueueUrl": self.url(queue), "MessageBody": "x"}

    def receive(self, queue: str) -> dict[str, Any]:
        return {"service": "sqs", "call": "receive_message", "QueueUrl": self.url(queue)}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EnforcedDeployment]:
    with pytest.MonkeyPatch.context() as environ:
        environ.setenv("AUTH", "true")
        environ.setenv("AWS_DEFAULT_REGION", "us-east-1")
        environ.setenv("AWS_ACCESS_KEY_ID", "test")
        environ.setenv("AWS_SECRET_ACCESS_KEY", "test")
        with Emulator(tmp_path_factory.mktemp("aws")) as emulator:
            environ.setenv("AWS_ENDPOINT_URL", emulator.url)
            settings = read_settings({"DARKROOM_STACK": "enforced", "DARKROOM_BUCKET": "enforced-photos"})
            clients = make_clients(settings)
            provision(settings, clients)
            yield EnforcedDeployment(emulator.url, settings, clients)


Asked = Callable[[EnforcedDeployment], dict[str, Any]]

ALLOWED: dict[str, list[tuple[str, Asked]]] = {
    "api": [
        ("store an original", lambda site: site.put("originals/2/2")),
        ("lend the right to upload", lambda site: site.put("uploads/2/2")),
        ("lend the right to read a result", lambda site: site.get("results/1/1/1/1.jpg")),
        ("queue an order", lambda site: site.send(site.settings.photos_queue)),
        ("have a photo by URL fetched", lambda site: site.send(site.settings.ingest_queue)),
    ],
    "worker": [
        ("read an original", lambda site: site.get("originals/1/1")),
        ("read a dropped file", lambda site: site.get("incoming/alice/web/1.jpg")),
        ("store a result", lambda site: site.put("results/1/1/1/2.jpg")),
        ("receive an order", lambda site: site.receive(site.settings.photos_queue)),
        ("bury a message", lambda site: site.send(site.settings.ingest_dlq)),
        ("name a lost upload", lambda site: site.send(site.settings.ingest_queue)),
        ("store the file of a photo by URL", lambda site: site.put("uploads/3/3")),
    ],
}

REFUSALS: dict[str, list[tuple[str, Asked]]] = {
    "api": [
        ("receive an order", lambda site: site.receive(site.settings.photos_queue)),
        ("receive notifications", lambda site: site.receive(site.settings.ingest_queue)),
        ("bury a message", lambda site: site.send(site.settings.ingest_dlq)),
        ("write a result", lambda site: site.put("results/1/1/1/3.jpg")),
        ("read what was dropped", lambda site: site.get("incoming/alice/web/1.jpg")),
        ("read elsewhere in the bucket", lambda site: site.get("else/1")),
    ],
    "worker": [
        ("delete what somebody dropped", lambda site: site.delete("incoming/alice/web/1.jpg")),
        ("write where callers drop files", lambda site: site.put("incoming/alice/web/3.jpg")),
        ("read the events, which are the user's", lambda site: site.receive(site.settings.events_queue)),
        ("read elsewhere in the bucket", lambda site: site.get("else/1")),
    ],
    "both": [
        ("delete the table", lambda site: _of("dynamodb", "delete_table", TableName=site.settings.table)),
        ("read every record", lambda site: _of("dynamodb", "scan", TableName=site.settings.table)),
        ("delete the bucket", lambda site: _of("s3", "delete_bucket", Bucket=site.settings.bucket)),
        ("read the bucket's policy", lambda site: _of("s3", "get_bucket_policy", Bucket=site.settings.bucket)),
        ("empty a queue", lambda site: _of("sqs", "purge_queue", QueueUrl=site.url(site.settings.photos_queue))),
        ("list all queues", lambda _: _of("sqs", "list_queues")),
        ("make users", lambda _: _of("iam", "create_user", UserName="mallory")),
    ],
}


def _of(service: str, call: str, **arguments: Any) -> dict[str, Any]:
    return {"service": service, "call": call, **arguments}


@pytest.mark.parametrize(
    ("part", "asked"),
    [pytest.param(part, ask, id=f"{part}: {what}") for part in ALLOWED for what, ask in ALLOWED[part]],
)
def test_each_policy_allows_what_its_part_needs(site: EnforcedDeployment, part: str, asked: Asked) -> None:
    assert getattr(site, part).may(**asked(site))


@pytest.mark.parametrize(
    ("part", "asked"),
    [
        pytest.param(part, ask, id=f"{part}: {what}")
        for group, cases in REFUSALS.items()
        for part in (("api", "worker") if group == "both" else (group,))
        for what, ask in cases
    ],
)
def test_each_policy_denies_what_its_part_must_not_do(site: EnforcedDeployment, part: str, asked: Asked) -> None:
    assert not getattr(site, part).may(**asked(site))


def test_deploying_the_policies_again_changes_nothing(site: EnforcedDeployment) -> None:
    assert provision_policies(site.settings, site.clients).keys() == {"ApiPolicy", "WorkerPolicy"}
    assert provision_policies(site.settings, site.clients) == provision_policies(site.settings, site.clients)
