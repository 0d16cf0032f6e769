"""AWS fails in the middle of an upload, so that the API cannot write down what became of it. The sweep repairs that."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from darkroom.record.photo import PhotoRecord
from tests.support.api import Api
from tests.support.deployment import Deploy
from tests.support.exhaustive import matrix
from tests.support.fault_proxy import LOST_ANSWER, LOST_REQUEST, Answer, FaultProxy, Forward, ProxyFault, Request, error
from tests.support.idempotent_uploads import change_item, upload_with_key
from tests.support.stack import Stack, only_job
from tests.support.waiting import PATIENCE, wait_until

JOBS = [{"type": "resize", "width": 160}]

REFUSED = error(403, "AccessDenied")

OUTAGES = {
    "record-perhaps-written": ("dynamodb.PutItem", LOST_ANSWER, 503, "failed"),
    "original-not-stored": ("s3.PutObject", REFUSED, 503, "failed"),
    "original-perhaps-stored": ("s3.PutObject", LOST_ANSWER, 503, "succeeded"),
    "order-not-sent": ("sqs.SendMessage", REFUSED, 202, "succeeded"),
    "order-perhaps-sent": ("sqs.SendMessage", LOST_ANSWER, 202, "succeeded"),
}
"""The call at which the outage begins, how this call ends, the API's answer, and the final status of the photo."""

QUICK = {"DARKROOM_RESEND_AFTER": "2", "DARKROOM_BACKOFF_BASE": "1", "DARKROOM_BACKOFF_CAP": "1"}


@dataclass(frozen=True)
class Outage:
    """An API that reaches AWS through a proxy, and a stack that reaches AWS itself."""

    proxy: FaultProxy
    api: Api
    stack: Stack

    def begin(self, operation: str, fault: ProxyFault, skip: int = 0) -> None:
        """Let the next call of an operation meet the fault, or the one after `skip` calls; lose all later requests."""

        def act(request: Request, forward: Forward) -> Answer | None:
            self.proxy.rule("*", LOST_REQUEST)
            return fault.act(request, forward)

        self.proxy.rule(operation, ProxyFault("passed", lambda _request, forward: forward()), times=skip)
        self.proxy.rule(operation, ProxyFault("begin of the outage", act), times=1)

    def only_photo(self) -> PhotoRecord:
        (photo,), _ = self.stack.services.table.list_photos("default", 10)
        return photo

    def work(self) -> None:
        self.stack.worker(DARKROOM_SWEEP_INTERVAL="0.2", DARKROOM_CHILDREN="1")


@pytest.fixture
def make_outage(endpoint: str, deploy: Deploy, tmp_path: Path) -> Iterator[Callable[..., Outage]]:
    with FaultProxy(endpoint) as proxy, contextlib.ExitStack() as processes:

        def make(**variables: str) -> Outage:
            deployment = deploy(**QUICK, **variables)
            api = Api(deployment, tmp_path / "api.log", {"AWS_ENDPOINT_URL": proxy.url})
            processes.callback(api.stop)
            stack = Stack(api.services, deployment.environ_of("worker"), tmp_path, processes)
            return Outage(proxy, api, stack)

        yield make


@pytest.mark.parametrize("point", matrix(OUTAGES, keep=["original-not-stored", "order-not-sent"]))
def test_an_upload_ends_soon_after_the_outage(make_outage: Callable[..., Outage], picture: bytes, point: str) -> None:
    operation, fault, status_code, status = OUTAGES[point]
    outage = make_outage()
    outage.begin(operation, fault)

    answer = outage.api.upload(("a.jpg", picture), jobs=JOBS)
    outage.proxy.heal()

    assert answer.status_code == status_code, answer.text
    assert outage.only_photo().status == "processing"
    outage.work()
    photo = outage.stack.wait_for(outage.only_photo())
    assert photo.status == status
    if status == "failed":
        (problem,) = only_job(photo).errors
        assert problem.code == "unavailable"
        assert "storage was unavailable" in problem.detail
    (event,) = wait_until("the event is there", outage.stack.events)
    assert (event["id"], event["data"]["status"]) == (photo.event_id("photo.completed"), status)


