"""deploy/aws/data.yaml at the endpoint of the environment: created, unchanged, updated, refused."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

import pytest

import darkroom.provision.data
import darkroom.provision.stack
from darkroom.aws.clients import Clients, make_clients
from darkroom.aws.readiness import missing
from darkroom.errors import Unavailable
from darkroom.provision.data import TEMPLATE, provision
from darkroom.provision.stack import ProvisionError
from darkroom.settings import Settings

if TYPE_CHECKING:
    from tests.support.deployment import Deploy, Deployment


def test_every_resource_of_the_settings_is_made(settings: Settings, clients: Clients, aws: Any) -> None:
    urls = aws.client("sqs").list_queues(QueueNamePrefix=settings.stack)["QueueUrls"]
    made = {url.rpartition("/")[2] for url in urls}

    fifo = settings.model_copy(update={"queue_type": "fifo", "events_queue_type": "fifo"})
    assert made == {
        settings.photos_queue,
        settings.photos_dlq,
        fifo.photos_queue,
        fifo.photos_dlq,
        settings.ingest_queue,
        settings.ingest_queue + "-dlq",
        settings.webhooks_queue,
        settings.webhooks_queue + "-dlq",
        settings.events_queue,
        fifo.events_queue,
    }
    table = aws.client("dynamodb").describe_table(TableName=settings.table)["Table"]
    assert {index["IndexName"] for index in table["GlobalSecondaryIndexes"]} == {"by_owner", "due", "dead_letters"}
    assert aws.client("s3").head_bucket(Bucket=settings.bucket)
    assert missing(settings, clients) == []


def test_a_second_run_changes_nothing(settings: Settings, clients: Clients) -> None:
    assert provision(settings, clients) == "unchanged"


def test_an_update_keeps_stored_objects_and_messages(deploy: Deploy) -> None:
    settings, clients = (deployment := deploy()).settings, deployment.clients
    queue = clients.sqs.get_queue_url(QueueName=settings.photos_queue)["QueueUrl"]
    clients.sqs.send_message(QueueUrl=queue, MessageBody="waits")
    clients.s3.put_object(Bucket=settings.bucket, Key="originals/x", Body=b"pixels")
    clients.dynamodb.put_item(TableName=settings.table, Item={"pk": "photo#x"})

    kept_a_week = settings.model_copy(update={"retention_days": 7})
    assert provision(kept_a_week, clients) == "updated"
    assert provision(kept_a_week, clients) == "unchanged"

    assert clients.sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=5)["Messages"][0]["Body"] == "waits"
    assert clients.s3.get_object(Bucket=settings.bucket, Key="originals/x")["Body"].read() == b"pixels"
    assert clients.dynamodb.get_item(TableName=settings.table, Key={"pk": "photo#x"})["Item"] == {"pk": "photo#x"}


def test_parameters_set_by_an_operator_are_kept(deploy: Deploy) -> None:
    settings, clients = (deployment := deploy()).settings, deployment.clients
    clients.cloudformation.update_stack(
        StackName=settings.stack,
        TemplateBody=TEMPLATE.read_text(),
        Parameters=[
            {"ParameterKey": "Name", "UsePreviousValue": True},
            {"ParameterKey": "Bucket", "UsePreviousValue": True},
            {"ParameterKey": "VisibilityTimeout", "ParameterValue": "77"},
        ],
    )
    clients.cloudformation.get_waiter("stack_update_complete").wait(
        StackName=settings.stack, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )

    provision(settings.model_copy(update={"retention_days": 7}), clients)

    queue = clients.sqs.get_queue_url(QueueName=settings.photos_queue)["QueueUrl"]
    attributes = clients.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["VisibilityTimeout"])["Attributes"]
    assert attributes == {"VisibilityTimeout": "77"}


def test_a_parameter_that_the_template_no_longer_has_is_dropped(
    deploy: Deploy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, clients = (deployment := deploy()).settings, deployment.clients
    older = tmp_path / "data.yaml"
    older.write_text(
        TEMPLATE.read_text().replace("Parameters:\n", "Parameters:\n  Gone: { Type: String, Default: x }\n")
    )
    with monkeypatch.context() as before:
        before.setattr(darkroom.provision.data, "TEMPLATE", older)
        assert provision(settings.model_copy(update={"retention_days": 7}), clients) == "updated"
    assert "Gone" in parameters(settings, clients)
    # AWS refuses a parameter that the template has not; not every stand-in does.
    sent: list[str] = []
    clients.cloudformation.meta.events.register(
        "provide-client-params.cloudformation.UpdateStack",
        lambda params, **_: sent.extend(one["ParameterKey"] for one in params["Parameters"]),
    )

    assert provision(settings.model_copy(update={"retention_days": 8}), clients) == "updated"

    assert "Name" in sent
    assert "Gone" not in sent
    assert "Gone" not in parameters(settings, clients)


def parameters(settings: Settings, clients: Clients) -> dict[str, str]:
    (stack,) = clients.cloudformation.describe_stacks(StackName=settings.stack)["Stacks"]
    return {parameter["ParameterKey"]: parameter["ParameterValue"] for parameter in stack["Parameters"]}


def test_the_queues_have_the_visibility_timeout_of_the_settings(deploy: Deploy) -> None:
    settings, clients = (deployment := deploy(DARKROOM_QUEUE_VISIBILITY="300")).settings, deployment.clients

    assert visibility(settings.photos_queue, clients) == visibility(settings.ingest_queue, clients) == "300"

    # What was said once is not taken back by a run that says nothing.
    provision(settings.model_copy(update={"queue_visibility": None}), clients)
    assert visibility(settings.photos_queue, clients) == "300"


def visibility(queue: str, clients: Clients) -> str:
    url = clients.sqs.get_queue_url(QueueName=queue)["QueueUrl"]
    attributes = clients.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout"])["Attributes"]
    return attributes["VisibilityTimeout"]


def test_the_bucket_notifies_the_ingest_queue_of_direct_uploads_and_drops(deploy: Deploy) -> None:
    settings, clients = (deployment := deploy()).settings, deployment.clients
    for key in ("originals/1/1", "uploads/2/2", "results/3/3", "incoming/alice/web/a b.jpg"):
        clients.s3.put_object(Bucket=settings.bucket, Key=key, Body=b"x")
    queue = clients.sqs.get_queue_url(QueueName=settings.ingest_queue)["QueueUrl"]

    told: set[str] = set()
    deadline = time.monotonic() + 60
    while len(told) < 2 and time.monotonic() < deadline:
        answer = clients.sqs_poll.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=1)
        for message in answer.get("Messages", []):
            records = json.loads(message["Body"]).get("Records", [])  # a test event has none
            told |= {unquote_plus(record["s3"]["object"]["key"]) for record in records}
    assert told == {"uploads/2/2", "incoming/alice/web/a b.jpg"}


def test_a_stand_in_is_reached_over_plain_http(settings: Settings, clients: Clients) -> None:
    """On AWS, where the endpoint is https, the template's policies refuse plain http."""
    assert parameters(settings, clients)["RequireTls"] == "false"


