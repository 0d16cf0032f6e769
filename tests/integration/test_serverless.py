"""The serverless templates, deployed: gateway, functions and queues on the embedded emulator, as `make run-serverless`
starts them. The tests come in over HTTP, as callers do, and look into the emulator from outside.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from PIL import Image

from api.routes.docs_page import ASSETS
from darkroom.provision.stack import TEMPLATES
from darkroom.provision.stack import Stack as StackOnAws
from darkroom.services import Services
from darkroom.settings import read_settings
from tests.support.embedded_run import ended, is_port_free
from tests.support.serverless_run import OWN, Serverless, ServerlessProcess, url_in, wait_for_photo
from tests.support.stack import Stack
from tests.support.waiting import PATIENCE, wait_until
from tests.support.worker_process import children_of

TOO_MUCH_MEMORY = {
    "type": "resize",
    "width": 7_900,
    "height": 7_900,
    "fit": "fill",
    "output": {"format": "webp"},
}
"""The picture of 250 MB fits into the memory of a child, so the job is not refused before. The encoder does not."""

SLOW = {
    "type": "pipeline",
    "steps": [
        {"type": "resize", "width": 4000, "height": 3000},
        *[{"type": "filter", "filter": "blur", "sigma": 50}] * 6,
        {"type": "resize", "width": 100},
    ],
}


@pytest.fixture(scope="module")
def serverless(tmp_path_factory: pytest.TempPathFactory, picture: bytes) -> Iterator[Serverless]:
    folder = tmp_path_factory.mktemp("serverless")
    process = ServerlessProcess(folder)
    process.environ = OWN
    try:
        running, printed = process.ready()
        url = url_in(printed)
        with pytest.MonkeyPatch.context() as environ, contextlib.ExitStack() as workers:
            for name, value in {
                "AWS_ENDPOINT_URL": process.aws_url,
                "AWS_ACCESS_KEY_ID": "test",
                "AWS_SECRET_ACCESS_KEY": "test",
                "AWS_DEFAULT_REGION": "us-east-1",
            }.items():
                environ.setenv(name, value)
            services = Services.connect(read_settings({"DARKROOM_RESEND_AFTER": "1"}))
            stack = Stack(services, {}, folder, workers)
            # A photo whose message was lost, from the first: the sweep comes once a minute.
            overdue = stack.record(picture, [{"type": "metadata"}])
            services.table.create(overdue)
            stack.store(overdue, picture)
            yield Serverless(process, url, stack, overdue, running)
    finally:
        process.end()


def test_a_photo_sent_to_the_gateway_comes_back_processed(serverless: Serverless, picture: bytes) -> None:
    jobs = [{"type": "resize", "width": 320}, {"type": "filter", "filter": "invert"}, {"type": "metadata"}]

    sent = serverless.upload(picture, *jobs)
    photo = wait_for_photo(sent)

    assert photo["status"] == "succeeded", photo
    assert photo["links"]["self"] == f"{serverless.url}/v1/photos/{photo['id']}"
    results = [requests.get(job["links"]["result"], timeout=PATIENCE) for job in photo["jobs"]]
    assert [result.status_code for result in results] == [200, 200, 200]
    with Image.open(io.BytesIO(results[0].content)) as resized:
        assert resized.size == (320, 240)
    with Image.open(io.BytesIO(results[1].content)) as inverted:
        red, _, blue = inverted.convert("RGB").getpixel((100, 100))
        assert red < 20, "red has become cyan"
        assert blue > 235, "red has become cyan"
    assert results[2].json()["width"] == 640


def test_the_docs_page_loads_all_its_assets(serverless: Serverless) -> None:
    page = requests.get(f"{serverless.url}/docs", timeout=PATIENCE)
    assets = re.findall(r'(?:href|src)="([^"]+)"', page.text)

    assert {Path(asset).suffix for asset in assets} == {".svg", ".css", ".js"}
    for asset in assets:
        # An emulator, as AWS, looks at what the caller accepts.
        for accept in ("*/*", "image/avif,image/webp,*/*"):
            answer = requests.get(f"{serverless.url}/{asset}", headers={"Accept": accept}, timeout=PATIENCE)
            assert answer.status_code == 200
            assert answer.content == (ASSETS / asset.removeprefix("docs/")).read_bytes()


def test_an_invalid_request_gets_the_error_of_the_api(serverless: Serverless) -> None:
    answer = requests.post(f"{serverless.url}/v1/photos", files={"photo": b"no photo"}, timeout=PATIENCE)

    assert answer.status_code == 415
    assert answer.headers["content-type"] == "application/problem+json"


def test_only_failed_messages_of_a_batch_are_redelivered(serverless: Serverless, picture: bytes) -> None:
    """Two good photos, one that only a newer release can process, and a message that is not valid."""
    photos = serverless.stack.services.photos
    serverless.set_functions(photos.name, on=False)
    good = [serverless.upload(picture, {"type": "resize", "width": 64}) for _ in range(2)]
    newer = serverless.upload(picture, {"type": "metadata"})
    newer_record = serverless.record(newer)
    serverless.stack.as_a_newer_release(newer_record)
    photos.send("no JSON", group="default", deduplication_id="x")
    serverless.set_functions(photos.name, on=True)

    assert [wait_for_photo(photo)["status"] for photo in good] == ["succeeded"] * 2

    wait_until(
        "the batch is logged as one",
        lambda: [entry for entry in serverless.logged("worker", "batch.done") if entry["messages"] == 4],
    )
    (batch,) = [entry for entry in serverless.logged("worker", "batch.done") if entry["messages"] == 4]
    assert batch["not_done"] == 1
    (buried,) = photos.dead_letters.receive(10, wait=1, visibility=1)
    assert buried.body == "no JSON"
    assert buried.attributes["code"] == "undecodable_message"
    photos.dead_letters.delete([buried.receipt_handle])
    wait_until("it was received again", lambda: len(_postponed(serverless, newer)) >= 2)

    serverless.stack.as_this_release(newer_record)

    assert wait_for_photo(newer)["status"] == "succeeded"
    assert [job["attempts"] for photo in good for job in wait_for_photo(photo)["jobs"]] == [1, 1]


def _postponed(serverless: Serverless, photo: dict[str, Any]) -> list[dict[str, Any]]:
    return [entry for entry in serverless.logged("worker", "order.attempt_failed") if entry.get("photo") == photo["id"]]


def test_a_photo_that_kills_its_process_is_a_dead_letter(serverless: Serverless, picture: bytes) -> None:
    sent = serverless.upload(picture, TOO_MUCH_MEMORY, {"type": "metadata"})

    photo = wait_for_photo(sent)

    killer, neighbour = photo["jobs"]
    assert (killer["status"], killer["error"]["code"]) == ("failed", "out_of_memory")
    assert neighbour["status"] == "succeeded"
    dead = requests.get(f"{serverless.url}/v1/dead-letters", timeout=PATIENCE).json()["dead_letters"]
    assert [letter["photo"] for letter in dead] == [photo["id"]]
    serverless.stack.wait_until_empty()


def test_the_message_of_a_function_that_died_is_delivered_again(serverless: Serverless, picture: bytes) -> None:
    sqs, photos = serverless.stack.services.clients.sqs, serverless.stack.services.photos
    usual = sqs.get_queue_attributes(QueueUrl=photos.url, AttributeNames=["VisibilityTimeout"])["Attributes"]
    assert usual == {"VisibilityTimeout": str(6 * 140)}, "six times what two tries, and some more, take"
    serverless.stack.wait_until_empty()
    sqs.set_queue_attributes(QueueUrl=photos.url, Attributes={"VisibilityTimeout": "10"})
    try:
        sent = serverless.upload(picture, SLOW)
        serverless.stack.wait_in_progress(serverless.record(sent))
        for worker in serverless.workers():
            os.kill(worker, signal.SIGKILL)
    finally:
        sqs.set_queue_attributes(QueueUrl=photos.url, Attributes=usual)

    photo = wait_for_photo(sent)

    assert photo["status"] == "succeeded"
    assert photo["jobs"][0]["attempts"] >= 2


def test_a_direct_upload_goes_past_the_gateway(serverless: Serverless, picture: bytes) -> None:
    asked = requests.post(
        f"{serverless.url}/v1/uploads", json={"jobs": [{"type": "resize", "width": 100}]}, timeout=PATIENCE
    )
    assert asked.status_code == 201, asked.text
    form = asked.json()["upload"]

    stored = requests.post(form["url"], data=form["fields"], files={"file": picture}, timeout=PATIENCE)
    assert stored.ok, stored.text

    photo = wait_for_photo(asked.json())
    assert photo["status"] == "succeeded"
    result = requests.get(photo["jobs"][0]["links"]["result"], timeout=PATIENCE)
    with Image.open(io.BytesIO(result.content)) as resized:
        assert resized.size == (100, 75)


def test_a_file_dropped_into_the_bucket_becomes_a_photo(serverless: Serverless, picture: bytes) -> None:
    services = serverless.stack.services
    services.clients.s3.put_object(
        Bucket=services.settings.bucket, Key="incoming/default/web/in the woods.jpg", Body=picture
    )

    def listed() -> dict[str, Any] | None:
        photos = requests.get(f"{serverless.url}/v1/photos", timeout=PATIENCE).json()["photos"]
        found = [photo for photo in photos if (photo["original"] or {}).get("filename") == "in the woods.jpg"]
        return found[0] if found else None

    photo = wait_until("the photo is there", listed)

    assert wait_for_photo(photo)["status"] == "succeeded"


@pytest.mark.exhaustive  # the schedule of the emulator comes round once a minute
def test_the_scheduled_sweep_sends_what_was_lost_again(serverless: Serverless) -> None:
    found = serverless.stack.wait_for(serverless.overdue)

    assert found.status == "succeeded"
    # Logs are there when the function has ended.
    wait_until("the sweep has told of it", lambda: serverless.logged("sweep", "sweep.resent"))


def test_one_command_deploys_everything(serverless: Serverless, tmp_path: Path) -> None:
    """The template of the whole, as it is when its command has put the others where it names them."""
    cloudformation, s3 = serverless.client("cloudformation"), serverless.client("s3")
    s3.create_bucket(Bucket="templates")
    template = (TEMPLATES / "darkroom.yaml").read_text()
    for nested in ("data.yaml", "policies.yaml", "serverless.yaml", "gateway.yaml"):
        s3.put_object(Bucket="templates", Key=nested, Body=(TEMPLATES / nested).read_bytes())
        template = template.replace(
            f"TemplateURL: {nested}", f"TemplateURL: {serverless.process.aws_url}/templates/{nested}"
        )
    given = {
        "Name": "whole",
        "Bucket": "whole-photos",
        "ImageUri": "123456789012.dkr.ecr.us-east-1.amazonaws.com/darkroom@sha256:" + 64 * "0",
        "ApiKeys": f"alice:{64 * 'a'}",
        "TimeLimit": "180",
    }

    whole = tmp_path / "darkroom.yaml"
    whole.write_text(template)
    stack = StackOnAws("whole", whole, given)
    try:
        stack.deploy(cloudformation)
        made = stack.outputs(cloudformation)
        functions, sqs = serverless.client("lambda"), serverless.client("sqs")
        worker = functions.get_function(FunctionName="whole-worker")
        api = functions.get_function_configuration(FunctionName="whole-api")["Environment"]["Variables"]
        callers = {
            name: json.loads(functions.get_policy(FunctionName=f"whole-{name}")["Policy"])["Statement"]
            for name in ("api", "authorizer")
        }
        sources = functions.list_event_source_mappings(FunctionName="whole-worker")["EventSourceMappings"]
        queue = sqs.get_queue_url(QueueName="whole-photos")["QueueUrl"]
        hidden = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["VisibilityTimeout"])["Attributes"]
    finally:
        cloudformation.delete_stack(StackName="whole")

    # The first deployment is the last: links lead through the gateway, and only this gateway may call.
    assert api["DARKROOM_PUBLIC_URL"] == made["Url"]
    assert made["GatewayId"] in made["Url"]
    for (statement,) in callers.values():
        assert statement["Principal"] == {"Service": "apigateway.amazonaws.com"}
        assert f":{made['GatewayId']}/" in statement["Condition"]["ArnLike"]["AWS:SourceArn"]
    assert worker["Configuration"]["Environment"]["Variables"]["DARKROOM_API_KEYS"] == given["ApiKeys"]
    assert worker["Code"]["ImageUri"] == given["ImageUri"]
    assert worker["Configuration"]["ImageConfigResponse"]["ImageConfig"] == {
        "EntryPoint": ["/opt/darkroom/bin/python", "-m", "awslambdaric"],
        "Command": ["worker.lambda_function.lambda_handler"],
        "WorkingDirectory": "/app",
    }
    assert {source["EventSourceArn"].rpartition(":")[2] for source in sources} == {
        "whole-photos",
        "whole-photo-ingest",
    }
    assert all(source["FunctionResponseTypes"] == ["ReportBatchItemFailures"] for source in sources)
    assert int(hidden["VisibilityTimeout"]) == 6 * worker["Configuration"]["Timeout"]


def test_a_stopped_run_continues_at_the_next_start(serverless: Serverless, picture: bytes) -> None:
    """The next run processes a photo that waits on its queue. This test stops the run, so it is the last one."""
    functions = children_of(serverless.process.processes()["emulator"])
    done = wait_for_photo(serverless.upload(picture, {"type": "metadata"}))
    serverless.set_functions(serverless.stack.services.photos.name, on=False)
    waiting = serverless.upload(picture, {"type": "metadata"})

    serverless.running.send_signal(signal.SIGINT)
    status, printed = ended(serverless.running)

    assert status == 0, printed
    assert "unfinished" not in printed
    assert printed.endswith("stopped\n")
    assert is_port_free(serverless.process.aws_port)
    assert functions
    wait_until("no function is left", lambda: not any(Path(f"/proc/{child}").exists() for child in functions))

    _, printed = serverless.process.ready()

    assert serverless.url in printed
    assert requests.get(done["links"]["self"], timeout=PATIENCE).json()["status"] == "succeeded"
    assert wait_for_photo(waiting)["status"] == "succeeded"