@pytest.mark.parametrize("failed_first", [False, True])
@pytest.mark.parametrize(
    "point", matrix(["record-perhaps-written", "original-not-stored"], keep=["original-not-stored"])
)
def test_the_upload_sent_again_succeeds(
    make_outage: Callable[..., Outage], picture: bytes, point: str, failed_first: bool
) -> None:
    operation, fault, *_ = OUTAGES[point]
    outage, key = make_outage(), "my-upload"
    outage.begin(operation, fault, skip=1 if operation == "dynamodb.PutItem" else 0)  # the key's own item comes first
    assert upload_with_key(outage.api, key, ("a.jpg", picture), jobs=JOBS).status_code == 503
    outage.proxy.heal()
    change_item(outage.api, key, locked_until=int(time.time()))
    outage.work()
    if failed_first:
        assert outage.stack.wait_for(outage.only_photo()).status == "failed"

    again = upload_with_key(outage.api, key, ("a.jpg", picture), jobs=JOBS)

    assert again.status_code == 202, again.text
    assert outage.stack.wait_for(outage.only_photo()).status == "succeeded"
    assert again.json()["id"] == outage.only_photo().id


@pytest.mark.parametrize("operation", ["s3.HeadObject", "sqs.SendMessage"])
def test_the_sweep_tries_again_soon_when_it_was_interrupted_by_the_outage(
    endpoint: str, make_stack: Callable[..., Stack], picture: bytes, operation: str
) -> None:
    stack = make_stack(DARKROOM_RESEND_AFTER="3600")
    photo = stack.record(picture, JOBS)
    photo.order(min(photo.orders)).await_original(0)
    stack.services.table.create(photo)
    with FaultProxy(endpoint) as proxy:
        proxy.rule(operation, error(500, "InternalError"))
        worker = stack.worker(DARKROOM_SWEEP_INTERVAL="0.2", AWS_ENDPOINT_URL=proxy.url)
        wait_until("the sweep has met the outage several times", lambda: len(worker.logged("sweep.failed")) > 2)
        proxy.heal()
        assert only_job(stack.wait_for(photo)).errors[0].code == "unavailable"
        worker.stop()


def test_an_original_that_is_stored_after_the_sweep_has_looked_for_it(
    make_outage: Callable[..., Outage], picture: bytes
) -> None:
    outage = make_outage(DARKROOM_AWS_TIMEOUT="60")
    arrived, go_on = threading.Event(), threading.Event()

    def hold(request: Request, forward: Forward) -> Answer:
        arrived.set()
        assert go_on.wait(PATIENCE)
        return forward()

    outage.proxy.rule("s3.PutObject", ProxyFault("held", hold), times=1)
    answers: list[Any] = []
    client = threading.Thread(target=lambda: answers.append(outage.api.upload(("a.jpg", picture), jobs=JOBS)))
    client.start()
    assert arrived.wait(PATIENCE)
    outage.work()
    assert outage.stack.wait_for(outage.only_photo()).status == "failed"

    go_on.set()
    client.join()

    assert [answer.status_code for answer in answers] == [202]
    assert answers[0].json()["status"] == "processing"
    photo = outage.stack.wait_for(outage.only_photo())
    assert (photo.status, photo.generation) == ("succeeded", 2)


def test_a_worker_waits_for_an_original_that_a_repeated_request_is_storing(
    make_stack: Callable[..., Stack], picture: bytes
) -> None:
    """The worker receives a message that the sweep has sent before the request was repeated."""
    stack = make_stack(DARKROOM_BACKOFF_BASE="1", DARKROOM_BACKOFF_CAP="1")
    photo = stack.record(picture, JOBS)
    photo.order(min(photo.orders)).await_original(60)
    stack.services.table.create(photo)
    stack.services.outbox.send_order(photo, min(photo.orders))
    worker = stack.worker()
    wait_until("the worker has looked for the original", lambda: worker.logged("order.attempt_failed"))
    wait_until("the worker has given the order back", lambda: stack.look(photo).counts == {"queued": 1})

    stack.store(photo, picture)

    ended = stack.wait_for(photo)
    assert (ended.status, only_job(ended).attempts) == ("succeeded", 1)