def test_no_page_of_another_origin_may_use_the_bucket_by_default(settings: Settings, clients: Clients) -> None:
    with pytest.raises(clients.s3.exceptions.ClientError, match="NoSuchCORSConfiguration"):
        clients.s3.get_bucket_cors(Bucket=settings.bucket)


def test_a_failed_deployment_names_the_resource_and_can_be_corrected(
    deployment: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = deployment.settings.stack + "-bad"
    settings = deployment.settings.model_copy(update={"stack": name, "bucket": name})
    bad = tmp_path / "data.yaml"
    # Two faults, because each of the stand-ins lets one of them pass.
    faulty = TEMPLATE.read_text().replace("${Name}-photo-webhooks\n", "${Name}-photo-webhooks!\n")
    bad.write_text(faulty.replace("!GetAtt WebhooksDeadLetters.Arn", "!GetAtt WebhooksDeadLetters.Nothing"))
    monkeypatch.setattr(darkroom.provision.data, "TEMPLATE", bad)

    with pytest.raises(ProvisionError, match="Webhooks"):
        provision(settings, deployment.clients)

    monkeypatch.undo()
    assert provision(settings, deployment.clients) in ("created", "updated")
    assert missing(settings, deployment.clients) == []
    assert deployment.clients.sqs.get_queue_url(QueueName=settings.webhooks_queue)


def test_an_installation_without_the_templates_is_an_error_that_says_so(
    deployment: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(darkroom.provision.data, "TEMPLATE", tmp_path / "data.yaml")

    with pytest.raises(ProvisionError, match=r"data\.yaml is missing: .* `make install`"):
        provision(deployment.settings, deployment.clients)


def test_missing_names_each_resource_that_does_not_exist(settings: Settings, clients: Clients) -> None:
    elsewhere = settings.model_copy(update={"stack": "nowhere", "bucket": "nowhere-either"})

    assert missing(elsewhere, clients) == [
        "the queue nowhere-photos does not exist; run `darkroom provision`",
        "the bucket nowhere-either does not exist; run `darkroom provision`",
        "the table nowhere does not exist; run `darkroom provision`",
    ]


@pytest.fixture
def nobody_answers(endpoint: str, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Clients:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    return make_clients(settings)


def test_missing_says_that_aws_cannot_be_reached(settings: Settings, nobody_answers: Clients) -> None:
    faults = missing(settings, nobody_answers)

    assert [fault.split(" failed")[0] for fault in faults] == [
        f"looking for the queue {settings.photos_queue}",
        f"looking for the bucket {settings.bucket}",
        f"looking for the table {settings.table}",
    ]


def test_waiting_for_the_endpoint_ends_with_an_error(
    settings: Settings, nobody_answers: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(darkroom.provision.stack, "REACHABLE_WITHIN", 1)

    with pytest.raises(Unavailable, match=r"http://127\.0\.0\.1:1 does not answer: looking for the stack") as caught:
        provision(settings, nobody_answers)
    assert caught.value.certain
